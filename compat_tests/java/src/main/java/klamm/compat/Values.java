package klamm.compat;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ExecutionException;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.KafkaFuture;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeaders;

/** The JSON forms: a partition is ["topic", 0], bytes are base64, a header is ["name", bytes]. */
final class Values {
    private Values() {}

    static Properties config(JsonNode object) {
        Properties config = new Properties();
        object.properties().forEach(entry -> config.put(entry.getKey(), entry.getValue().asText()));
        return config;
    }

    static List<String> strings(JsonNode array) {
        List<String> strings = new ArrayList<>();
        array.forEach(element -> strings.add(element.asText()));
        return strings;
    }

    static TopicPartition partition(JsonNode pair) {
        return new TopicPartition(pair.get(0).asText(), pair.get(1).asInt());
    }

    static List<TopicPartition> partitions(JsonNode array) {
        List<TopicPartition> partitions = new ArrayList<>();
        array.forEach(pair -> partitions.add(partition(pair)));
        return partitions;
    }

    static List<Object> partition(TopicPartition partition) {
        return List.of(partition.topic(), partition.partition());
    }

    static List<List<Object>> partitions(Collection<TopicPartition> partitions) {
        return partitions.stream()
                .sorted(Comparator.comparing(TopicPartition::topic).thenComparing(TopicPartition::partition))
                .map(Values::partition)
                .toList();
    }

    /** [["topic", 0, 42], ...] as offsets to commit, with an optional fourth element, the metadata. */
    static Map<TopicPartition, OffsetAndMetadata> offsets(JsonNode array) {
        Map<TopicPartition, OffsetAndMetadata> offsets = new HashMap<>();
        array.forEach(row -> offsets.put(
                partition(row), new OffsetAndMetadata(row.get(2).asLong(), row.path(3).asText(""))));
        return offsets;
    }

    /** [["topic", 0, 42, "metadata"], ...]; a partition without a committed offset is left out. */
    static List<List<Object>> offsets(Map<TopicPartition, OffsetAndMetadata> offsets) {
        List<List<Object>> rows = new ArrayList<>();
        offsets.forEach((partition, offset) -> {
            if (offset != null) {
                rows.add(List.of(partition.topic(), partition.partition(), offset.offset(), offset.metadata()));
            }
        });
        return rows;
    }

    static ProducerRecord<byte[], byte[]> record(JsonNode record) throws IOException {
        RecordHeaders headers = new RecordHeaders();
        for (JsonNode header : record.path("headers")) {
            headers.add(header.get(0).asText(), bytes(header.get(1)));
        }
        return new ProducerRecord<>(
                record.get("topic").asText(),
                record.hasNonNull("partition") ? record.get("partition").asInt() : null,
                record.hasNonNull("timestamp") ? record.get("timestamp").asLong() : null,
                bytes(record.get("key")),
                bytes(record.get("value")),
                headers);
    }

    static Map<String, Object> record(ConsumerRecord<byte[], byte[]> record) {
        List<List<Object>> headers = new ArrayList<>();
        for (Header header : record.headers()) {
            List<Object> pair = new ArrayList<>();
            pair.add(header.key());
            pair.add(header.value());
            headers.add(pair);
        }
        Map<String, Object> object = new LinkedHashMap<>();
        object.put("topic", record.topic());
        object.put("partition", record.partition());
        object.put("offset", record.offset());
        object.put("timestamp", record.timestamp());
        object.put("timestamp_type", record.timestampType().name);
        object.put("leader_epoch", record.leaderEpoch().orElse(null));
        object.put("key", record.key());
        object.put("value", record.value());
        object.put("headers", headers);
        return object;
    }

    private static byte[] bytes(JsonNode base64) throws IOException {
        return base64 == null || base64.isNull() ? null : base64.binaryValue();
    }

    /** {"error": the exception's simple class name, "message": its text}, without the wrapper of a future. */
    static Map<String, Object> error(Throwable problem) {
        while (problem.getCause() != null
                && (problem instanceof ExecutionException || problem instanceof CompletionException)) {
            problem = problem.getCause();
        }
        return Map.of("error", problem.getClass().getSimpleName(), "message", String.valueOf(problem.getMessage()));
    }

    interface Shown<T> {
        Object of(T value) throws Exception;
    }

    /** Name -> what the future of it gives, or its error: for admin calls that fail for some names only. */
    static <T> Map<String, Object> outcomes(Map<String, KafkaFuture<T>> futures, Shown<T> shown) {
        Map<String, Object> outcomes = new LinkedHashMap<>();
        futures.forEach((name, future) -> {
            try {
                outcomes.put(name, shown.of(future.get()));
            } catch (Exception problem) {
                outcomes.put(name, error(problem));
            }
        });
        return outcomes;
    }
}
