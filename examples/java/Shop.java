// Calls WeChat with the token that evertoken keeps fresh: see pom.xml beside it.

import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;
import java.util.function.Function;
import java.util.regex.Pattern;
import redis.clients.jedis.JedisPooled;
import redis.clients.jedis.params.SetParams;

public final class Shop {
    private static final Pattern DEAD = Pattern.compile("\"errcode\":(40001|40014|42001)\\b");

    private final JedisPooled store;

    private Shop(JedisPooled store) {
        this.store = store;
    }

    private String currentToken() {
        String token = store.get("evertoken:{shop}:token");
        if (token == null) {
            throw new IllegalStateException("no token of shop is valid: `evertoken status` tells why");
        }
        return token;
    }

    /** Reports a dead token if it still stands; tells what stands then, or five seconds later. */
    private String replaced(String token) throws InterruptedException {
        String newer = currentToken();
        if (newer.equals(token)) {
            store.set("evertoken:{shop}:rejected", token, SetParams.setParams().ex(600));
            store.publish("evertoken:rejected", "shop");
            for (int tries = 0; tries < 50 && newer.equals(token); tries++) {
                Thread.sleep(100);
                newer = currentToken();
            }
        }
        return newer;
    }

    private String call(Function<String, String> request) throws InterruptedException {
        String token = currentToken();
        String answer = request.apply(token);
        if (DEAD.matcher(answer).find()) {
            String newer = replaced(token);
            if (!newer.equals(token)) {
                answer = request.apply(newer);
            }
        }
        return answer;
    }

    public static void main(String[] arguments) throws Exception {
        HttpClient http = HttpClient.newHttpClient();
        try (JedisPooled store = new JedisPooled(URI.create(arguments[0]))) {
            System.out.println(new Shop(store).call(token -> {
                URI page = URI.create(arguments[1] + "/cgi-bin/get_api_domain_ip?access_token=" + token);
                try {
                    return http.send(HttpRequest.newBuilder(page).build(), BodyHandlers.ofString()).body();
                } catch (Exception failed) {
                    throw new IllegalStateException(failed);
                }
            }));
        }
    }
}
