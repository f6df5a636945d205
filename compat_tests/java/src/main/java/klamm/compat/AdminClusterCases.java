package klamm.compat;

import static klamm.compat.AdminMethods.each;
import static klamm.compat.AdminMethods.outcome;
import static klamm.compat.AdminMethods.row;
import static klamm.compat.AdminMethods.sorted;

import java.time.Duration;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.DescribeClusterOptions;
import org.apache.kafka.clients.admin.FeatureUpdate;
import org.apache.kafka.clients.admin.RaftVoterEndpoint;
import org.apache.kafka.clients.admin.ScramCredentialInfo;
import org.apache.kafka.clients.admin.ScramMechanism;
import org.apache.kafka.clients.admin.UpdateFeaturesOptions;
import org.apache.kafka.clients.admin.UserScramCredentialAlteration;
import org.apache.kafka.clients.admin.UserScramCredentialDeletion;
import org.apache.kafka.clients.admin.UserScramCredentialUpsertion;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.acl.AccessControlEntry;
import org.apache.kafka.common.acl.AclBinding;
import org.apache.kafka.common.acl.AclBindingFilter;
import org.apache.kafka.common.acl.AclOperation;
import org.apache.kafka.common.acl.AclPermissionType;
import org.apache.kafka.common.quota.ClientQuotaAlteration;
import org.apache.kafka.common.quota.ClientQuotaEntity;
import org.apache.kafka.common.quota.ClientQuotaFilter;
import org.apache.kafka.common.quota.ClientQuotaFilterComponent;
import org.apache.kafka.common.resource.PatternType;
import org.apache.kafka.common.resource.ResourcePattern;
import org.apache.kafka.common.resource.ResourceType;

/** The cluster, its features and quorum, quotas, and what belongs to security. */
final class AdminClusterCases {
    private AdminClusterCases() {}

    static void add(AdminMethods.Cases cases) {
        cluster(cases);
        features(cases);
        quotas(cases);
        security(cases);
    }

    private static void cluster(AdminMethods.Cases cases) {
        cases.reads("describeCluster: brokers", admin -> {
            var found = admin.describeCluster(new DescribeClusterOptions().includeAuthorizedOperations(true));
            return row(
                    "id", found.clusterId().get().length(),
                    "controller", found.controller().get().id(),
                    "nodes", found.nodes().get().stream().map(node -> node.id()).toList(),
                    "operations", sorted(found.authorizedOperations().get()));
        });
        cases.reads("describeCluster: fenced ones too", admin ->
                admin.describeCluster(new DescribeClusterOptions().includeFencedBrokers(true)).nodes().get().size());
        cases.changes("unregisterBroker: of one that is not there", admin -> admin.unregisterBroker(77).all().get());
        cases.reads("describeMetadataQuorum: voters", admin -> {
            var found = admin.describeMetadataQuorum().quorumInfo().get();
            return row(
                    "leader", found.leaderId(),
                    "voters", found.voters().stream().map(voter -> voter.replicaId()).toList(),
                    "observers", found.observers().size(),
                    "has high watermark", found.highWatermark() > 0);
        });
        cases.changes("addRaftVoter: another", admin -> admin.addRaftVoter(
                        9, Uuid.ONE_UUID, Set.of(new RaftVoterEndpoint("CONTROLLER", "localhost", 9)))
                .all().get());
        cases.changes("removeRaftVoter: one that is none", admin ->
                admin.removeRaftVoter(9, Uuid.ONE_UUID).all().get());
        cases.reads("clientInstanceId: without a receiver", admin ->
                admin.clientInstanceId(Duration.ofSeconds(5)).toString().length());
        cases.reads("metrics: of the client", admin -> !admin.metrics().isEmpty());
        cases.reads("registerMetricForSubscription: no request", admin -> {
            admin.registerMetricForSubscription(null);
            return null;
        });
        cases.reads("unregisterMetricFromSubscription: no request", admin -> {
            admin.unregisterMetricFromSubscription(null);
            return null;
        });
    }

