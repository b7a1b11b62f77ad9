import me.chanjar.weixin.mp.api.WxMpService;
import me.chanjar.weixin.mp.api.impl.WxMpServiceImpl;
import me.chanjar.weixin.mp.config.WxMpHostConfig;
import me.chanjar.weixin.mp.config.impl.WxMpDefaultConfigImpl;

/**
 * WxJava for official accounts, unmodified, whose calls are all passed on: MpPassedOn FORWARD ISSUER STOP
 *
 * <p>It asks for the next token when 200 s are left of one, and asks the issuer nothing.
 */
final class MpPassedOn {
  public static void main(String[] given) throws Exception {
    WxMpDefaultConfigImpl config = new WxMpDefaultConfigImpl();
    config.setAppId("wx0123456789abcdef");
    config.setSecret("key-of-web-0123456789");
    WxMpHostConfig hosts = WxMpHostConfig.builder().apiHost(given[0]).build();
    config.setHostConfig(hosts);
    WxMpService service = new WxMpServiceImpl();
    service.setWxMpConfigStorage(config);
    // As the SDK builds the addresses of its own calls.
    String api = WxMpHostConfig.API_DEFAULT_HOST_URL;
    String url = WxMpHostConfig.buildUrl(hosts, api, "/cgi-bin/get_api_domain_ip");
    Calls.until(given[2], service::getAccessToken, () -> service.get(url, null), "ip_list");
  }
}
