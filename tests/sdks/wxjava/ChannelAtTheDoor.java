import me.chanjar.weixin.channel.api.WxChannelService;
import me.chanjar.weixin.channel.api.impl.WxChannelServiceImpl;
import me.chanjar.weixin.channel.config.impl.WxChannelDefaultConfigImpl;

/**
 * WxJava for channels, unmodified, at WeChat's token endpoint of the door: ChannelAtTheDoor DOOR ISSUER STOP
 *
 * <p>It asks for the next token when 200 s are left of one.
 */
final class ChannelAtTheDoor {
  public static void main(String[] given) throws Exception {
    WxChannelDefaultConfigImpl config = new WxChannelDefaultConfigImpl();
    config.setAppid("wx0123456789abcdef");
    config.setSecret("key-of-web-0123456789");
    String query = "?grant_type=client_credential&appid=%s&secret=%s";
    config.setAccessTokenUrl(given[0] + "/cgi-bin/token" + query);
    config.setApiHostUrl(given[1]); // The simulated WeChat.
    WxChannelService service = new WxChannelServiceImpl();
    service.setConfig(config);
    String url = given[1] + "/cgi-bin/get_api_domain_ip";
    Uses.until(given[2], service::getAccessToken, () -> service.get(url, null), "ip_list");
  }
}
