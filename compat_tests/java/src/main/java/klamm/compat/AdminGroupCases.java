package klamm.compat;

import static klamm.compat.AdminMethods.each;
import static klamm.compat.AdminMethods.outcome;
import static klamm.compat.AdminMethods.row;
import static klamm.compat.AdminMethods.sorted;

import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import java.util.TreeMap;
import org.apache.kafka.clients.admin.AbortTransactionSpec;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.ConsumerGroupDescription;
import org.apache.kafka.clients.admin.DeleteConsumerGroupOffsetsResult;
import org.apache.kafka.clients.admin.FenceProducersOptions;
import org.apache.kafka.clients.admin.ListConsumerGroupOffsetsSpec;
import org.apache.kafka.clients.admin.ListGroupsOptions;
import org.apache.kafka.clients.admin.ListShareGroupOffsetsSpec;
import org.apache.kafka.clients.admin.ListStreamsGroupOffsetsSpec;
import org.apache.kafka.clients.admin.ListTransactionsOptions;
import org.apache.kafka.clients.admin.MemberToRemove;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.ProducerState;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.admin.RemoveMembersFromConsumerGroupOptions;
import org.apache.kafka.clients.admin.TerminateTransactionOptions;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/** Records, groups, offsets, producers and transactions; at the end groups of kinds that may not be there. */
final class AdminGroupCases {
    private static final String TOPIC = "records";
    private static final TopicPartition PARTITION = new TopicPartition(TOPIC, 0);
    private static final String CLASSIC = "classic-group";
    private static final String CONSUMER = "consumer-group";
    private static final String ABSENT = "absent";
    private static final String TRANSACTION = "transaction";
    private static final Duration PATIENCE = Duration.ofSeconds(20);

    private final String bootstrap;
    private final Map<String, KafkaConsumer<byte[], byte[]>> members = new HashMap<>();
    private KafkaProducer<byte[], byte[]> producer;

    private AdminGroupCases(String bootstrap) {
        this.bootstrap = bootstrap;
    }

    static void add(AdminMethods.Cases cases, String bootstrap) {
        AdminGroupCases here = new AdminGroupCases(bootstrap);
        here.transactions(cases);
        here.groups(cases);
        here.offsets(cases);
        other(cases);
        here.closing(cases);
    }

    // --- producers and transactions -------------------------------------------------------------------------------

    private void transactions(AdminMethods.Cases cases) {
        cases.changes("setup: a topic with a transaction that is open", admin -> {
            admin.createTopics(List.of(new NewTopic(TOPIC, 1, (short) 1))).all().get();
            producer = open(TRANSACTION);
            producer.beginTransaction();
            for (int i = 0; i < 3; i++) {
                producer.send(new ProducerRecord<>(TOPIC, 0, null, new byte[] {(byte) i})).get();
            }
            return null;
        });
        cases.reads("describeProducers: of partitions", admin -> {
            var found = admin.describeProducers(List.of(PARTITION)).partitionResult(PARTITION).get();
            return found.activeProducers().stream().map(AdminGroupCases::shown).toList();
        });
        cases.reads("describeTransactions: by id", admin -> row(
                "there", transaction(admin, TRANSACTION), "not there", transaction(admin, ABSENT)));
        cases.reads("listTransactions: all", admin -> transactions(admin, new ListTransactionsOptions()));
        cases.reads("listTransactions: older than an hour", admin ->
                transactions(admin, new ListTransactionsOptions().filterOnDuration(3_600_000)));
        cases.reads("listTransactions: by pattern", admin -> row(
                "fits", transactions(admin, new ListTransactionsOptions().filterOnTransactionalIdPattern("trans.*")),
                "is none", outcome(() ->
                        transactions(admin, new ListTransactionsOptions().filterOnTransactionalIdPattern("(")))));
        cases.changes("abortTransaction: of a producer that is another's", admin -> admin.abortTransaction(
                new AbortTransactionSpec(PARTITION, 12_345, (short) 0, 0)).all().get());
        cases.changes("abortTransaction: of the producer", admin -> {
            ProducerState state = admin.describeProducers(List.of(PARTITION)).partitionResult(PARTITION).get()
                    .activeProducers().get(0);
            return admin.abortTransaction(new AbortTransactionSpec(
                    PARTITION, state.producerId(), (short) state.producerEpoch(), 0)).all().get();
        });
        cases.changes("fenceProducers: of one and of nobody", admin -> {
            var fenced = admin.fenceProducers(List.of(TRANSACTION, "new"), new FenceProducersOptions());
            return row(
                    "one", outcome(() -> fenced.epochId(TRANSACTION).get() > 0),
                    "nobody", outcome(() -> fenced.epochId("new").get()));
        });
        cases.changes("setup: the fenced producer learns it", admin -> {
            Object sent = outcome(() -> {
                producer.send(new ProducerRecord<>(TOPIC, 0, null, new byte[1])).get();
                producer.commitTransaction();
                return null;
            });
            producer.close(Duration.ZERO);
            return sent instanceof Map ? "fenced" : sent;
        });
        cases.changes("forceTerminateTransaction: of one and of nobody", admin -> row(
                "one", outcome(() -> admin.forceTerminateTransaction(TRANSACTION, new TerminateTransactionOptions())
                        .result().get()),
                "nobody", outcome(() -> admin.forceTerminateTransaction("nobody", new TerminateTransactionOptions())
                        .result().get())));
        cases.changes("setup: records", admin -> {
            try (KafkaProducer<byte[], byte[]> plain = open(null)) {
                for (int i = 0; i < 5; i++) {
                    plain.send(new ProducerRecord<>(TOPIC, 0, 1000L + i, null, new byte[] {(byte) i})).get();
                }
            }
            return null;
        });
        cases.reads("listOffsets: of a log with records", admin -> row(
                "earliest", offset(admin, OffsetSpec.earliest()),
                "latest", offset(admin, OffsetSpec.latest()),
                "time", offset(admin, OffsetSpec.forTimestamp(1002))));
        cases.changes("deleteRecords: the first two", admin -> each(
                admin.deleteRecords(Map.of(PARTITION, RecordsToDelete.beforeOffset(2))).lowWatermarks(),
                found -> found.lowWatermark()));
    }

