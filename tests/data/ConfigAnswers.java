// What Kafka's own classes make of config values and of .properties files: recorded in config_values.tsv.
// Lines in: SCOPE \t NAME \t VALUE (form-encoded); SCOPE is B(roker), T(opic), G(roup), C(lient metrics), P(roperties).
// Lines out: the same, then OK and the value as Kafka writes it (for P each name=value), or ERR and Kafka's message.
//   python compat_tests/kafka_peer/peer.py run tests/data/ConfigAnswers.java < in > out
import java.io.BufferedReader;
import java.io.ByteArrayInputStream;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.net.URLDecoder;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.Properties;
import java.util.TreeMap;
import org.apache.kafka.common.config.ConfigDef;

public class ConfigAnswers {
    private static final Map<String, ConfigDef> SCOPES = Map.of(
        "B", kafka.server.KafkaConfig.configDef(),
        "T", org.apache.kafka.storage.internals.log.LogConfig.configDefCopy(),
        "G", org.apache.kafka.coordinator.group.GroupConfig.CONFIG_DEF,
        "C", org.apache.kafka.server.metrics.ClientMetricsConfigs.configDef());

    public static void main(String[] arguments) throws Exception {
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        PrintStream out = new PrintStream(System.out, false, "UTF-8");
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            String[] fields = line.split("\t", -1);
            String answer;
            try {
                answer = "OK" + answer(fields[0], fields[1], URLDecoder.decode(fields[2], StandardCharsets.UTF_8));
            } catch (Exception error) {
                answer = "ERR\t" + encode(error.getMessage());
            }
            out.println(fields[0] + "\t" + fields[1] + "\t" + fields[2] + "\t" + answer);
        }
        out.flush();
    }

    private static String answer(String scope, String name, String value) throws Exception {
        if (scope.equals("P")) {
            Properties properties = new Properties();
            properties.load(new ByteArrayInputStream(value.getBytes(StandardCharsets.ISO_8859_1)));
            StringBuilder found = new StringBuilder();
            for (var entry : new TreeMap<>(properties).entrySet())
                found.append("\t").append(encode((String) entry.getKey())).append("=").append(encode((String) entry.getValue()));
            return found.toString();
        }
        ConfigDef.ConfigKey key = SCOPES.get(scope).configKeys().get(name);
        ConfigDef one = new ConfigDef();
        one.define(key);
        Object parsed = one.parse(Map.of(name, value)).get(name);
        return "\t" + (key.type == ConfigDef.Type.PASSWORD ? "" : encode(ConfigDef.convertToString(parsed, key.type)));
    }

    private static String encode(String text) {
        return URLEncoder.encode(text, StandardCharsets.UTF_8);
    }
}
