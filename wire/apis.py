"""Every API of Kafka 4.3.1 and 3.9: its key, its message file, its versions.

One row an API. What klamm itself serves is another table (`broker/api_table.py`); this one is what Kafka speaks.
Source: org.apache.kafka.common.protocol.ApiKeys and the `validVersions` of the message JSON.
"""

from __future__ import annotations

from importlib import import_module
from typing import NamedTuple

from .declare import Message


class Api(NamedTuple):
    """`versions`: stable in 4.3.1; `versions_3_9`: what 3.9 parsed, older ones included; `flexible_from`: the first
    version with compact lengths and tagged fields; `listeners`: where 4.3.1 answers it (none: removed in 4.0);
    `advertised_min`: the lowest version named in ApiVersions where that is another than is served (KAFKA-18659)."""

    key: int
    name: str
    module: str
    versions: range
    versions_3_9: range
    flexible_from: int | None
    listeners: tuple[str, ...]
    advertised_min: int | None = None

    def is_flexible(self, version: int) -> bool:
        """Whether the version has compact lengths, tagged fields, and request header v2."""
        return self.flexible_from is not None and version >= self.flexible_from

    def request_header_version(self, version: int) -> int:
        """2 if flexible, else 1; ControlledShutdown v0 alone has 0, without a client id."""
        if self.key == 7 and version == 0:
            return 0
        return 2 if self.is_flexible(version) else 1

    def response_header_version(self, version: int) -> int:
        """1 if flexible, else 0; always 0 for ApiVersions, whose reader does not yet know the versions (KIP-511)."""
        return 1 if self.is_flexible(version) and self.key != 18 else 0

    def request(self) -> type[Message]:
        """The request's class; its file is imported now if need be."""
        return self._message("Request")

    def response(self) -> type[Message]:
        """The response's class; its file is imported now if need be."""
        return self._message("Response")

    def _message(self, kind: str) -> type[Message]:
        module = import_module(f".messages.{self.module}", __package__)
        found: type[Message] = getattr(module, self.name + kind)
        return found