    private KafkaProducer<byte[], byte[]> open(String transactionalId) {
        Properties config = new Properties();
        config.put("bootstrap.servers", bootstrap);
        config.put("enable.metrics.push", "false");
        if (transactionalId != null) {
            config.put("transactional.id", transactionalId);
        }
        var made = new KafkaProducer<>(config, new ByteArraySerializer(), new ByteArraySerializer());
        if (transactionalId != null) {
            made.initTransactions();
        }
        return made;
    }

    private static Object shown(ProducerState state) {
        return row(
                "last sequence", state.lastSequence(),
                "has coordinator", state.coordinatorEpoch().isPresent(),
                "transaction from", state.currentTransactionStartOffset().orElse(-1));
    }

    private static Object transaction(Admin admin, String id) {
        return outcome(() -> {
            var found = admin.describeTransactions(List.of(id)).description(id).get();
            return row(
                    "coordinator", found.coordinatorId(),
                    "state", found.state().toString(),
                    "timeout", found.transactionTimeoutMs(),
                    "partitions", sorted(found.topicPartitions()));
        });
    }

    private static Object transactions(Admin admin, ListTransactionsOptions options) throws Exception {
        Map<String, Object> found = new TreeMap<>();
        admin.listTransactions(options).all().get().forEach(listing ->
                found.put(listing.transactionalId(), listing.state().toString()));
        return found;
    }

    private static Object offset(Admin admin, OffsetSpec spec) {
        return outcome(() -> admin.listOffsets(Map.of(PARTITION, spec)).partitionResult(PARTITION).get().offset());
    }

    // --- groups ---------------------------------------------------------------------------------------------------

