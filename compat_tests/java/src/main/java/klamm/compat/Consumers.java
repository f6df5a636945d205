package klamm.compat;

import com.fasterxml.jackson.databind.JsonNode;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.regex.Pattern;
import org.apache.kafka.clients.consumer.CloseOptions;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.consumer.SubscriptionPattern;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/** Consumers by name. Each polls on a thread of its own without pause, and is asked things between two polls. */
final class Consumers {
    private static final Duration POLL = Duration.ofMillis(50);
    private final Map<String, Member> members = new ConcurrentHashMap<>();

    Map<String, Main.Command> commands() {
        Map<String, Main.Command> commands = new HashMap<>();
        commands.put("open_consumer", this::open);
        commands.put("close_consumer", this::close);
        QUESTIONS.forEach((name, question) -> commands.put(name, arguments -> ask(arguments, question)));
        return commands;
    }

    private interface Question {
        Object of(KafkaConsumer<byte[], byte[]> consumer, JsonNode arguments) throws Exception;
    }

    private static final Map<String, Question> QUESTIONS = Map.of(
            "position", (consumer, arguments) -> consumer.position(Values.partition(arguments.get("partition"))),
            "committed", (consumer, arguments) -> Values.offsets(
                    consumer.committed(new HashSet<>(Values.partitions(arguments.get("partitions"))))),
            "commit", (consumer, arguments) -> {
                consumer.commitSync(Values.offsets(arguments.get("offsets")));
                return null;
            },
            "seek", (consumer, arguments) -> {
                consumer.seek(
                        Values.partition(arguments.get("partition")), arguments.get("offset").asLong());
                return null;
            },
            "beginning_offsets", (consumer, arguments) -> numbers(
                    consumer.beginningOffsets(Values.partitions(arguments.get("partitions")))),
            "end_offsets", (consumer, arguments) -> numbers(
                    consumer.endOffsets(Values.partitions(arguments.get("partitions")))),
            "offsets_for_times", Consumers::offsetsForTimes,
            "partitions_for", (consumer, arguments) -> consumer
                    .partitionsFor(arguments.get("topic").asText(), Duration.ofSeconds(3)).size(),
            "topics", (consumer, arguments) -> consumer.listTopics().keySet());

    private static List<List<Object>> numbers(Map<TopicPartition, Long> offsets) {
        List<List<Object>> rows = new ArrayList<>();
        offsets.forEach((partition, offset) -> rows.add(List.of(partition.topic(), partition.partition(), offset)));
        return rows;
    }

    /** "times": [["topic", 0, timestamp_ms], ...] -> [["topic", 0, offset, timestamp_ms] or ["topic", 0, null], ...]. */
    private static Object offsetsForTimes(KafkaConsumer<byte[], byte[]> consumer, JsonNode arguments) {
        Map<TopicPartition, Long> times = new LinkedHashMap<>();
        arguments.get("times").forEach(row -> times.put(Values.partition(row), row.get(2).asLong()));
        List<List<Object>> rows = new ArrayList<>();
        consumer.offsetsForTimes(times).forEach((partition, found) -> {
            List<Object> row = new ArrayList<>(Values.partition(partition));
            row.add(found == null ? null : found.offset());
            if (found != null) {
                row.add(found.timestamp());
            }
            rows.add(row);
        });
        return rows;
    }

    private Object open(JsonNode arguments) {
        Member member = new Member(arguments);
        members.put(member.name, member);
        member.start();
        return null;
    }

    private Object ask(JsonNode arguments, Question question) throws Exception {
        return members.get(arguments.get("client").asText()).ask(question, arguments).get();
    }

    /** "leave": true leaves the group, false stays in it; absent is the client's default (static members stay). */
    private Object close(JsonNode arguments) throws Exception {
        Member member = members.remove(arguments.get("client").asText());
        CloseOptions.GroupMembershipOperation operation = !arguments.has("leave")
                ? CloseOptions.GroupMembershipOperation.DEFAULT
                : arguments.get("leave").asBoolean()
                        ? CloseOptions.GroupMembershipOperation.LEAVE_GROUP
                        : CloseOptions.GroupMembershipOperation.REMAIN_IN_GROUP;
        member.closing = CloseOptions.groupMembershipOperation(operation);
        member.questions.add(() -> {});  // ends the wait of a member that has failed and no longer polls
        member.join();
        return null;
    }

