import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.Set;

/**
 * What each application does whose calls are passed on: it calls until the file STOP is there. It says each
 * tenth call, and what it holds as its token, each that is new to it.
 */
final class Calls {
  /** A call that is refused ends the process with an error. */
  static void until(String stop, Uses.Token token, Uses.Call call, String inIt) throws Exception {
    Set<String> seen = new HashSet<>();
    for (int count = 1; !Files.exists(Path.of(stop)); count++) {
      String held = token.get();
      if (!call.answer().contains(inIt)) {
        throw new IllegalStateException("the call was not answered");
      }
      if (seen.add(held)) {
        System.out.println("holds " + held);
      }
      if (count % 10 == 0) {
        System.out.println("called " + count);
      }
      Thread.sleep(20);
    }
    System.exit(0);
  }
}
