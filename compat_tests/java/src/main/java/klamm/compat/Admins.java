package klamm.compat;

import com.fasterxml.jackson.databind.JsonNode;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.Config;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.ConsumerGroupDescription;
import org.apache.kafka.clients.admin.CreateTopicsOptions;
import org.apache.kafka.clients.admin.CreateTopicsResult;
import org.apache.kafka.clients.admin.DescribeClusterOptions;
import org.apache.kafka.clients.admin.DescribeClusterResult;
import org.apache.kafka.clients.admin.DescribeConsumerGroupsOptions;
import org.apache.kafka.clients.admin.DescribeTopicsOptions;
import org.apache.kafka.clients.admin.ListConsumerGroupOffsetsSpec;
import org.apache.kafka.clients.admin.ListGroupsOptions;
import org.apache.kafka.clients.admin.ListOffsetsResult;
import org.apache.kafka.clients.admin.ListTopicsOptions;
import org.apache.kafka.clients.admin.MemberDescription;
import org.apache.kafka.clients.admin.MemberToRemove;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.RemoveMembersFromConsumerGroupOptions;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.KafkaFuture;
import org.apache.kafka.common.Node;
import org.apache.kafka.common.TopicCollection;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.TopicPartitionInfo;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.config.ConfigResource;

/** Admin clients by name. A call about several things answers name -> result or {error, message}. */
final class Admins {
    private final Map<String, Admin> admins = new ConcurrentHashMap<>();

    private interface Call {
        Object of(Admin admin, JsonNode arguments) throws Exception;
    }

    private static final Map<String, Call> CALLS = new HashMap<>();

    static {
        CALLS.put("create_topics", Admins::createTopics);
        CALLS.put("delete_topics", Admins::deleteTopics);
        CALLS.put("list_topics", Admins::listTopics);
        CALLS.put("describe_topics", Admins::describeTopics);
        CALLS.put("describe_cluster", Admins::describeCluster);
        CALLS.put("describe_configs", Admins::describeConfigs);
        CALLS.put("list_groups", Admins::listGroups);
        CALLS.put("describe_groups", Admins::describeGroups);
        CALLS.put("remove_members", Admins::removeMembers);
        CALLS.put("group_offsets", Admins::groupOffsets);
        CALLS.put("alter_group_offsets", (admin, arguments) -> admin.alterConsumerGroupOffsets(
                        arguments.get("group").asText(), Values.offsets(arguments.get("offsets")))
                .all()
                .get());
        CALLS.put("list_offsets", Admins::listOffsets);
    }

    Map<String, Main.Command> commands() {
        Map<String, Main.Command> commands = new HashMap<>();
        commands.put("open_admin", this::open);
        commands.put("close_admin", this::close);
        CALLS.forEach((name, call) -> commands.put(
                name, arguments -> call.of(admins.get(arguments.get("client").asText()), arguments)));
        return commands;
    }

    private Object open(JsonNode arguments) {
        admins.put(arguments.get("client").asText(), Admin.create(Values.config(arguments.get("config"))));
        return null;
    }

    private Object close(JsonNode arguments) {
        admins.remove(arguments.get("client").asText()).close(Duration.ofSeconds(5));
        return null;
    }

    /** "topics": [{"name", "partitions"?, "replication"?, "configs"?}], "validate_only"?; absent numbers are the broker's. */
    private static Object createTopics(Admin admin, JsonNode arguments) {
        List<NewTopic> topics = new ArrayList<>();
        for (JsonNode topic : arguments.get("topics")) {
            Map<String, String> configs = new HashMap<>();
            topic.path("configs").properties().forEach(entry -> configs.put(
                    entry.getKey(), entry.getValue().asText()));
            topics.add(new NewTopic(
                            topic.get("name").asText(),
                            Optional.ofNullable(topic.get("partitions")).map(JsonNode::asInt),
                            Optional.ofNullable(topic.get("replication"))
                                    .map(number -> (short) number.asInt()))
                    .configs(configs));
        }
        CreateTopicsResult result = admin.createTopics(
                topics, new CreateTopicsOptions().validateOnly(arguments.path("validate_only").asBoolean()));
        Map<String, Object> outcomes = new LinkedHashMap<>();
        topics.forEach(topic -> outcomes.put(topic.name(), created(result, topic.name())));
        return outcomes;
    }

    private static Object created(CreateTopicsResult result, String name) {
        try {
            Map<String, Object> shown = new LinkedHashMap<>();
            shown.put("id", result.topicId(name).get().toString());
            shown.put("partitions", result.numPartitions(name).get());
            shown.put("replication", result.replicationFactor(name).get());
            shown.put("configs", values(result.config(name).get()));
            return shown;
        } catch (Exception problem) {
            return Values.error(problem);
        }
    }