    private static void features(AdminMethods.Cases cases) {
        cases.reads("describeFeatures: levels", admin -> {
            var found = admin.describeFeatures().featureMetadata().get();
            Map<String, Object> levels = new TreeMap<>();
            for (String name : List.of("metadata.version", "transaction.version", "group.version", "kraft.version")) {
                levels.put(name, found.supportedFeatures().get(name) + " at "
                        + (found.finalizedFeatures().containsKey(name)
                                ? found.finalizedFeatures().get(name).maxVersionLevel() : "none"));
            }
            return levels;
        });
        cases.changes("updateFeatures: down and up", admin -> {
            Map<String, Object> found = new TreeMap<>();
            found.put("1 down", updated(admin, "transaction.version", 1, FeatureUpdate.UpgradeType.SAFE_DOWNGRADE));
            found.put("2 up", updated(admin, "transaction.version", 2, FeatureUpdate.UpgradeType.UPGRADE));
            return found;
        });
        cases.changes("updateFeatures: validate only", admin -> admin.updateFeatures(
                        Map.of("transaction.version",
                                new FeatureUpdate((short) 0, FeatureUpdate.UpgradeType.SAFE_DOWNGRADE)),
                        new UpdateFeaturesOptions().validateOnly(true))
                .all().get());
        cases.changes("updateFeatures: refused", admin -> {
            Map<String, Object> found = new TreeMap<>();
            found.put("absent", updated(admin, "no.such.feature", 1, FeatureUpdate.UpgradeType.UPGRADE));
            found.put("too high", updated(admin, "transaction.version", 9, FeatureUpdate.UpgradeType.UPGRADE));
            found.put("down by up", updated(admin, "transaction.version", 1, FeatureUpdate.UpgradeType.UPGRADE));
            found.put("level 0 by up", updated(admin, "transaction.version", 0, FeatureUpdate.UpgradeType.UPGRADE));
            found.put("the same", updated(admin, "transaction.version", 2, FeatureUpdate.UpgradeType.UPGRADE));
            return found;
        });
    }

    private static Object updated(Admin admin, String feature, int level, FeatureUpdate.UpgradeType type) {
        return outcome(() -> admin.updateFeatures(
                        Map.of(feature, new FeatureUpdate((short) level, type)), new UpdateFeaturesOptions())
                .values().get(feature).get());
    }

    private static void quotas(AdminMethods.Cases cases) {
        ClientQuotaEntity user = new ClientQuotaEntity(Map.of(ClientQuotaEntity.USER, "alice"));
        Map<String, String> anybody = new HashMap<>();
        anybody.put(ClientQuotaEntity.CLIENT_ID, null);
        ClientQuotaEntity client = new ClientQuotaEntity(anybody);
        ClientQuotaEntity nobody = new ClientQuotaEntity(Map.of("planet", "mars"));
        cases.changes("alterClientQuotas: of users and clients", admin -> quota(admin,
                alteration(user, "producer_byte_rate", 1024.0), alteration(client, "request_percentage", 50.0)));
        cases.changes("alterClientQuotas: refused", admin -> {
            Map<String, Object> found = new TreeMap<>();
            found.put("key", quota(admin, alteration(user, "no_such_rate", 1.0)));
            found.put("value", quota(admin, alteration(user, "producer_byte_rate", -1.0)));
            found.put("entity", quota(admin, alteration(nobody, "producer_byte_rate", 1.0)));
            return found;
        });
        cases.reads("describeClientQuotas: all", admin ->
                quotas(admin, ClientQuotaFilter.all()));
        cases.reads("describeClientQuotas: of a user", admin -> quotas(admin, ClientQuotaFilter.contains(
                List.of(ClientQuotaFilterComponent.ofEntity(ClientQuotaEntity.USER, "alice")))));
        cases.reads("describeClientQuotas: of a kind that is none", admin -> quotas(admin, ClientQuotaFilter.contains(
                List.of(ClientQuotaFilterComponent.ofEntityType("planet")))));
        cases.changes("alterClientQuotas: removed", admin ->
                quota(admin, alteration(user, "producer_byte_rate", null)));
        cases.reads("describeClientQuotas: what is left", admin ->
                quotas(admin, ClientQuotaFilter.all()));
    }

