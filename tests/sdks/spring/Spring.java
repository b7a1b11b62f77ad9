import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.Set;
import org.springframework.security.oauth2.client.AuthorizedClientServiceOAuth2AuthorizedClientManager;
import org.springframework.security.oauth2.client.InMemoryOAuth2AuthorizedClientService;
import org.springframework.security.oauth2.client.OAuth2AuthorizeRequest;
import org.springframework.security.oauth2.client.registration.ClientRegistration;
import org.springframework.security.oauth2.client.registration.InMemoryClientRegistrationRepository;
import org.springframework.security.oauth2.core.AuthorizationGrantType;

/**
 * Spring Security's OAuth client, unmodified, at the OAuth door: Spring DOOR ISSUER STOP
 *
 * <p>It calls WeChat until the file STOP is there, and says each token that is new to it by a number. The
 * library asks for the next token when 60 s are left of one.
 */
final class Spring {
  public static void main(String[] given) throws Exception {
    var registration =
        ClientRegistration.withRegistrationId("evertoken")
            .tokenUri(given[0] + "/oauth2/token")
            .clientId("web")
            .clientSecret("key-of-web-0123456789")
            .authorizationGrantType(AuthorizationGrantType.CLIENT_CREDENTIALS)
            .scope("shop")
            .build();
    var registrations = new InMemoryClientRegistrationRepository(registration);
    var manager =
        new AuthorizedClientServiceOAuth2AuthorizedClientManager(
            registrations, new InMemoryOAuth2AuthorizedClientService(registrations));
    var request =
        OAuth2AuthorizeRequest.withClientRegistrationId("evertoken").principal("shop").build();
    HttpClient http = HttpClient.newHttpClient();
    Set<String> seen = new HashSet<>();
    while (!Files.exists(Path.of(given[2]))) {
      String token = manager.authorize(request).getAccessToken().getTokenValue();
      URI uri = URI.create(given[1] + "/cgi-bin/get_api_domain_ip?access_token=" + token);
      var answer = http.send(HttpRequest.newBuilder(uri).build(), BodyHandlers.ofString());
      if (!answer.body().contains("ip_list")) {
        throw new IllegalStateException("the call was refused");
      }
      if (seen.add(token)) {
        System.out.println("token " + seen.size());
      }
      Thread.sleep(50);
    }
    System.exit(0);
  }
}
