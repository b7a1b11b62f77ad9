import me.chanjar.weixin.common.enums.TicketType;
import me.chanjar.weixin.common.redis.JedisWxRedisOps;
import me.chanjar.weixin.mp.api.WxMpService;
import me.chanjar.weixin.mp.api.impl.WxMpServiceImpl;
import me.chanjar.weixin.mp.config.impl.WxMpRedisConfigImpl;
import redis.clients.jedis.JedisPool;

/** The ticket that WxJava for official accounts finds in Redis: MpTicket PORT */
final class MpTicket {
  public static void main(String[] given) throws Exception {
    JedisPool redis = new JedisPool("127.0.0.1", Integer.parseInt(given[0]));
    WxMpRedisConfigImpl config = new WxMpRedisConfigImpl(new JedisWxRedisOps(redis), "wx");
    config.setAppId("wx0123456789abcdef");
    config.setSecret("no secret");
    WxMpService service = new WxMpServiceImpl();
    service.setWxMpConfigStorage(config);
    System.out.println(service.getTicket(TicketType.JSAPI));
    System.exit(0);
  }
}
