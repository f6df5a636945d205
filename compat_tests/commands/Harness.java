import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.lang.reflect.InvocationTargetException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.apache.kafka.common.utils.Exit;

/**
 * Runs the main methods of Kafka's tools one after the other in one JVM: a request a line of JSON on stdin
 * ({"class", "arguments", "stdin"}), an answer a line on stdout ({"code", "out", "err"}).
 *
 * A tool that ends with an exit code is stopped where it stands: its thread sleeps from then on. One that ends the whole
 * JVM is answered for without a code: that is the JVM's own.
 */
public final class Harness {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final PrintStream ANSWERS = System.out;
    private static volatile CompletableFuture<Integer> ended;
    private static volatile ByteArrayOutputStream out;
    private static volatile ByteArrayOutputStream err;
    private static volatile boolean tellsAtEnd;

    public static void main(String[] none) throws Exception {
        BufferedReader requests = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        PrintStream errors = System.err;
        Exit.setExitProcedure((code, message) -> stop(code));
        Exit.setHaltProcedure((code, message) -> stop(code));
        Exit.setShutdownHookAdder((name, hook) -> { });
        Runtime.getRuntime().addShutdownHook(new Thread(Harness::answerAtEnd));
        for (String line; (line = requests.readLine()) != null; ) {
            JsonNode request = JSON.readTree(line);
            List<String> arguments = new ArrayList<>();
            request.get("arguments").forEach(word -> arguments.add(word.asText()));
            out = new ByteArrayOutputStream();
            err = new ByteArrayOutputStream();
            System.setIn(new ByteArrayInputStream(request.path("stdin").asText("").getBytes(StandardCharsets.UTF_8)));
            System.setOut(new PrintStream(out, true, StandardCharsets.UTF_8));
            System.setErr(new PrintStream(err, true, StandardCharsets.UTF_8));
            ended = new CompletableFuture<>();
            String name = request.get("class").asText();
            Thread tool = new Thread(() -> run(name, arguments.toArray(new String[0])), name);
            tool.setDaemon(true);
            tool.start();
            Integer code = ended.get();
            System.setErr(errors);
            answer(code);
        }
        Runtime.getRuntime().halt(0);
    }

    private static void answerAtEnd() {
        try {
            for (int tries = 0; tellsAtEnd && tries < 1000 && !out.toString().matches("(?s).*(tool_data|shutdown_requested).*"); tries++) {
                Thread.sleep(10);
            }
        } catch (InterruptedException impossible) {
            Thread.currentThread().interrupt();
        }
        answer(null);
    }

    private static synchronized void answer(Integer code) {
        System.out.flush();
        ObjectNode answer = JSON.createObjectNode();
        answer.put("code", code).put("out", out.toString(StandardCharsets.UTF_8))
            .put("err", err.toString(StandardCharsets.UTF_8));
        ANSWERS.println(answer);
        ANSWERS.flush();
    }

    private static void run(String name, String[] arguments) {
        try {
            Class.forName(name).getMethod("main", String[].class).invoke(null, (Object) arguments);
            if (name.endsWith("VerifiableProducer") || name.endsWith("VerifiableConsumer")) {
                // It tells its result while the JVM ends.
                tellsAtEnd = true;
                System.exit(0);
            }
            ended.complete(0);
        } catch (InvocationTargetException failure) {
            System.err.print("Exception in thread \"main\" ");
            failure.getCause().printStackTrace();
            ended.complete(1);
        } catch (ReflectiveOperationException wrong) {
            System.err.println(wrong);
            ended.complete(99);
        }
    }

    private static void stop(int code) {
        ended.complete(code);
        while (true) {
            try {
                Thread.sleep(Long.MAX_VALUE);
            } catch (InterruptedException again) {
                // Nothing may run behind an exit.
            }
        }
    }
}