# fmt: off
APIS: tuple[Api, ...] = (
    Api(0, "Produce", "produce", range(3, 14), range(12), flexible_from=9, listeners=('broker',), advertised_min=0),
    Api(1, "Fetch", "fetch", range(4, 19), range(18), flexible_from=12, listeners=('broker', 'controller')),
    Api(2, "ListOffsets", "list_offsets", range(1, 12), range(10), flexible_from=6, listeners=('broker',)),
    Api(3, "Metadata", "metadata", range(14), range(13), flexible_from=9, listeners=('broker',)),
    Api(4, "LeaderAndIsr", "leader_and_isr", range(0), range(8), flexible_from=4, listeners=('zkBroker',)),
    Api(5, "StopReplica", "stop_replica", range(0), range(5), flexible_from=2, listeners=('zkBroker',)),
    Api(6, "UpdateMetadata", "update_metadata", range(0), range(9), flexible_from=6, listeners=('zkBroker',)),
    Api(7, "ControlledShutdown", "controlled_shutdown", range(0), range(4), flexible_from=3, listeners=('zkBroker', 'controller')),
    Api(8, "OffsetCommit", "offset_commit", range(2, 11), range(10), flexible_from=8, listeners=('broker',)),
    Api(9, "OffsetFetch", "offset_fetch", range(1, 11), range(10), flexible_from=6, listeners=('broker',)),
    Api(10, "FindCoordinator", "find_coordinator", range(7), range(7), flexible_from=3, listeners=('broker',)),
    Api(11, "JoinGroup", "join_group", range(10), range(10), flexible_from=6, listeners=('broker',)),
    Api(12, "Heartbeat", "heartbeat", range(5), range(5), flexible_from=4, listeners=('broker',)),
    Api(13, "LeaveGroup", "leave_group", range(6), range(6), flexible_from=4, listeners=('broker',)),
    Api(14, "SyncGroup", "sync_group", range(6), range(6), flexible_from=4, listeners=('broker',)),
    Api(15, "DescribeGroups", "describe_groups", range(7), range(6), flexible_from=5, listeners=('broker',)),
    Api(16, "ListGroups", "list_groups", range(6), range(6), flexible_from=3, listeners=('broker',)),
    Api(17, "SaslHandshake", "sasl_handshake", range(2), range(2), flexible_from=None, listeners=('broker', 'controller')),
    Api(18, "ApiVersions", "api_versions", range(5), range(5), flexible_from=3, listeners=('broker', 'controller')),
    Api(19, "CreateTopics", "create_topics", range(2, 8), range(8), flexible_from=5, listeners=('broker', 'controller')),
    Api(20, "DeleteTopics", "delete_topics", range(1, 7), range(7), flexible_from=4, listeners=('broker', 'controller')),
    Api(21, "DeleteRecords", "delete_records", range(3), range(3), flexible_from=2, listeners=('broker',)),
    Api(22, "InitProducerId", "init_producer_id", range(6), range(6), flexible_from=2, listeners=('broker',)),
    Api(23, "OffsetForLeaderEpoch", "offset_for_leader_epoch", range(2, 5), range(5), flexible_from=4, listeners=('broker',)),
    Api(24, "AddPartitionsToTxn", "add_partitions_to_txn", range(6), range(6), flexible_from=3, listeners=('broker',)),
    Api(25, "AddOffsetsToTxn", "add_offsets_to_txn", range(5), range(5), flexible_from=3, listeners=('broker',)),
    Api(26, "EndTxn", "end_txn", range(6), range(5), flexible_from=3, listeners=('broker',)),
    Api(27, "WriteTxnMarkers", "write_txn_markers", range(1, 3), range(2), flexible_from=1, listeners=('broker',)),
    Api(28, "TxnOffsetCommit", "txn_offset_commit", range(6), range(5), flexible_from=3, listeners=('broker',)),
    Api(29, "DescribeAcls", "describe_acls", range(1, 4), range(4), flexible_from=2, listeners=('broker', 'controller')),
    Api(30, "CreateAcls", "create_acls", range(1, 4), range(4), flexible_from=2, listeners=('broker', 'controller')),
    Api(31, "DeleteAcls", "delete_acls", range(1, 4), range(4), flexible_from=2, listeners=('broker', 'controller')),
    Api(32, "DescribeConfigs", "describe_configs", range(1, 5), range(5), flexible_from=4, listeners=('broker', 'controller')),
    Api(33, "AlterConfigs", "alter_configs", range(3), range(3), flexible_from=2, listeners=('broker', 'controller')),
    Api(34, "AlterReplicaLogDirs", "alter_replica_log_dirs", range(1, 3), range(3), flexible_from=2, listeners=('broker',)),
    Api(35, "DescribeLogDirs", "describe_log_dirs", range(1, 6), range(5), flexible_from=2, listeners=('broker',)),
    Api(36, "SaslAuthenticate", "sasl_authenticate", range(3), range(3), flexible_from=2, listeners=('broker', 'controller')),
    Api(37, "CreatePartitions", "create_partitions", range(4), range(4), flexible_from=2, listeners=('broker', 'controller')),
    Api(38, "CreateDelegationToken", "create_delegation_token", range(1, 4), range(4), flexible_from=2, listeners=('broker', 'controller')),
    Api(39, "RenewDelegationToken", "renew_delegation_token", range(1, 3), range(3), flexible_from=2, listeners=('broker', 'controller')),
    Api(40, "ExpireDelegationToken", "expire_delegation_token", range(1, 3), range(3), flexible_from=2, listeners=('broker', 'controller')),
    Api(41, "DescribeDelegationToken", "describe_delegation_token", range(1, 4), range(4), flexible_from=2, listeners=('broker', 'controller')),
    Api(42, "DeleteGroups", "delete_groups", range(3), range(3), flexible_from=2, listeners=('broker',)),
    Api(43, "ElectLeaders", "elect_leaders", range(3), range(3), flexible_from=2, listeners=('broker', 'controller')),
    Api(44, "IncrementalAlterConfigs", "incremental_alter_configs", range(2), range(2), flexible_from=1, listeners=('broker', 'controller')),
    Api(45, "AlterPartitionReassignments", "alter_partition_reassignments", range(2), range(1), flexible_from=0, listeners=('broker', 'controller')),
    Api(46, "ListPartitionReassignments", "list_partition_reassignments", range(1), range(1), flexible_from=0, listeners=('broker', 'controller')),
    Api(47, "OffsetDelete", "offset_delete", range(1), range(1), flexible_from=None, listeners=('broker',)),
    Api(48, "DescribeClientQuotas", "describe_client_quotas", range(2), range(2), flexible_from=1, listeners=('broker',)),
    Api(49, "AlterClientQuotas", "alter_client_quotas", range(2), range(2), flexible_from=1, listeners=('broker', 'controller')),
    Api(50, "DescribeUserScramCredentials", "describe_user_scram_credentials", range(1), range(1), flexible_from=0, listeners=('broker', 'controller')),
    Api(51, "AlterUserScramCredentials", "alter_user_scram_credentials", range(1), range(1), flexible_from=0, listeners=('broker', 'controller')),
    Api(52, "Vote", "vote", range(3), range(2), flexible_from=0, listeners=('controller',)),
    Api(53, "BeginQuorumEpoch", "begin_quorum_epoch", range(2), range(2), flexible_from=1, listeners=('controller',)),
    Api(54, "EndQuorumEpoch", "end_quorum_epoch", range(2), range(2), flexible_from=1, listeners=('controller',)),
    Api(55, "DescribeQuorum", "describe_quorum", range(3), range(3), flexible_from=0, listeners=('broker', 'controller')),
    Api(56, "AlterPartition", "alter_partition", range(2, 4), range(4), flexible_from=0, listeners=('controller',)),
    Api(57, "UpdateFeatures", "update_features", range(3), range(2), flexible_from=0, listeners=('broker', 'controller')),
    Api(58, "Envelope", "envelope", range(1), range(1), flexible_from=0, listeners=('controller',)),
    Api(59, "FetchSnapshot", "fetch_snapshot", range(2), range(2), flexible_from=0, listeners=('controller',)),
    Api(60, "DescribeCluster", "describe_cluster", range(3), range(2), flexible_from=0, listeners=('broker', 'controller')),
    Api(61, "DescribeProducers", "describe_producers", range(1), range(1), flexible_from=0, listeners=('broker',)),
    Api(62, "BrokerRegistration", "broker_registration", range(5), range(5), flexible_from=0, listeners=('controller',)),
    Api(63, "BrokerHeartbeat", "broker_heartbeat", range(3), range(2), flexible_from=0, listeners=('controller',)),
    Api(64, "UnregisterBroker", "unregister_broker", range(1), range(1), flexible_from=0, listeners=('broker', 'controller')),
    Api(65, "DescribeTransactions", "describe_transactions", range(1), range(1), flexible_from=0, listeners=('broker',)),
    Api(66, "ListTransactions", "list_transactions", range(3), range(2), flexible_from=0, listeners=('broker',)),
    Api(67, "AllocateProducerIds", "allocate_producer_ids", range(1), range(1), flexible_from=0, listeners=('controller',)),
    Api(68, "ConsumerGroupHeartbeat", "consumer_group_heartbeat", range(2), range(1), flexible_from=0, listeners=('broker',)),
    Api(69, "ConsumerGroupDescribe", "consumer_group_describe", range(2), range(1), flexible_from=0, listeners=('broker',)),
    Api(70, "ControllerRegistration", "controller_registration", range(1), range(1), flexible_from=0, listeners=('controller',)),
    Api(71, "GetTelemetrySubscriptions", "get_telemetry_subscriptions", range(1), range(1), flexible_from=0, listeners=('broker',)),
    Api(72, "PushTelemetry", "push_telemetry", range(1), range(1), flexible_from=0, listeners=('broker',)),
    Api(73, "AssignReplicasToDirs", "assign_replicas_to_dirs", range(1), range(1), flexible_from=0, listeners=('controller',)),
    Api(74, "ListConfigResources", "list_config_resources", range(2), range(1), flexible_from=0, listeners=('broker',)),
    Api(75, "DescribeTopicPartitions", "describe_topic_partitions", range(1), range(1), flexible_from=0, listeners=('broker',)),
    Api(76, "ShareGroupHeartbeat", "share_group_heartbeat", range(1, 2), range(0), flexible_from=0, listeners=('broker',)),
    Api(77, "ShareGroupDescribe", "share_group_describe", range(1, 2), range(0), flexible_from=0, listeners=('broker',)),
    Api(78, "ShareFetch", "share_fetch", range(1, 3), range(0), flexible_from=0, listeners=('broker',)),
    Api(79, "ShareAcknowledge", "share_acknowledge", range(1, 3), range(0), flexible_from=0, listeners=('broker',)),
    Api(80, "AddRaftVoter", "add_raft_voter", range(2), range(1), flexible_from=0, listeners=('controller', 'broker')),
    Api(81, "RemoveRaftVoter", "remove_raft_voter", range(1), range(1), flexible_from=0, listeners=('controller', 'broker')),
    Api(82, "UpdateRaftVoter", "update_raft_voter", range(1), range(1), flexible_from=0, listeners=('controller',)),
    Api(83, "InitializeShareGroupState", "initialize_share_group_state", range(1), range(0), flexible_from=0, listeners=('broker',)),
    Api(84, "ReadShareGroupState", "read_share_group_state", range(1), range(0), flexible_from=0, listeners=('broker',)),
    Api(85, "WriteShareGroupState", "write_share_group_state", range(2), range(0), flexible_from=0, listeners=('broker',)),
    Api(86, "DeleteShareGroupState", "delete_share_group_state", range(1), range(0), flexible_from=0, listeners=('broker',)),
    Api(87, "ReadShareGroupStateSummary", "read_share_group_state_summary", range(2), range(0), flexible_from=0, listeners=('broker',)),
    Api(88, "StreamsGroupHeartbeat", "streams_group_heartbeat", range(1), range(0), flexible_from=0, listeners=('broker',)),
    Api(89, "StreamsGroupDescribe", "streams_group_describe", range(1), range(0), flexible_from=0, listeners=('broker',)),
    Api(90, "DescribeShareGroupOffsets", "describe_share_group_offsets", range(2), range(0), flexible_from=0, listeners=('broker',)),
    Api(91, "AlterShareGroupOffsets", "alter_share_group_offsets", range(1), range(0), flexible_from=0, listeners=('broker',)),
    Api(92, "DeleteShareGroupOffsets", "delete_share_group_offsets", range(1), range(0), flexible_from=0, listeners=('broker',)),
)
# fmt: on

BY_KEY: dict[int, Api] = {api.key: api for api in APIS}
BY_NAME: dict[str, Api] = {api.name: api for api in APIS}
