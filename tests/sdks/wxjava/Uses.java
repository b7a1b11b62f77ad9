import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.Set;

/**
 * What each application does: it calls until the file STOP is there, and says each token that is new to it
 * by a number. It rests while a file "rest" lies beside it.
 */
final class Uses {
  interface Token {
    String get() throws Exception;
  }

  interface Call {
    String answer() throws Exception;
  }

  /** A call that is refused ends the process with an error. */
  static void until(String stop, Token token, Call call, String inIt) throws Exception {
    Set<String> seen = new HashSet<>();
    Path rest = Path.of(stop).resolveSibling("rest");
    int rests = 0;
    while (!Files.exists(Path.of(stop))) {
      String now = token.get();
      if (!call.answer().contains(inIt)) {
        throw new IllegalStateException("the call was not answered");
      }
      if (seen.add(now)) {
        System.out.println("token " + seen.size());
      }
      Thread.sleep(50);
      if (Files.exists(rest)) {
        System.out.println("rest " + ++rests);
        while (Files.exists(rest)) {
          Thread.sleep(50);
        }
      }
    }
    System.exit(0);
  }
}