    /**
     * "topics", "pattern" (the client matches) or "re2" (the broker does) subscribe, "partitions" ([["topic", 0, offset or null], ...]) assign. "commit": true commits
     * after each batch of records, in commitSync, and announces what was committed.
     */
    private static final class Member extends Thread implements ConsumerRebalanceListener {
        final String name;
        final KafkaConsumer<byte[], byte[]> consumer;
        volatile CloseOptions closing;
        private final boolean commit;
        private final BlockingQueue<Runnable> questions = new LinkedBlockingQueue<>();

        Member(JsonNode arguments) {
            name = arguments.get("client").asText();
            commit = arguments.path("commit").asBoolean();
            consumer = new KafkaConsumer<>(
                    Values.config(arguments.get("config")), new ByteArrayDeserializer(), new ByteArrayDeserializer());
            if (arguments.has("pattern")) {
                consumer.subscribe(Pattern.compile(arguments.get("pattern").asText()), this);
            } else if (arguments.has("re2")) {
                consumer.subscribe(new SubscriptionPattern(arguments.get("re2").asText()), this);
            } else if (arguments.has("topics")) {
                consumer.subscribe(Values.strings(arguments.get("topics")), this);
            } else {
                consumer.assign(Values.partitions(arguments.get("partitions")));
                arguments.get("partitions").forEach(row -> {
                    if (row.hasNonNull(2)) {
                        consumer.seek(Values.partition(row), row.get(2).asLong());
                    }
                });
            }
            setDaemon(true);
        }

        CompletableFuture<Object> ask(Question question, JsonNode arguments) {
            CompletableFuture<Object> answer = new CompletableFuture<>();
            questions.add(() -> {
                try {
                    answer.complete(question.of(consumer, arguments));
                } catch (Throwable problem) {
                    answer.completeExceptionally(problem);
                }
            });
            return answer;
        }

        @Override
        public void run() {
            boolean polling = true;
            while (closing == null) {
                try {
                    for (Runnable question = questions.poll(); question != null; question = questions.poll()) {
                        question.run();
                    }
                    if (polling) {
                        take(consumer.poll(POLL));
                    } else {
                        questions.take().run();
                    }
                } catch (Exception problem) {
                    polling = false;
                    Main.event("failed", name, "problem", Values.error(problem));
                }
            }
            consumer.close(closing);
        }

        private void take(ConsumerRecords<byte[], byte[]> records) {
            if (records.isEmpty()) {
                return;
            }
            List<Map<String, Object>> shown = new ArrayList<>();
            for (ConsumerRecord<byte[], byte[]> record : records) {
                shown.add(Values.record(record));
            }
            Main.event("records", name, "records", shown);
            if (commit) {
                Map<TopicPartition, OffsetAndMetadata> next = records.nextOffsets();
                try {
                    consumer.commitSync(next);
                    Main.event("committed", name, "offsets", Values.offsets(next));
                } catch (Exception problem) {
                    Main.event("commit_failed", name, "problem", Values.error(problem));
                }
            }
        }

        @Override
        public void onPartitionsAssigned(Collection<TopicPartition> partitions) {
            changed("assigned", partitions);
        }

        @Override
        public void onPartitionsRevoked(Collection<TopicPartition> partitions) {
            changed("revoked", partitions);
        }

        @Override
        public void onPartitionsLost(Collection<TopicPartition> partitions) {
            changed("lost", partitions);
        }

        private void changed(String event, Collection<TopicPartition> partitions) {
            Main.event(
                    event,
                    name,
                    "partitions", Values.partitions(partitions),
                    "generation", consumer.groupMetadata().generationId(),
                    "member_id", consumer.groupMetadata().memberId());
        }
    }
}