    private static Object deleteTopics(Admin admin, JsonNode arguments) {
        if (arguments.has("ids")) {
            List<Uuid> ids = Values.strings(arguments.get("ids")).stream().map(Uuid::fromString).toList();
            Map<String, KafkaFuture<Void>> byId = new LinkedHashMap<>();
            admin.deleteTopics(TopicCollection.ofTopicIds(ids))
                    .topicIdValues()
                    .forEach((id, future) -> byId.put(id.toString(), future));
            return Values.outcomes(byId, ignored -> null);
        }
        return Values.outcomes(
                admin.deleteTopics(Values.strings(arguments.get("names"))).topicNameValues(), ignored -> null);
    }

    /** Name -> {"id", "internal"}. */
    private static Object listTopics(Admin admin, JsonNode arguments) throws Exception {
        ListTopicsOptions options = new ListTopicsOptions().listInternal(arguments.path("internal").asBoolean());
        Map<String, Object> shown = new TreeMap<>();
        admin.listTopics(options).namesToListings().get().forEach((name, listing) ->
                shown.put(name, Map.of("id", listing.topicId().toString(), "internal", listing.isInternal())));
        return shown;
    }

    private static Object describeTopics(Admin admin, JsonNode arguments) {
        DescribeTopicsOptions options = new DescribeTopicsOptions()
                .includeAuthorizedOperations(arguments.path("operations").asBoolean());
        if (arguments.has("ids")) {
            List<Uuid> ids = Values.strings(arguments.get("ids")).stream().map(Uuid::fromString).toList();
            Map<String, KafkaFuture<TopicDescription>> byId = new LinkedHashMap<>();
            admin.describeTopics(TopicCollection.ofTopicIds(ids), options)
                    .topicIdValues()
                    .forEach((id, future) -> byId.put(id.toString(), future));
            return Values.outcomes(byId, Admins::topic);
        }
        return Values.outcomes(
                admin.describeTopics(Values.strings(arguments.get("names")), options).topicNameValues(),
                Admins::topic);
    }

    private static Object topic(TopicDescription topic) {
        List<Map<String, Object>> partitions = new ArrayList<>();
        for (TopicPartitionInfo partition : topic.partitions()) {
            partitions.add(Map.of(
                    "partition", partition.partition(),
                    "leader", partition.leader().id(),
                    "replicas", partition.replicas().stream().map(Node::id).toList(),
                    "isr", partition.isr().stream().map(Node::id).toList()));
        }
        Map<String, Object> shown = new LinkedHashMap<>();
        shown.put("name", topic.name());
        shown.put("id", topic.topicId().toString());
        shown.put("internal", topic.isInternal());
        shown.put("partitions", partitions);
        shown.put("operations", topic.authorizedOperations());
        return shown;
    }

    private static Object describeCluster(Admin admin, JsonNode arguments) throws Exception {
        DescribeClusterResult cluster = admin.describeCluster(new DescribeClusterOptions()
                .includeAuthorizedOperations(arguments.path("operations").asBoolean()));
        Map<String, Object> shown = new LinkedHashMap<>();
        shown.put("id", cluster.clusterId().get());
        shown.put("controller", cluster.controller().get().id());
        List<List<Object>> nodes = new ArrayList<>();
        for (Node node : cluster.nodes().get()) {
            nodes.add(List.of(node.id(), node.host(), node.port()));
        }
        shown.put("nodes", nodes);
        shown.put("operations", cluster.authorizedOperations().get());
        return shown;
    }

    /** "type": "TOPIC", "BROKER"...; name -> key -> {"value", "source", "read_only", "sensitive", "default"}. */
    private static Object describeConfigs(Admin admin, JsonNode arguments) {
        ConfigResource.Type type = ConfigResource.Type.valueOf(arguments.get("type").asText());
        List<ConfigResource> resources = Values.strings(arguments.get("names")).stream()
                .map(name -> new ConfigResource(type, name))
                .toList();
        Map<String, KafkaFuture<Config>> byName = new LinkedHashMap<>();
        admin.describeConfigs(resources).values().forEach((resource, future) -> byName.put(resource.name(), future));
        return Values.outcomes(byName, Admins::values);
    }

    private static Object values(Config config) {
        Map<String, Object> shown = new TreeMap<>();
        for (ConfigEntry entry : config.entries()) {
            Map<String, Object> row = new LinkedHashMap<>();
            row.put("value", entry.value());
            row.put("source", entry.source().name());
            row.put("read_only", entry.isReadOnly());
            row.put("sensitive", entry.isSensitive());
            row.put("default", entry.isDefault());
            shown.put(entry.name(), row);
        }
        return shown;
    }

