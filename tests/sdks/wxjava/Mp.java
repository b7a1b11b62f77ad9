import me.chanjar.weixin.common.redis.JedisWxRedisOps;
import me.chanjar.weixin.mp.api.WxMpService;
import me.chanjar.weixin.mp.api.impl.WxMpServiceImpl;
import me.chanjar.weixin.mp.config.WxMpHostConfig;
import me.chanjar.weixin.mp.config.impl.WxMpRedisConfigImpl;
import redis.clients.jedis.JedisPool;

/** WxJava for official accounts, unmodified, with its tokens in Redis: Mp PORT ISSUER STOP */
final class Mp {
  public static void main(String[] given) throws Exception {
    JedisPool redis = new JedisPool("127.0.0.1", Integer.parseInt(given[0]));
    WxMpRedisConfigImpl config = new WxMpRedisConfigImpl(new JedisWxRedisOps(redis), "wx");
    config.setAppId("wx0123456789abcdef");
    config.setSecret("no secret");
    config.setHostConfig(WxMpHostConfig.builder().apiHost(given[1]).build());
    WxMpService service = new WxMpServiceImpl();
    service.setWxMpConfigStorage(config);
    String url = given[1] + "/cgi-bin/get_api_domain_ip";
    Uses.until(given[2], service::getAccessToken, () -> service.get(url, null), "ip_list");
  }
}
