import cn.binarywang.wx.miniapp.api.WxMaService;
import cn.binarywang.wx.miniapp.api.impl.WxMaServiceImpl;
import cn.binarywang.wx.miniapp.config.impl.WxMaRedisBetterConfigImpl;
import me.chanjar.weixin.common.redis.JedisWxRedisOps;
import redis.clients.jedis.JedisPool;

/** WxJava for mini programs, unmodified, with its tokens in Redis: Ma PORT ISSUER STOP */
final class Ma {
  public static void main(String[] given) throws Exception {
    JedisPool redis = new JedisPool("127.0.0.1", Integer.parseInt(given[0]));
    WxMaRedisBetterConfigImpl config = new WxMaRedisBetterConfigImpl(new JedisWxRedisOps(redis), "wa");
    config.setAppid("wx0123456789abcdef");
    config.setSecret("no secret");
    config.setApiHostUrl(given[1]);
    WxMaService service = new WxMaServiceImpl();
    service.setWxMaConfig(config);
    String url = "https://api.weixin.qq.com/cgi-bin/get_api_domain_ip";
    Uses.until(given[2], service::getAccessToken, () -> service.get(url, null), "ip_list");
  }
}
