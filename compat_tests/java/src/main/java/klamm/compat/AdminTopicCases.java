package klamm.compat;

import static klamm.compat.AdminMethods.each;
import static klamm.compat.AdminMethods.outcome;
import static klamm.compat.AdminMethods.row;
import static klamm.compat.AdminMethods.sorted;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.AlterConfigsOptions;
import org.apache.kafka.clients.admin.Config;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.CreatePartitionsOptions;
import org.apache.kafka.clients.admin.CreateTopicsOptions;
import org.apache.kafka.clients.admin.CreateTopicsResult;
import org.apache.kafka.clients.admin.DescribeConfigsOptions;
import org.apache.kafka.clients.admin.DescribeTopicsOptions;
import org.apache.kafka.clients.admin.ListTopicsOptions;
import org.apache.kafka.clients.admin.NewPartitionReassignment;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.common.ElectionType;
import org.apache.kafka.common.TopicCollection;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.TopicPartitionReplica;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.config.ConfigResource;

/** Topics, their partitions, records, replicas and configs. */
final class AdminTopicCases {
    private static final String TOPIC = "methods";
    private static final String ABSENT = "absent";
    private static final TopicPartition PARTITION = new TopicPartition(TOPIC, 0);
    private static final TopicPartition ABSENT_PARTITION = new TopicPartition(ABSENT, 0);
    private static final int NODE = 1;

    private AdminTopicCases() {}

    static void add(AdminMethods.Cases cases) {
        topics(cases);
        partitions(cases);
        replicas(cases);
        configs(cases);
    }

    private static void topics(AdminMethods.Cases cases) {
        cases.changes("createTopics: with configs", admin -> created(
                admin.createTopics(List.of(
                        new NewTopic(TOPIC, 2, (short) 1).configs(Map.of("retention.ms", "1000000")))), TOPIC));
        cases.changes("createTopics: with the broker's defaults", admin -> created(
                admin.createTopics(List.of(new NewTopic("defaults", Optional.empty(), Optional.empty()))), "defaults"));
        cases.changes("createTopics: with assignments", admin -> created(
                admin.createTopics(List.of(new NewTopic("assigned", Map.of(0, List.of(NODE), 1, List.of(NODE))))),
                "assigned"));
        cases.changes("createTopics: validate only", admin -> created(
                admin.createTopics(
                        List.of(new NewTopic("validated", 3, (short) 1)), new CreateTopicsOptions().validateOnly(true)),
                "validated"));
        cases.changes("createTopics: refused", admin -> each(admin.createTopics(List.of(
                        new NewTopic(TOPIC, 1, (short) 1),
                        new NewTopic("no/name", 1, (short) 1),
                        new NewTopic("", 1, (short) 1),
                        new NewTopic("n".repeat(250), 1, (short) 1),
                        new NewTopic("factor", 1, (short) 3),
                        new NewTopic("none", 0, (short) 1),
                        new NewTopic("key", 1, (short) 1).configs(Map.of("no.such.key", "1")),
                        new NewTopic("value", 1, (short) 1).configs(Map.of("retention.ms", "soon")),
                        new NewTopic("nobody", Map.of(0, List.of(9))),
                        new NewTopic("gap", Map.of(1, List.of(NODE)))))
                .values()));
        cases.reads("listTopics: names", admin -> sorted(admin.listTopics().names().get()));
        cases.reads("listTopics: internal ones too", admin -> sorted(
                admin.listTopics(new ListTopicsOptions().listInternal(true)).names().get()));
        cases.reads("describeTopics: by name", admin -> each(
                admin.describeTopics(List.of(TOPIC, "assigned", ABSENT)).topicNameValues(), AdminTopicCases::described));
        cases.reads("describeTopics: with operations", admin -> each(
                admin.describeTopics(
                                List.of(TOPIC), new DescribeTopicsOptions().includeAuthorizedOperations(true))
                        .topicNameValues(),
                topic -> sorted(topic.authorizedOperations())));
        cases.reads("describeTopics: by id", admin -> {
            Uuid id = admin.listTopics().namesToListings().get().get(TOPIC).topicId();
            return described(admin.describeTopics(TopicCollection.ofTopicIds(List.of(id)))
                    .topicIdValues().get(id).get());
        });
        cases.reads("describeTopics: by an id that nobody has", admin -> {
            Uuid id = new Uuid(1, 2);
            return described(admin.describeTopics(TopicCollection.ofTopicIds(List.of(id)))
                    .topicIdValues().get(id).get());
        });
        cases.reads("describeTopics: by a name that none may have", admin ->
                each(admin.describeTopics(List.of("")).topicNameValues(), AdminTopicCases::described));
    }

