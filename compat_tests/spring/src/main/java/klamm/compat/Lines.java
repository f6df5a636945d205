package klamm.compat;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.Map;
import org.springframework.stereotype.Component;

/** What the application says, a JSON object a line on stdout; byte[] becomes base64. */
@Component
class Lines {
    final ObjectMapper json = new ObjectMapper();

    synchronized void write(Map<String, Object> line) {
        try {
            byte[] bytes = (json.writeValueAsString(line) + "\n").getBytes(StandardCharsets.UTF_8);
            System.out.write(bytes, 0, bytes.length);
            System.out.flush();
        } catch (JsonProcessingException problem) {
            throw new IllegalStateException(problem);
        }
    }

    /** {"event": ..., "client": ..., name: value}: the form that ../java/jvm.py reads. */
    void event(String event, String client, String name, Object value) {
        Map<String, Object> line = new LinkedHashMap<>();
        line.put("event", event);
        line.put("client", client);
        line.put(name, value);
        write(line);
    }
}