    private void groups(AdminMethods.Cases cases) {
        cases.changes("setup: a member of a classic group", admin -> join(CLASSIC, "classic"));
        cases.changes("setup: a member of a consumer group", admin -> join(CONSUMER, "consumer"));
        cases.reads("listGroups: all", admin -> groups(admin, ListGroupsOptions.forConsumerGroups()));
        cases.reads("listGroups: by type", admin -> groups(admin, new ListGroupsOptions()
                .withTypes(Set.of(org.apache.kafka.common.GroupType.CONSUMER))));
        cases.reads("listGroups: by state", admin -> groups(admin, new ListGroupsOptions()
                .inGroupStates(Set.of(org.apache.kafka.common.GroupState.EMPTY))));
        cases.reads("listConsumerGroups: all", admin -> {
            List<String> found = new ArrayList<>();
            admin.listConsumerGroups().all().get().forEach(group -> found.add(group.groupId()));
            return sorted(found);
        });
        cases.reads("describeConsumerGroups: of both kinds", admin -> each(
                admin.describeConsumerGroups(List.of(CLASSIC, CONSUMER, ABSENT)).describedGroups(),
                AdminGroupCases::shown));
        cases.reads("describeClassicGroups: of both kinds", admin -> each(
                admin.describeClassicGroups(List.of(CLASSIC, CONSUMER, ABSENT)).describedGroups(),
                group -> row(
                        "state", group.state().toString(),
                        "protocol", group.protocol(),
                        "data", group.protocolData(),
                        "members", group.members().size())));
        cases.changes("deleteConsumerGroups: with members, and of nobody", admin ->
                each(admin.deleteConsumerGroups(List.of(CLASSIC, CONSUMER, ABSENT)).deletedGroups()));
        cases.changes("alterConsumerGroupOffsets: of a group with members", admin ->
                altered(admin, CLASSIC, PARTITION, 3));
        cases.changes("deleteConsumerGroupOffsets: of what members read", admin ->
                deleted(admin, CLASSIC, Set.of(PARTITION)));
        cases.changes("removeMembersFromConsumerGroup: by an instance that is none", admin ->
                admin.removeMembersFromConsumerGroup(CLASSIC, new RemoveMembersFromConsumerGroupOptions(
                        Set.of(new MemberToRemove("nobody")))).all().get());
        cases.changes("removeMembersFromConsumerGroup: of a group that is none", admin ->
                admin.removeMembersFromConsumerGroup(ABSENT, new RemoveMembersFromConsumerGroupOptions()).all().get());
        cases.changes("removeMembersFromConsumerGroup: all", admin -> {
            // The member would join again: it is closed first and leaves a static one behind it.
            members.remove(CLASSIC).close();
            return admin.removeMembersFromConsumerGroup(CLASSIC, new RemoveMembersFromConsumerGroupOptions())
                    .all().get();
        });
        cases.changes("setup: the member of the consumer group leaves", admin -> {
            members.remove(CONSUMER).close();
            return null;
        });
        cases.reads("describeConsumerGroups: empty ones", admin -> each(
                admin.describeConsumerGroups(List.of(CLASSIC, CONSUMER)).describedGroups(), AdminGroupCases::shown));
    }

    /** A member that has partitions and has committed what it read. */
    private Object join(String group, String protocol) {
        Properties config = new Properties();
        config.put("bootstrap.servers", bootstrap);
        config.put("group.id", group);
        config.put("group.protocol", protocol);
        config.put("client.id", "member");
        config.put("auto.offset.reset", "earliest");
        config.put("enable.auto.commit", "false");
        config.put("enable.metrics.push", "false");
        var consumer = new KafkaConsumer<>(config, new ByteArrayDeserializer(), new ByteArrayDeserializer());
        members.put(group, consumer);
        consumer.subscribe(List.of(TOPIC));
        long deadline = System.nanoTime() + PATIENCE.toNanos();
        int read = 0;
        while (read == 0 && System.nanoTime() < deadline) {
            read += consumer.poll(Duration.ofMillis(100)).count();
        }
        consumer.commitSync();
        return consumer.assignment().size();
    }

    private static Object groups(Admin admin, ListGroupsOptions options) throws Exception {
        Map<String, Object> found = new TreeMap<>();
        admin.listGroups(options).all().get().forEach(group -> found.put(
                group.groupId(),
                group.type().map(Object::toString).orElse("") + " " + group.protocol() + " "
                        + group.groupState().map(Object::toString).orElse("")));
        return found;
    }

    private static Object shown(ConsumerGroupDescription group) {
        List<Object> members = new ArrayList<>();
        group.members().forEach(member -> members.add(row(
                "client", member.clientId(), "partitions", sorted(member.assignment().topicPartitions()))));
        return row(
                "type", group.type().toString(),
                "state", group.groupState().toString(),
                "assignor", group.partitionAssignor(),
                "simple", group.isSimpleConsumerGroup(),
                "coordinator", group.coordinator().id(),
                "members", members);
    }

    // --- offsets --------------------------------------------------------------------------------------------------