    private static Object created(CreateTopicsResult result, String topic) throws Exception {
        Config config = result.config(topic).get();
        return row(
                "partitions", result.numPartitions(topic).get(),
                "replication", result.replicationFactor(topic).get(),
                "retention.ms", config.get("retention.ms").value(),
                "id", result.topicId(topic).get().toString().length());
    }

    private static Object described(TopicDescription topic) {
        List<Object> partitions = new ArrayList<>();
        topic.partitions().forEach(partition -> partitions.add(row(
                "partition", partition.partition(),
                "leader", partition.leader().id(),
                "replicas", partition.replicas().stream().map(node -> node.id()).toList(),
                "isr", partition.isr().stream().map(node -> node.id()).toList())));
        return row("name", topic.name(), "internal", topic.isInternal(), "partitions", partitions);
    }

    private static void partitions(AdminMethods.Cases cases) {
        cases.changes("createPartitions: more", admin ->
                each(admin.createPartitions(Map.of(TOPIC, NewPartitions.increaseTo(3))).values()));
        cases.changes("createPartitions: validate only", admin -> each(admin.createPartitions(
                        Map.of(TOPIC, NewPartitions.increaseTo(9)), new CreatePartitionsOptions().validateOnly(true))
                .values()));
        cases.changes("createPartitions: refused", admin -> each(admin.createPartitions(Map.of(
                        TOPIC, NewPartitions.increaseTo(3),
                        "defaults", NewPartitions.increaseTo(0),
                        "assigned", NewPartitions.increaseTo(3, List.of(List.of(9))),
                        ABSENT, NewPartitions.increaseTo(2)))
                .values()));
        cases.reads("listOffsets: of a log without records", admin -> {
            Map<String, Object> found = new TreeMap<>();
            Map<String, OffsetSpec> specs = Map.of(
                    "earliest", OffsetSpec.earliest(),
                    "latest", OffsetSpec.latest(),
                    "max", OffsetSpec.maxTimestamp(),
                    "time", OffsetSpec.forTimestamp(5),
                    "local", OffsetSpec.earliestLocal(),
                    "tiered", OffsetSpec.latestTiered());
            specs.forEach((name, spec) -> found.put(name, outcome(() -> admin.listOffsets(Map.of(PARTITION, spec))
                    .partitionResult(PARTITION).get().offset())));
            return found;
        });
        cases.changes("deleteRecords: of an empty log", admin ->
                admin.deleteRecords(Map.of(PARTITION, RecordsToDelete.beforeOffset(-1)))
                        .lowWatermarks().get(PARTITION).get().lowWatermark());
        cases.changes("deleteRecords: beyond the end", admin ->
                each(admin.deleteRecords(Map.of(PARTITION, RecordsToDelete.beforeOffset(7))).lowWatermarks()));
    }