    private static ClientQuotaAlteration alteration(ClientQuotaEntity entity, String key, Double value) {
        return new ClientQuotaAlteration(entity, List.of(new ClientQuotaAlteration.Op(key, value)));
    }

    private static Object quota(Admin admin, ClientQuotaAlteration... alterations) {
        return outcome(() -> admin.alterClientQuotas(List.of(alterations)).all().get());
    }

    private static Object quotas(Admin admin, ClientQuotaFilter filter) throws Exception {
        Map<String, Object> found = new TreeMap<>();
        admin.describeClientQuotas(filter).entities().get().forEach((entity, values) ->
                found.put(new TreeMap<>(entity.entries()).toString(), new TreeMap<>(values)));
        return found;
    }

    private static void security(AdminMethods.Cases cases) {
        AclBinding binding = new AclBinding(
                new ResourcePattern(ResourceType.TOPIC, "methods", PatternType.LITERAL),
                new AccessControlEntry("User:alice", "*", AclOperation.READ, AclPermissionType.ALLOW));
        cases.changes("createAcls: without an authorizer", admin ->
                each(admin.createAcls(List.of(binding)).values()).values());
        cases.reads("describeAcls: without an authorizer", admin ->
                admin.describeAcls(AclBindingFilter.ANY).values().get().size());
        cases.changes("deleteAcls: without an authorizer", admin ->
                each(admin.deleteAcls(List.of(AclBindingFilter.ANY)).values(), found -> found.values().size())
                        .values());
        cases.changes("createDelegationToken: over plaintext", admin ->
                admin.createDelegationToken().delegationToken().get().hmac().length);
        cases.changes("renewDelegationToken: over plaintext", admin ->
                admin.renewDelegationToken(new byte[] {1}).expiryTimestamp().get());
        cases.changes("expireDelegationToken: over plaintext", admin ->
                admin.expireDelegationToken(new byte[] {1}).expiryTimestamp().get());
        cases.reads("describeDelegationToken: over plaintext", admin ->
                admin.describeDelegationToken().delegationTokens().get().size());
        cases.changes("alterUserScramCredentials: set and refused", admin -> each(admin.alterUserScramCredentials(
                        List.<UserScramCredentialAlteration>of(
                                upsertion("alice", 8192),
                                upsertion("few", 1),
                                upsertion("many", 20_000),
                                upsertion("", 8192),
                                new UserScramCredentialDeletion("nobody", ScramMechanism.SCRAM_SHA_256)))
                .values()));
        cases.reads("describeUserScramCredentials: all", admin -> scram(admin, null));
        cases.reads("describeUserScramCredentials: of users", admin -> {
            var found = admin.describeUserScramCredentials(List.of("alice", "nobody"));
            return row(
                    "alice", outcome(() -> found.description("alice").get().credentialInfos().toString()),
                    "nobody", outcome(() -> found.description("nobody").get().credentialInfos().toString()));
        });
        cases.reads("describeUserScramCredentials: of a user twice", admin -> scram(admin, List.of("alice", "alice")));
        cases.changes("alterUserScramCredentials: removed", admin -> each(admin.alterUserScramCredentials(
                        List.of(new UserScramCredentialDeletion("alice", ScramMechanism.SCRAM_SHA_512)))
                .values()));
    }

    private static UserScramCredentialUpsertion upsertion(String user, int iterations) {
        return new UserScramCredentialUpsertion(
                user, new ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, iterations), "password");
    }

    private static Object scram(Admin admin, List<String> users) throws Exception {
        Map<String, Object> found = new TreeMap<>();
        admin.describeUserScramCredentials(users).all().get().forEach((user, description) ->
                found.put(user, description.credentialInfos().toString()));
        return found;
    }
}
