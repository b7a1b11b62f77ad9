import me.chanjar.weixin.cp.api.WxCpService;
import me.chanjar.weixin.cp.api.impl.WxCpServiceImpl;
import me.chanjar.weixin.cp.config.impl.WxCpDefaultConfigImpl;

/**
 * WxJava for WeCom, unmodified, whose calls are all passed on: CpPassedOn FORWARD ISSUER STOP
 *
 * <p>It asks for the next token when 200 s are left of one, and asks the issuer nothing.
 */
final class CpPassedOn {
  public static void main(String[] given) throws Exception {
    WxCpDefaultConfigImpl config = new WxCpDefaultConfigImpl();
    config.setCorpId("ww1");
    config.setAgentId(7);
    config.setCorpSecret("key-of-web-0123456789");
    config.setBaseApiUrl(given[0]);
    WxCpService service = new WxCpServiceImpl();
    service.setWxCpConfigStorage(config);
    String url = config.getApiUrl("/cgi-bin/get_jsapi_ticket");
    Calls.until(given[2], service::getAccessToken, () -> service.get(url, null), "\"ticket\"");
  }
}
