import me.chanjar.weixin.channel.api.WxChannelService;
import me.chanjar.weixin.channel.api.impl.WxChannelServiceImpl;
import me.chanjar.weixin.channel.config.impl.WxChannelRedisConfigImpl;
import me.chanjar.weixin.common.redis.JedisWxRedisOps;
import redis.clients.jedis.JedisPool;

/** WxJava for channels, unmodified, with its tokens in Redis: Channel PORT ISSUER STOP */
final class Channel {
  public static void main(String[] given) throws Exception {
    JedisPool redis = new JedisPool("127.0.0.1", Integer.parseInt(given[0]));
    WxChannelRedisConfigImpl config = new WxChannelRedisConfigImpl(new JedisWxRedisOps(redis), "wh");
    config.setAppid("wx0123456789abcdef");
    config.setSecret("no secret");
    config.setApiHostUrl(given[1]);
    WxChannelService service = new WxChannelServiceImpl();
    service.setConfig(config);
    String url = given[1] + "/cgi-bin/get_api_domain_ip";
    Uses.until(given[2], service::getAccessToken, () -> service.get(url, null), "ip_list");
  }
}
