package klamm.compat;

import com.fasterxml.jackson.databind.JsonNode;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.TreeMap;
import java.util.TreeSet;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.common.KafkaFuture;

/**
 * Every method of Kafka's Admin client, with good and bad input, one case after the other on one fresh broker.
 *
 * "admin_methods" {"bootstrap": "host:port", "settle_ms": 0} answers case -> outcome, where a case is
 * "method: what is asked". An outcome is what the method gave, less what differs from run to run (ids, ports, times,
 * sizes), or {"error": the exception's class}. "admin_method_names" answers the methods that Admin has.
 */
final class AdminMethods {
    /** One case. What it gives is shown by Jackson. */
    interface Case {
        Object of(Admin admin) throws Exception;
    }

    /** What a successful call has to say. */
    interface Shown<T> {
        Object of(T value) throws Exception;
    }

    /** The cases in their order. Those that only read wait first: Kafka's broker learns late what its controller did. */
    static final class Cases {
        final Map<String, Case> all = new LinkedHashMap<>();
        final TreeSet<String> reads = new TreeSet<>();

        void changes(String name, Case body) {
            if (all.put(name, body) != null) {
                throw new IllegalStateException(name);
            }
        }

        void reads(String name, Case body) {
            changes(name, body);
            reads.add(name);
        }
    }

    private AdminMethods() {}

    static Map<String, Main.Command> commands() {
        return Map.of("admin_methods", AdminMethods::run, "admin_method_names", ignored -> methods());
    }

    private static Object methods() {
        TreeSet<String> names = new TreeSet<>();
        for (Method method : Admin.class.getMethods()) {
            if (!Modifier.isStatic(method.getModifiers())) {
                names.add(method.getName());
            }
        }
        return names;
    }

    private static Object run(JsonNode arguments) throws Exception {
        String bootstrap = arguments.get("bootstrap").asText();
        long settleMs = arguments.get("settle_ms").asLong();
        Cases cases = new Cases();
        AdminTopicCases.add(cases);
        AdminClusterCases.add(cases);
        AdminGroupCases.add(cases, bootstrap);
        Properties config = new Properties();
        config.put("bootstrap.servers", bootstrap);
        config.put("default.api.timeout.ms", "30000");
        config.put("request.timeout.ms", "20000");
        Map<String, Object> outcomes = new LinkedHashMap<>();
        try (Admin admin = Admin.create(config)) {
            for (Map.Entry<String, Case> row : cases.all.entrySet()) {
                if (cases.reads.contains(row.getKey())) {
                    Thread.sleep(settleMs);
                }
                outcomes.put(row.getKey(), outcome(() -> row.getValue().of(admin)));
            }
        }
        return outcomes;
    }

    interface Attempt {
        Object run() throws Exception;
    }

    /** What an attempt gives, "done" for nothing, or {"error": class}. */
    static Object outcome(Attempt attempt) {
        try {
            Object given = attempt.run();
            return given == null ? "done" : given;
        } catch (Exception problem) {
            return Map.of("error", Values.error(problem).get("error"));
        }
    }

    /** The outcome of each future under its key, in the order of the keys. */
    static <K, V> Map<String, Object> each(Map<K, KafkaFuture<V>> futures, Shown<V> shown) {
        Map<String, Object> outcomes = new TreeMap<>();
        futures.forEach((key, future) -> outcomes.put(key.toString(), outcome(() -> shown.of(future.get()))));
        return outcomes;
    }

    static <K, V> Map<String, Object> each(Map<K, KafkaFuture<V>> futures) {
        return each(futures, value -> value);
    }

    /** Each value by name, sorted. */
    static List<String> sorted(Collection<?> values) {
        List<String> texts = new ArrayList<>();
        values.forEach(value -> texts.add(value.toString()));
        texts.sort(null);
        return texts;
    }

    /** name, value, name, value... as an object. */
    static Map<String, Object> row(Object... pairs) {
        Map<String, Object> shown = new LinkedHashMap<>();
        for (int i = 0; i < pairs.length; i += 2) {
            shown.put((String) pairs[i], pairs[i + 1]);
        }
        return shown;
    }
}
