import me.chanjar.weixin.cp.api.WxCpService;
import me.chanjar.weixin.cp.api.impl.WxCpServiceImpl;
import me.chanjar.weixin.cp.config.impl.WxCpJedisConfigImpl;
import redis.clients.jedis.JedisPool;

/** WxJava for WeCom, unmodified, with its tokens in Redis: Cp PORT ISSUER STOP */
final class Cp {
  public static void main(String[] given) throws Exception {
    JedisPool redis = new JedisPool("127.0.0.1", Integer.parseInt(given[0]));
    WxCpJedisConfigImpl config = new WxCpJedisConfigImpl(redis, "wx:cp");
    config.setCorpId("ww1");
    config.setAgentId(7);
    config.setCorpSecret("no secret");
    config.setBaseApiUrl(given[1]);
    WxCpService service = new WxCpServiceImpl();
    service.setWxCpConfigStorage(config);
    String url = config.getApiUrl("/cgi-bin/get_jsapi_ticket");
    Uses.until(given[2], service::getAccessToken, () -> service.get(url, null), "\"ticket\"");
  }
}
