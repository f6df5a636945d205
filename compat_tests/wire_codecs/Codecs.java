import com.fasterxml.jackson.databind.JsonNode;
import java.io.BufferedReader;
import java.io.File;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.lang.reflect.Method;
import java.nio.ByteBuffer;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.Map;
import java.util.jar.JarFile;
import org.apache.kafka.common.protocol.ByteBufferAccessor;
import org.apache.kafka.common.protocol.Message;
import org.apache.kafka.common.protocol.ObjectSerializationCache;

/**
 * Puts messages through Kafka's own generated classes. Each line of stdin is a name, a version and hex; each line of
 * stdout is "ok", the hex that Kafka's class writes for what it has read, and its JSON where it has a converter; or
 * "error" and why.
 */
public class Codecs {
    static final Map<String, String> CLASSES = new HashMap<>();

    static void findClasses() throws Exception {
        for (String path : System.getProperty("java.class.path").split(File.pathSeparator)) {
            File file = new File(path);
            if (!file.getName().startsWith("kafka-") || !file.getName().endsWith(".jar")) continue;
            try (JarFile jar = new JarFile(file)) {
                jar.stream().map(entry -> entry.getName()).forEach(name -> {
                    boolean generated = name.contains("/generated/") || name.startsWith("org/apache/kafka/common/message/")
                        || name.startsWith("org/apache/kafka/common/metadata/");
                    if (!generated || !name.endsWith(".class") || name.contains("$")) return;
                    String full = name.substring(0, name.length() - 6).replace('/', '.');
                    String simple = full.substring(full.lastIndexOf('.') + 1);
                    CLASSES.put(simple, full);
                });
            }
        }
    }

    static Class<?> find(String name) throws Exception {
        boolean frame = name.endsWith("Request") || name.endsWith("Response") || name.endsWith("Header");
        return Class.forName(CLASSES.get(frame ? name + "Data" : name));
    }

    static String answer(String line) throws Exception {
        String[] words = line.split(" ", -1);
        short version = Short.parseShort(words[1]);
        Class<?> type = find(words[0]);
        Message message = (Message) type.getDeclaredConstructor().newInstance();
        ByteBuffer input = ByteBuffer.wrap(HexFormat.of().parseHex(words[2]));
        message.read(new ByteBufferAccessor(input), version);
        if (input.hasRemaining()) return "error " + input.remaining() + " bytes left";
        ObjectSerializationCache cache = new ObjectSerializationCache();
        ByteBuffer output = ByteBuffer.allocate(message.size(cache, version));
        message.write(new ByteBufferAccessor(output), cache, version);
        String json = "";
        if (CLASSES.containsKey(type.getSimpleName() + "JsonConverter")) {
            Class<?> converter = Class.forName(type.getName() + "JsonConverter");
            Method write = converter.getMethod("write", type, short.class);
            json = " " + (JsonNode) write.invoke(null, message, version);
        }
        return "ok " + HexFormat.of().formatHex(output.array()) + json;
    }

    public static void main(String[] arguments) throws Exception {
        findClasses();
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in, "UTF-8"));
        PrintStream out = new PrintStream(System.out, false, "UTF-8");
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            String said;
            try {
                said = answer(line);
            } catch (Throwable error) {
                said = "error " + error;
            }
            out.println(said.replace('\n', ' '));
        }
        out.flush();
    }
}