    /** Group -> {"type", "protocol", "state"}. */
    private static Object listGroups(Admin admin, JsonNode arguments) throws Exception {
        Map<String, Object> shown = new TreeMap<>();
        admin.listGroups(ListGroupsOptions.forConsumerGroups()).all().get().forEach(group -> shown.put(
                group.groupId(),
                Map.of(
                        "type", group.type().map(Object::toString).orElse(""),
                        "protocol", group.protocol(),
                        "state", group.groupState().map(Object::toString).orElse(""))));
        return shown;
    }

    private static Object describeGroups(Admin admin, JsonNode arguments) {
        return Values.outcomes(
                admin.describeConsumerGroups(
                                Values.strings(arguments.get("groups")),
                                new DescribeConsumerGroupsOptions()
                                        .includeAuthorizedOperations(arguments.path("operations").asBoolean()))
                        .describedGroups(),
                Admins::group);
    }

    private static Object group(ConsumerGroupDescription group) {
        List<Map<String, Object>> members = new ArrayList<>();
        for (MemberDescription member : group.members()) {
            members.add(Map.of(
                    "client_id", member.clientId(),
                    "host", member.host(),
                    "instance", member.groupInstanceId().orElse(""),
                    "partitions", Values.partitions(member.assignment().topicPartitions())));
        }
        Map<String, Object> shown = new LinkedHashMap<>();
        shown.put("type", group.type().toString());
        shown.put("state", group.groupState().toString());
        shown.put("assignor", group.partitionAssignor());
        shown.put("coordinator", group.coordinator().id());
        shown.put("members", members);
        shown.put("operations", group.authorizedOperations());
        return shown;
    }

    /** "instances": static members to remove, or absent for every member. */
    private static Object removeMembers(Admin admin, JsonNode arguments) throws Exception {
        RemoveMembersFromConsumerGroupOptions options = new RemoveMembersFromConsumerGroupOptions();
        if (arguments.has("instances")) {
            HashSet<MemberToRemove> members = new HashSet<>();
            Values.strings(arguments.get("instances")).forEach(name -> members.add(new MemberToRemove(name)));
            options = new RemoveMembersFromConsumerGroupOptions(members);
        }
        return admin.removeMembersFromConsumerGroup(arguments.get("group").asText(), options).all().get();
    }

    /** Group -> [["topic", 0, offset, "metadata"], ...]. */
    private static Object groupOffsets(Admin admin, JsonNode arguments) {
        Map<String, ListConsumerGroupOffsetsSpec> groups = new LinkedHashMap<>();
        Values.strings(arguments.get("groups")).forEach(group -> groups.put(group, new ListConsumerGroupOffsetsSpec()));
        var result = admin.listConsumerGroupOffsets(groups);
        Map<String, KafkaFuture<Map<TopicPartition, OffsetAndMetadata>>> byGroup = new LinkedHashMap<>();
        groups.keySet().forEach(group -> byGroup.put(group, result.partitionsToOffsetAndMetadata(group)));
        return Values.outcomes(byGroup, Values::offsets);
    }

    /** "specs": [["topic", 0, "earliest" | "latest" | "max_timestamp" | timestamp_ms], ...] -> "topic-0" -> {...}. */
    private static Object listOffsets(Admin admin, JsonNode arguments) {
        Map<TopicPartition, OffsetSpec> specs = new LinkedHashMap<>();
        arguments.get("specs").forEach(row -> specs.put(Values.partition(row), spec(row.get(2))));
        ListOffsetsResult result = admin.listOffsets(specs);
        Map<String, KafkaFuture<ListOffsetsResult.ListOffsetsResultInfo>> byPartition = new LinkedHashMap<>();
        specs.keySet().forEach(
                partition -> byPartition.put(partition.toString(), result.partitionResult(partition)));
        return Values.outcomes(byPartition, found -> {
            Map<String, Object> shown = new LinkedHashMap<>();
            shown.put("offset", found.offset());
            shown.put("timestamp", found.timestamp());
            shown.put("leader_epoch", found.leaderEpoch().orElse(null));
            return shown;
        });
    }

    private static OffsetSpec spec(JsonNode spec) {
        if (spec.isNumber()) {
            return OffsetSpec.forTimestamp(spec.asLong());
        }
        return switch (spec.asText()) {
            case "earliest" -> OffsetSpec.earliest();
            case "latest" -> OffsetSpec.latest();
            case "max_timestamp" -> OffsetSpec.maxTimestamp();
            default -> throw new IllegalArgumentException(spec.asText());
        };
    }
}