    private static void replicas(AdminMethods.Cases cases) {
        cases.changes("electLeaders: preferred", admin -> elected(admin, ElectionType.PREFERRED));
        cases.changes("electLeaders: unclean", admin -> elected(admin, ElectionType.UNCLEAN));
        cases.changes("electLeaders: everywhere", admin ->
                admin.electLeaders(ElectionType.PREFERRED, null).partitions().get().size());
        cases.changes("alterPartitionReassignments: to where it is", admin -> each(admin.alterPartitionReassignments(
                        Map.of(PARTITION, Optional.of(new NewPartitionReassignment(List.of(NODE)))))
                .values()));
        cases.changes("alterPartitionReassignments: refused", admin -> each(admin.alterPartitionReassignments(Map.of(
                        PARTITION, Optional.of(new NewPartitionReassignment(List.of(9))),
                        new TopicPartition(TOPIC, 1), Optional.empty(),
                        new TopicPartition(TOPIC, 77), Optional.of(new NewPartitionReassignment(List.of(NODE))),
                        ABSENT_PARTITION, Optional.of(new NewPartitionReassignment(List.of(NODE)))))
                .values()));
        cases.reads("listPartitionReassignments: all", admin ->
                admin.listPartitionReassignments().reassignments().get().size());
        cases.reads("listPartitionReassignments: of partitions", admin ->
                admin.listPartitionReassignments(Set.of(PARTITION, ABSENT_PARTITION)).reassignments().get().size());
        cases.reads("describeLogDirs: of brokers", admin -> each(
                admin.describeLogDirs(List.of(NODE)).descriptions(),
                folders -> folders.values().stream().map(folder -> row(
                                "error", String.valueOf(folder.error()),
                                "partitions", folder.replicaInfos().keySet().stream()
                                        .filter(partition -> partition.topic().equals(TOPIC)).count(),
                                "has size", folder.totalBytes().isPresent()))
                        .toList()));
        cases.reads("describeReplicaLogDirs: of replicas", admin -> each(
                admin.describeReplicaLogDirs(List.of(
                                new TopicPartitionReplica(TOPIC, 0, NODE), new TopicPartitionReplica(ABSENT, 0, NODE)))
                        .values(),
                found -> row(
                        "current", found.getCurrentReplicaLogDir() != null,
                        "future", found.getFutureReplicaLogDir() != null,
                        "lag", found.getCurrentReplicaOffsetLag())));
        cases.changes("alterReplicaLogDirs: to where nothing is", admin -> each(admin.alterReplicaLogDirs(Map.of(
                        new TopicPartitionReplica(TOPIC, 0, NODE), "/no/such/folder",
                        new TopicPartitionReplica(ABSENT, 0, NODE), "/no/such/folder"))
                .values()));
    }

    private static Object elected(Admin admin, ElectionType type) throws Exception {
        Map<String, Object> found = new TreeMap<>();
        admin.electLeaders(type, Set.of(PARTITION, ABSENT_PARTITION)).partitions().get().forEach((partition, error) ->
                found.put(partition.toString(), error.map(problem -> problem.getClass().getSimpleName()).orElse("")));
        return found;
    }

