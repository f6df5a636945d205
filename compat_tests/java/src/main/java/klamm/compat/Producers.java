package klamm.compat;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Future;
import java.util.concurrent.Semaphore;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/** Producers by name. */
final class Producers {
    private final Map<String, KafkaProducer<byte[], byte[]>> producers = new ConcurrentHashMap<>();
    private final Set<String> streaming = ConcurrentHashMap.newKeySet();

    Map<String, Main.Command> commands() {
        return Map.of(
                "open_producer", this::open,
                "send", this::send,
                "stream", this::stream,
                "stop_stream", arguments -> streaming.remove(arguments.get("client").asText()),
                "producer_partitions", this::partitions,
                "close_producer", this::close);
    }

    private Object open(JsonNode arguments) {
        producers.put(
                arguments.get("client").asText(),
                new KafkaProducer<>(
                        Values.config(arguments.get("config")), new ByteArraySerializer(), new ByteArraySerializer()));
        return null;
    }

    /** Sends "records" all at once; one {partition, offset, timestamp} or {error, message} for each, in their order. */
    private Object send(JsonNode arguments) throws Exception {
        KafkaProducer<byte[], byte[]> producer = producers.get(arguments.get("client").asText());
        List<Future<RecordMetadata>> futures = new ArrayList<>();
        for (JsonNode record : arguments.get("records")) {
            futures.add(producer.send(Values.record(record)));
        }
        List<Map<String, Object>> outcomes = new ArrayList<>();
        for (Future<RecordMetadata> future : futures) {
            try {
                outcomes.add(shown(future.get()));
            } catch (Exception problem) {
                outcomes.add(Values.error(problem));
            }
        }
        return outcomes;
    }

    private static Map<String, Object> shown(RecordMetadata metadata) {
        Map<String, Object> object = new LinkedHashMap<>();
        object.put("partition", metadata.partition());
        object.put("offset", metadata.offset());
        object.put("timestamp", metadata.timestamp());
        return object;
    }

    /**
     * Sends the values "0", "1", "2"... to "topic", number n to partition n % "partitions", with at most "outstanding"
     * of them unacknowledged, until stop_stream. Announces each hundredth acknowledgement as an event; the result is
     * {"sent": count, "failed": [[number, error]...], "offsets": [of number 0, of number 1, ...]}.
     */
    private Object stream(JsonNode arguments) throws Exception {
        String client = arguments.get("client").asText();
        String topic = arguments.get("topic").asText();
        int partitions = arguments.get("partitions").asInt();
        int outstanding = arguments.get("outstanding").asInt();
        KafkaProducer<byte[], byte[]> producer = producers.get(client);
        Semaphore room = new Semaphore(outstanding);
        AtomicInteger acknowledged = new AtomicInteger();
        Map<Integer, Long> offsets = new ConcurrentHashMap<>();
        Map<Integer, String> failed = new ConcurrentHashMap<>();
        int sent = 0;
        for (streaming.add(client); streaming.contains(client); sent++) {
            int number = sent;
            byte[] value = Integer.toString(number).getBytes(StandardCharsets.US_ASCII);
            room.acquire();
            producer.send(new ProducerRecord<>(topic, number % partitions, null, value), (metadata, problem) -> {
                if (problem == null) {
                    offsets.put(number, metadata.offset());
                    int count = acknowledged.incrementAndGet();
                    if (count % 100 == 0) {
                        Main.event("acknowledged", client, "count", count);
                    }
                } else {
                    failed.put(number, String.valueOf(problem));
                }
                room.release();
            });
        }
        room.acquire(outstanding);
        return Map.of("sent", sent, "failed", failed, "offsets", offsets);
    }

    private Object partitions(JsonNode arguments) {
        return producers.get(arguments.get("client").asText()).partitionsFor(arguments.get("topic").asText()).size();
    }

    private Object close(JsonNode arguments) {
        producers.remove(arguments.get("client").asText()).close();
        return null;
    }
}
