package klamm.compat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;

/**
 * Kafka's Java client at the end of a pipe. Each line of stdin is a command, {"id": 1, "command": "send", ...}; each is
 * answered by a line of stdout, {"id": 1, "result": ...} or {"id": 1, "error": CLASS, "message": ...}. Commands run at
 * the same time, so answers come in any order. What happens unasked (records, assignments, acknowledgements) is a line
 * {"event": ..., "client": ...}. The program ends with its stdin.
 */
public final class Main {
    static final ObjectMapper JSON = new ObjectMapper();

    /** One row of the command table. The result is anything that Jackson writes; byte[] becomes base64. */
    interface Command {
        Object run(JsonNode arguments) throws Exception;
    }

    private Main() {}

    public static void main(String[] ignored) throws Exception {
        Map<String, Command> commands = new LinkedHashMap<>();
        commands.putAll(new Producers().commands());
        commands.putAll(new Consumers().commands());
        commands.putAll(new Admins().commands());
        commands.putAll(new Transactions().commands());
        commands.putAll(AdminMethods.commands());

        ExecutorService workers = Executors.newCachedThreadPool();
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            JsonNode request = JSON.readTree(line);
            workers.execute(() -> answer(commands.get(request.get("command").asText()), request));
        }
        // Clients that a test left open are not closed in order: the broker sees them vanish.
        System.exit(0);
    }

    private static void answer(Command command, JsonNode request) {
        Map<String, Object> line = new LinkedHashMap<>();
        line.put("id", request.get("id").asInt());
        try {
            line.put("result", command.run(request));
        } catch (Throwable problem) {
            line.putAll(Values.error(problem));
        }
        write(line);
    }

    /** Writes an event line; details are name, value, name, value... */
    static void event(String event, String client, Object... details) {
        Map<String, Object> line = new LinkedHashMap<>();
        line.put("event", event);
        line.put("client", client);
        for (int i = 0; i < details.length; i += 2) {
            line.put((String) details[i], details[i + 1]);
        }
        write(line);
    }

    private static void write(Map<String, Object> line) {
        try {
            byte[] bytes = (JSON.writeValueAsString(line) + "\n").getBytes(StandardCharsets.UTF_8);
            synchronized (System.out) {
                System.out.write(bytes, 0, bytes.length);
                System.out.flush();
            }
        } catch (Exception problem) {
            throw new IllegalStateException(problem);
        }
    }
}