    private void offsets(AdminMethods.Cases cases) {
        TopicPartition nowhere = new TopicPartition("nowhere", 0);
        cases.reads("listConsumerGroupOffsets: of groups", admin -> {
            var found = admin.listConsumerGroupOffsets(Map.of(
                    CLASSIC, new ListConsumerGroupOffsetsSpec(),
                    CONSUMER, new ListConsumerGroupOffsetsSpec().topicPartitions(List.of(PARTITION, nowhere)),
                    ABSENT, new ListConsumerGroupOffsetsSpec()));
            Map<String, Object> shown = new TreeMap<>();
            for (String group : List.of(CLASSIC, CONSUMER, ABSENT)) {
                shown.put(group, outcome(() -> {
                    Map<String, Object> offsets = new TreeMap<>();
                    found.partitionsToOffsetAndMetadata(group).get().forEach((partition, offset) ->
                            offsets.put(partition.toString(), offset == null ? "none" : offset.offset()));
                    return offsets;
                }));
            }
            return shown;
        });
        cases.changes("alterConsumerGroupOffsets: of an empty group, and of a new one", admin -> row(
                "empty", altered(admin, CLASSIC, PARTITION, 3), "new", altered(admin, "by-hand", PARTITION, 4)));
        cases.changes("alterConsumerGroupOffsets: of a topic that is none", admin ->
                altered(admin, CLASSIC, nowhere, 3));
        cases.changes("deleteConsumerGroupOffsets: of an empty group", admin ->
                deleted(admin, CLASSIC, Set.of(PARTITION)));
        cases.changes("deleteConsumerGroupOffsets: of a group and a topic that are none", admin -> row(
                "group", deleted(admin, ABSENT, Set.of(PARTITION)), "topic", deleted(admin, CLASSIC, Set.of(nowhere))));
        cases.changes("deleteConsumerGroups: without members", admin ->
                each(admin.deleteConsumerGroups(List.of(CLASSIC, CONSUMER, "by-hand")).deletedGroups()));
        cases.reads("listGroups: after deletions", admin -> groups(admin, new ListGroupsOptions()));
    }

    private static Object altered(Admin admin, String group, TopicPartition partition, long offset) {
        return outcome(() -> admin.alterConsumerGroupOffsets(group, Map.of(partition, new OffsetAndMetadata(offset)))
                .partitionResult(partition).get());
    }

    private static Object deleted(Admin admin, String group, Set<TopicPartition> partitions) {
        return outcome(() -> {
            DeleteConsumerGroupOffsetsResult result = admin.deleteConsumerGroupOffsets(group, partitions);
            Map<String, Object> found = new TreeMap<>();
            for (TopicPartition partition : partitions) {
                found.put(partition.toString(), outcome(() -> result.partitionResult(partition).get()));
            }
            return found;
        });
    }

    // --- share and streams groups ---------------------------------------------------------------------------------

    private static void other(AdminMethods.Cases cases) {
        cases.reads("describeShareGroups: of nobody", admin ->
                each(admin.describeShareGroups(List.of(ABSENT)).describedGroups(), group -> group.groupId()));
        cases.reads("listShareGroupOffsets: of nobody", admin -> admin.listShareGroupOffsets(
                Map.of(ABSENT, new ListShareGroupOffsetsSpec())).all().get().get(ABSENT).size());
        cases.changes("alterShareGroupOffsets: of nobody", admin ->
                admin.alterShareGroupOffsets("share-by-hand", Map.of(PARTITION, 1L)).all().get());
        cases.changes("deleteShareGroupOffsets: of nobody", admin ->
                admin.deleteShareGroupOffsets(ABSENT, Set.of(TOPIC)).all().get());
        cases.changes("deleteShareGroups: of nobody", admin ->
                each(admin.deleteShareGroups(List.of(ABSENT)).deletedGroups()));
        cases.reads("describeStreamsGroups: of nobody", admin ->
                each(admin.describeStreamsGroups(List.of(ABSENT)).describedGroups(), group -> group.groupId()));
        cases.reads("listStreamsGroupOffsets: of nobody", admin -> admin.listStreamsGroupOffsets(
                Map.of(ABSENT, new ListStreamsGroupOffsetsSpec())).all().get().get(ABSENT).size());
        cases.changes("alterStreamsGroupOffsets: of a group of no kind", admin ->
                admin.alterStreamsGroupOffsets("streams-by-hand", Map.of(PARTITION, new OffsetAndMetadata(1)))
                        .all().get());
        cases.changes("deleteStreamsGroupOffsets: of nobody", admin ->
                admin.deleteStreamsGroupOffsets(ABSENT, Set.of(PARTITION)).all().get());
        cases.changes("deleteStreamsGroups: of nobody", admin ->
                each(admin.deleteStreamsGroups(List.of(ABSENT)).deletedGroups()));
    }

    private void closing(AdminMethods.Cases cases) {
        cases.changes("close: and a call after it", admin -> {
            Admin closed = Admin.create(Map.of("bootstrap.servers", bootstrap));
            closed.close();
            return closed.listTopics().names().get();
        });
    }
}
