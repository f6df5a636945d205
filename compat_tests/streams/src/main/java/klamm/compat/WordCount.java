package klamm.compat;

import com.fasterxml.jackson.databind.ObjectMapper;
import java.time.Duration;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Properties;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.processor.StateRestoreListener;

/**
 * The words of a topic's lines, counted: WordCount SOURCE TARGET key=value... with Kafka Streams' own settings. Runs
 * until its stdin ends, and then closes in order. What happens is a line of stdout, {"event": ..., "client": "streams"}:
 * "state" (a KafkaStreams.State), "restored" (a store's partition and the number of records it was rebuilt from) and
 * "failed" (what ended it).
 */
public final class WordCount {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final Duration CLOSE = Duration.ofSeconds(15);

    private WordCount() {}

    public static void main(String[] arguments) throws Exception {
        Properties settings = new Properties();
        for (String pair : Arrays.asList(arguments).subList(2, arguments.length)) {
            settings.put(pair.substring(0, pair.indexOf('=')), pair.substring(pair.indexOf('=') + 1));
        }
        StreamsBuilder builder = new StreamsBuilder();
        // Grouping by the word sends it through a repartition topic; counting keeps a store with its changelog topic.
        builder.stream(arguments[0], Consumed.with(Serdes.String(), Serdes.String()))
                .flatMapValues(line -> Arrays.asList(line.split(" ")))
                .groupBy((key, word) -> word, Grouped.with("words", Serdes.String(), Serdes.String()))
                .count(Materialized.as("counts"))
                .toStream()
                .mapValues(String::valueOf)
                .to(arguments[1], Produced.with(Serdes.String(), Serdes.String()));
        KafkaStreams streams = new KafkaStreams(builder.build(), settings);
        streams.setStateListener((now, before) -> event("state", "state", now.name()));
        streams.setGlobalStateRestoreListener(new Restored());
        streams.setUncaughtExceptionHandler(problem -> {
            event("failed", "problem", String.valueOf(problem));
            return StreamThreadExceptionResponse.SHUTDOWN_CLIENT;
        });
        streams.start();
        while (System.in.read() >= 0) {
            // Nothing is told on stdin but its end.
        }
        streams.close(CLOSE);
        System.exit(0);
    }

    private static final class Restored implements StateRestoreListener {
        @Override
        public void onRestoreStart(TopicPartition partition, String store, long from, long to) {}

        @Override
        public void onBatchRestored(TopicPartition partition, String store, long offset, long count) {}

        @Override
        public void onRestoreEnd(TopicPartition partition, String store, long count) {
            event("restored", "partition", partition.partition(), "count", count);
        }
    }

    /** Details are name, value, name, value... */
    private static void event(String event, Object... details) {
        Map<String, Object> line = new LinkedHashMap<>();
        line.put("event", event);
        line.put("client", "streams");
        for (int i = 0; i < details.length; i += 2) {
            line.put((String) details[i], details[i + 1]);
        }
        try {
            String text = JSON.writeValueAsString(line);
            synchronized (System.out) {
                System.out.println(text);
                System.out.flush();
            }
        } catch (Exception problem) {
            throw new IllegalStateException(problem);
        }
    }
}