    private static void configs(AdminMethods.Cases cases) {
        ConfigResource topic = new ConfigResource(ConfigResource.Type.TOPIC, TOPIC);
        ConfigResource broker = new ConfigResource(ConfigResource.Type.BROKER, String.valueOf(NODE));
        ConfigResource group = new ConfigResource(ConfigResource.Type.GROUP, "configured");
        ConfigResource metrics = new ConfigResource(ConfigResource.Type.CLIENT_METRICS, "subscription");
        ConfigResource logger = new ConfigResource(ConfigResource.Type.BROKER_LOGGER, String.valueOf(NODE));
        cases.changes("incrementalAlterConfigs: of a topic", admin -> altered(admin, topic,
                set("cleanup.policy", "compact"), set("max.message.bytes", "5000"), unset("retention.ms")));
        cases.changes("incrementalAlterConfigs: append and subtract", admin -> altered(admin, topic,
                op("cleanup.policy", "delete", AlterConfigOp.OpType.APPEND)));
        cases.changes("incrementalAlterConfigs: validate only", admin -> each(admin.incrementalAlterConfigs(
                        Map.of(topic, List.of(set("retention.ms", "7"))), new AlterConfigsOptions().validateOnly(true))
                .values()));
        cases.changes("incrementalAlterConfigs: of a broker", admin ->
                altered(admin, broker, set("log.retention.ms", "90000000")));
        cases.changes("incrementalAlterConfigs: of a group", admin ->
                altered(admin, group, set("consumer.session.timeout.ms", "50000")));
        cases.changes("incrementalAlterConfigs: of client metrics", admin ->
                altered(admin, metrics, set("interval.ms", "60000"), set("metrics", "org.apache.kafka.producer.")));
        cases.changes("incrementalAlterConfigs: of a logger", admin ->
                altered(admin, logger, set("root", "ERROR")));
        cases.changes("incrementalAlterConfigs: refused", admin -> {
            Map<String, Object> found = new TreeMap<>();
            found.put("key", altered(admin, topic, set("no.such.key", "1")));
            found.put("value", altered(admin, topic, set("retention.ms", "soon")));
            found.put("no list", altered(admin, topic, op("retention.ms", "1", AlterConfigOp.OpType.APPEND)));
            found.put("read-only", altered(admin, broker, set("log.dirs", "/tmp")));
            found.put("twice", altered(admin, topic, set("retention.ms", "1"), set("retention.ms", "2")));
            found.put("absent", altered(admin, new ConfigResource(ConfigResource.Type.TOPIC, ABSENT),
                    set("retention.ms", "1")));
            found.put("other broker", outcome(() -> altered(admin,
                    new ConfigResource(ConfigResource.Type.BROKER, ""), set("log.dirs", "/tmp"))));
            found.put("group", altered(admin, group, set("consumer.session.timeout.ms", "1")));
            found.put("metrics", altered(admin, metrics, set("interval.ms", "1")));
            found.put("logger", altered(admin, logger, set("root", "LOUD")));
            return found;
        });
        cases.reads("describeConfigs: of each kind", admin -> {
            Map<String, Object> found = new TreeMap<>();
            found.put("topic", shown(admin, topic, "cleanup.policy", "max.message.bytes", "retention.ms"));
            found.put("broker", shown(admin, broker, "log.retention.ms", "num.partitions", "node.id"));
            found.put("group", shown(admin, group, "consumer.session.timeout.ms", "consumer.heartbeat.interval.ms"));
            found.put("metrics", shown(admin, metrics, "interval.ms", "metrics", "match"));
            found.put("logger", shown(admin, logger, "root"));
            found.put("absent", shown(admin, new ConfigResource(ConfigResource.Type.TOPIC, ABSENT), "retention.ms"));
            return found;
        });
        cases.reads("describeConfigs: with synonyms", admin -> {
            Config config = admin.describeConfigs(List.of(topic), new DescribeConfigsOptions().includeSynonyms(true))
                    .values().get(topic).get();
            return config.get("max.message.bytes").synonyms().stream()
                    .map(synonym -> synonym.name() + "=" + synonym.value() + " " + synonym.source())
                    .toList();
        });
        cases.reads("listConfigResources: all", admin -> sorted(admin.listConfigResources().all().get()));
        cases.reads("listConfigResources: of a kind", admin -> sorted(admin.listConfigResources(
                        Set.of(ConfigResource.Type.GROUP, ConfigResource.Type.CLIENT_METRICS),
                        new org.apache.kafka.clients.admin.ListConfigResourcesOptions())
                .all().get()));
        cases.reads("listClientMetricsResources: names", admin ->
                admin.listClientMetricsResources().all().get().stream().map(found -> found.name()).toList());
        cases.changes("deleteTopics: by name", admin ->
                each(admin.deleteTopics(List.of("defaults", ABSENT)).topicNameValues()));
        cases.changes("deleteTopics: by id", admin -> {
            Uuid id = admin.listTopics().namesToListings().get().get("assigned").topicId();
            Uuid nobodys = new Uuid(1, 2);
            var deleted = admin.deleteTopics(TopicCollection.ofTopicIds(List.of(id, nobodys))).topicIdValues();
            return row(
                    "there", outcome(() -> deleted.get(id).get()),
                    "not there", outcome(() -> deleted.get(nobodys).get()));
        });
        cases.reads("listTopics: after deletions", admin -> sorted(admin.listTopics().names().get()));
    }

    private static AlterConfigOp op(String key, String value, AlterConfigOp.OpType type) {
        return new AlterConfigOp(new ConfigEntry(key, value), type);
    }

    private static AlterConfigOp set(String key, String value) {
        return op(key, value, AlterConfigOp.OpType.SET);
    }

    private static AlterConfigOp unset(String key) {
        return op(key, "", AlterConfigOp.OpType.DELETE);
    }

    private static Object altered(Admin admin, ConfigResource resource, AlterConfigOp... changes) {
        return outcome(() -> admin.incrementalAlterConfigs(Map.of(resource, List.of(changes)))
                .values().get(resource).get());
    }

    private static Object shown(Admin admin, ConfigResource resource, String... keys) {
        return outcome(() -> {
            Config config = admin.describeConfigs(List.of(resource)).values().get(resource).get();
            Map<String, Object> found = new TreeMap<>();
            for (String key : keys) {
                ConfigEntry entry = config.get(key);
                found.put(key, entry == null ? "none" : entry.value() + " " + entry.source());
            }
            return found;
        });
    }
}
