package klamm.compat;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.header.internals.RecordHeaders;
import org.springframework.beans.factory.annotation.Value;
import org.springframework.boot.ApplicationArguments;
import org.springframework.boot.ApplicationRunner;
import org.springframework.context.ConfigurableApplicationContext;
import org.springframework.kafka.config.KafkaListenerEndpointRegistry;
import org.springframework.kafka.core.KafkaAdmin;
import org.springframework.kafka.core.KafkaTemplate;
import org.springframework.kafka.core.ProducerFactory;
import org.springframework.kafka.support.SendResult;
import org.springframework.stereotype.Component;

/**
 * Reads a command a line, {"id": 1, "command": "send", ...}, and answers {"id": 1, "result": ...} or {"id": 1, "error":
 * CLASS, "message": ...}. The end of stdin closes the application: its listeners finish and commit.
 */
@Component
class Commands implements ApplicationRunner {
    private interface Command {
        Object run(JsonNode arguments) throws Exception;
    }

    private final Lines lines;
    private final ProducerFactory<byte[], byte[]> producers;
    private final KafkaListenerEndpointRegistry listeners;
    private final KafkaAdmin admin;
    private final ConfigurableApplicationContext context;
    private final String topic;
    private final Map<String, KafkaTemplate<byte[], byte[]>> templates = new ConcurrentHashMap<>();
    private final Map<String, Command> commands = Map.of(
            "send", this::send,
            "start", this::start,
            "stop", this::stop,
            "assignment", this::assignment,
            "partitions", this::partitions);

    Commands(
            Lines lines,
            ProducerFactory<byte[], byte[]> producers,
            KafkaListenerEndpointRegistry listeners,
            KafkaAdmin admin,
            ConfigurableApplicationContext context,
            @Value("${klamm.topic}") String topic) {
        this.lines = lines;
        this.producers = producers;
        this.listeners = listeners;
        this.admin = admin;
        this.context = context;
        this.topic = topic;
    }

    @Override
    public void run(ApplicationArguments ignored) throws IOException {
        ExecutorService workers = Executors.newCachedThreadPool();
        BufferedReader input = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = input.readLine(); line != null; line = input.readLine()) {
            JsonNode request = lines.json.readTree(line);
            workers.execute(() -> answer(request));
        }
        workers.shutdown();
        context.close();
    }

    private void answer(JsonNode request) {
        Map<String, Object> line = new LinkedHashMap<>();
        line.put("id", request.get("id").asInt());
        try {
            line.put("result", commands.get(request.get("command").asText()).run(request));
        } catch (Throwable problem) {
            line.put("error", problem.getClass().getSimpleName());
            line.put("message", String.valueOf(problem.getMessage()));
        }
        lines.write(line);
    }

    /** "codec", "records": [{"partition"?, "key", "value", "headers"}] -> [{"partition", "offset"}] in their order. */
    private Object send(JsonNode arguments) throws Exception {
        KafkaTemplate<byte[], byte[]> template = templates.computeIfAbsent(
                arguments.get("codec").asText(),
                codec -> new KafkaTemplate<>(producers, Map.of(ProducerConfig.COMPRESSION_TYPE_CONFIG, codec)));
        List<CompletableFuture<SendResult<byte[], byte[]>>> futures = new ArrayList<>();
        for (JsonNode record : arguments.get("records")) {
            RecordHeaders headers = new RecordHeaders();
            for (JsonNode header : record.get("headers")) {
                headers.add(header.get(0).asText(), bytes(header.get(1)));
            }
            Integer partition = record.hasNonNull("partition") ? record.get("partition").asInt() : null;
            futures.add(template.send(new ProducerRecord<>(
                    topic, partition, bytes(record.get("key")), bytes(record.get("value")), headers)));
        }
        List<Map<String, Object>> sent = new ArrayList<>();
        for (CompletableFuture<SendResult<byte[], byte[]>> future : futures) {
            RecordMetadata metadata = future.get().getRecordMetadata();
            sent.add(Map.of("partition", metadata.partition(), "offset", metadata.offset()));
        }
        return sent;
    }

    private static byte[] bytes(JsonNode base64) throws IOException {
        return base64.isNull() ? null : base64.binaryValue();
    }

    private Object start(JsonNode arguments) {
        listeners.getListenerContainer(arguments.get("listener").asText()).start();
        return null;
    }

    private Object stop(JsonNode arguments) {
        listeners.getListenerContainer(arguments.get("listener").asText()).stop();
        return null;
    }

    /** How many partitions each of a listener's consumers has, sorted. */
    private Object assignment(JsonNode arguments) {
        Map<String, Collection<TopicPartition>> byClient = new HashMap<>(
                listeners.getListenerContainer(arguments.get("listener").asText()).getAssignmentsByClientId());
        return byClient.values().stream().map(Collection::size).sorted(Comparator.naturalOrder()).toList();
    }

    private Object partitions(JsonNode arguments) {
        TopicDescription description = admin.describeTopics(topic).get(topic);
        return description.partitions().size();
    }
}
