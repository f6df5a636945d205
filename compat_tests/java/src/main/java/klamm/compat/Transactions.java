package klamm.compat;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.ProducerFencedException;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/** Transactional producers, and processors that read, write and commit in one transaction. */
final class Transactions {
    private final Set<String> processing = ConcurrentHashMap.newKeySet();

    Map<String, Main.Command> commands() {
        return Map.of(
                "transact", this::transact,
                "process", this::process,
                "stop_processing", arguments -> processing.remove(arguments.get("client").asText()));
    }

    private static KafkaProducer<byte[], byte[]> producer(JsonNode config) {
        return new KafkaProducer<>(Values.config(config), new ByteArraySerializer(), new ByteArraySerializer());
    }

    private static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    /** One transaction for each of "commits" (true or false): the values "LABEL-n-p" to each partition p of "topic". */
    private Object transact(JsonNode arguments) {
        String topic = arguments.get("topic").asText();
        try (KafkaProducer<byte[], byte[]> producer = producer(arguments.get("config"))) {
            producer.initTransactions();
            int number = 0;
            for (JsonNode commit : arguments.get("commits")) {
                producer.beginTransaction();
                for (int partition = 0; partition < arguments.get("partitions").asInt(); partition++) {
                    String value = arguments.get("label").asText() + "-" + number + "-" + partition;
                    producer.send(new ProducerRecord<>(topic, partition, null, bytes(value)));
                }
                if (commit.asBoolean()) {
                    producer.commitTransaction();
                } else {
                    producer.flush();
                    producer.abortTransaction();
                }
                number++;
            }
        }
        return null;
    }

    /**
     * For each record of "source" two of "target", in partitions 0 and 1, until stop_processing; a transaction for each
     * poll. Announces each transaction as an event. After an error it aborts and goes back to what is committed; after
     * a fatal one it begins anew, as a process would. The result is {"transactions": count, "restarts": count}.
     */
    private Object process(JsonNode arguments) {
        String client = arguments.get("client").asText();
        int transactions = 0;
        int restarts = -1;
        for (processing.add(client); processing.contains(client); ) {
            restarts++;
            Properties reading = Values.config(arguments.get("consumer"));
            try (KafkaProducer<byte[], byte[]> producer = producer(arguments.get("producer"));
                    KafkaConsumer<byte[], byte[]> consumer =
                            new KafkaConsumer<>(reading, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
                producer.initTransactions();
                consumer.subscribe(List.of(arguments.get("source").asText()));
                while (processing.contains(client)) {
                    ConsumerRecords<byte[], byte[]> records = consumer.poll(Duration.ofMillis(100));
                    if (records.isEmpty()) {
                        continue;
                    }
                    try {
                        one(producer, consumer, records, arguments.get("target").asText());
                        Main.event("processed", client, "count", ++transactions);
                    } catch (ProducerFencedException fatal) {
                        throw fatal;
                    } catch (KafkaException problem) {
                        producer.abortTransaction();
                        rewind(consumer);
                    }
                }
            } catch (KafkaException fatal) {
                Main.event("restarted", client, "problem", String.valueOf(fatal));
            }
        }
        return Map.of("transactions", transactions, "restarts", restarts);
    }

    private static void one(
            KafkaProducer<byte[], byte[]> producer,
            KafkaConsumer<byte[], byte[]> consumer,
            ConsumerRecords<byte[], byte[]> records,
            String target) {
        producer.beginTransaction();
        Map<TopicPartition, OffsetAndMetadata> next = new HashMap<>();
        for (ConsumerRecord<byte[], byte[]> record : records) {
            for (int copy = 0; copy < 2; copy++) {
                String value = copy + ":" + new String(record.value(), StandardCharsets.UTF_8);
                producer.send(new ProducerRecord<>(target, copy, null, bytes(value)));
            }
            next.put(new TopicPartition(record.topic(), record.partition()), new OffsetAndMetadata(record.offset() + 1));
        }
        producer.sendOffsetsToTransaction(next, consumer.groupMetadata());
        producer.commitTransaction();
    }

    private static void rewind(KafkaConsumer<byte[], byte[]> consumer) {
        List<TopicPartition> assigned = new ArrayList<>(consumer.assignment());
        Map<TopicPartition, OffsetAndMetadata> committed = consumer.committed(consumer.assignment());
        for (TopicPartition partition : assigned) {
            OffsetAndMetadata offset = committed.get(partition);
            consumer.seek(partition, offset == null ? 0 : offset.offset());
        }
    }
}
