import cn.binarywang.wx.miniapp.api.WxMaService;
import cn.binarywang.wx.miniapp.api.impl.WxMaServiceImpl;
import cn.binarywang.wx.miniapp.config.impl.WxMaDefaultConfigImpl;

/**
 * WxJava for mini programs, unmodified, at WeChat's token endpoint of the door: MaAtTheDoor DOOR ISSUER STOP
 *
 * <p>It asks for the next token when 200 s are left of one.
 */
final class MaAtTheDoor {
  public static void main(String[] given) throws Exception {
    WxMaDefaultConfigImpl config = new WxMaDefaultConfigImpl();
    config.setAppid("wx0123456789abcdef");
    config.setSecret("key-of-web-0123456789");
    String query = "?grant_type=client_credential&appid=%s&secret=%s";
    config.setAccessTokenUrl(given[0] + "/cgi-bin/token" + query);
    config.setApiHostUrl(given[1]); // The simulated WeChat.
    WxMaService service = new WxMaServiceImpl();
    service.setWxMaConfig(config);
    String url = "https://api.weixin.qq.com/cgi-bin/get_api_domain_ip";
    Uses.until(given[2], service::getAccessToken, () -> service.get(url, null), "ip_list");
  }
}
