"""What the records of `__cluster_metadata-0` add up to: brokers, topics, partitions, configs, features, producer ids,
client quotas, SCRAM credentials.

`Catalogue.replay` is the only thing that changes it. Readers may keep a TopicImage; a PartitionImage is never changed
but replaced, so that one that was kept tells what was. Source: org.apache.kafka.image.MetadataImage.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from typing import Any, Final, NamedTuple

from ...wire.declare import Message
from ...wire.errors import ErrorCode, KafkaError
from ...wire.log_records import metadata_cluster as cluster
from ...wire.log_records import metadata_security as security
from ...wire.log_records import metadata_topics as topics
from ...wire.log_records.control import KRaftVersionRecord, VotersRecord, VotersRecordVoter
from ..features import KRAFT_VERSION, METADATA_VERSION
from .client_quotas import ClientQuotas
from .record_versions import LATEST_LEVEL
from .scram import ScramCredentials
from .topic_names import INTERNAL_TOPICS, collision_key
from .uuids import NO_DIRECTORY

#: org.apache.kafka.common.config.ConfigResource.Type
TOPIC_RESOURCE: Final = 2
BROKER_RESOURCE: Final = 4
BROKER_LOGGER_RESOURCE: Final = 8
CLIENT_METRICS_RESOURCE: Final = 16
GROUP_RESOURCE: Final = 32

NO_LEADER: Final = -1
#: PartitionChangeRecord.leader: as it was.
_LEADER_UNCHANGED: Final = -2
#: BrokerRegistrationChangeRecord: 0 is "as it was", 1 and -1 set and clear.
_SETS: Final = {1: True, -1: False}
#: What klamm has no use for and does not keep.
_NOT_IN_THE_IMAGE: Final = frozenset({security.AccessControlEntryRecord, security.DelegationTokenRecord})


class Endpoint(NamedTuple):
    """Where a broker is reached on one listener. `security_protocol`: Kafka's id, 0 is PLAINTEXT."""

    host: str
    port: int
    security_protocol: int


class BrokerImage(NamedTuple):
    """A registered broker. `epoch`: the offset of its registration; `log_dirs`: directory ids of 16 bytes;
    `features`: name -> (lowest, highest level)."""

    id: int
    epoch: int
    incarnation_id: bytes
    endpoints: dict[str, Endpoint]
    rack: str | None
    fenced: bool
    in_controlled_shutdown: bool
    log_dirs: tuple[bytes, ...]
    features: dict[str, tuple[int, int]]

    @property
    def is_active(self) -> bool:
        """Whether it may be in an ISR."""
        return not self.fenced and not self.in_controlled_shutdown


@dataclass(slots=True)
class PartitionImage:
    """`leader` is -1 when there is none; `directories`: one id of 16 bytes a replica."""

    index: int
    replicas: list[int]
    isr: list[int]
    leader: int
    leader_epoch: int
    partition_epoch: int
    directories: list[bytes]
    removing_replicas: list[int]
    adding_replicas: list[int]
    leader_recovery_state: int
    eligible_leader_replicas: list[int]
    last_known_elr: list[int]


def is_online(partition: PartitionImage, node_id: int, log_dirs: Collection[bytes]) -> bool:
    """Whether a replica's log dir is one of `log_dirs`, those that its broker has. A replica that no folder was named
    for is (DirectoryId.isOnline)."""
    if node_id not in partition.replicas:
        return False
    directory_id = partition.directories[partition.replicas.index(node_id)]
    return directory_id in log_dirs or directory_id in NO_DIRECTORY


class TopicImage:
    """`topic_id`: 16 bytes; `partitions` by index; `configs`: those set for the topic, as text."""

    __slots__ = ("configs", "is_internal", "name", "partitions", "topic_id")

    def __init__(self, name: str, topic_id: bytes, configs: dict[str, str]) -> None:
        self.name = name
        self.topic_id = topic_id
        self.is_internal = name in INTERNAL_TOPICS
        self.partitions: dict[int, PartitionImage] = {}
        self.configs = configs

    def __repr__(self) -> str:
        return f"TopicImage({self.name!r}, {len(self.partitions)} partitions, {self.configs})"


class Delta:
    """What one batch of records changed.

    `created_partitions`: (topic, partition), those of new topics included; `changed_partitions`: (topic, before,
    after); `deleted_topics`: as they were; `changed_configs`: (resource type, resource name).
    """

    __slots__ = (
        "brokers_changed",
        "changed_configs",
        "changed_partitions",
        "created_partitions",
        "created_topics",
        "deleted_topics",
        "features_changed",
    )

    def __init__(self) -> None:
        self.created_topics: list[TopicImage] = []
        self.deleted_topics: list[TopicImage] = []
        self.created_partitions: list[tuple[TopicImage, PartitionImage]] = []
        self.changed_partitions: list[tuple[TopicImage, PartitionImage, PartitionImage]] = []
        self.changed_configs: set[tuple[int, str]] = set()
        self.brokers_changed = False
        self.features_changed = False


class Catalogue:
    """The image. Empty until records are replayed; `cluster_id` comes from `meta.properties`.

    `metadata_offset`: of the last record replayed, -1 for none; `leader_epoch` and `controller_id`: of the metadata
    log's leader, 0 and -1 for none; `next_producer_id`: the first that no block has; `finalized_features`: name ->
    level, none that is 0; `voters`: the quorum's, where the log names them (kraft.version 1); `in_transaction`: a
    metadata transaction (KIP-868) is open, whose records wait for its end; `is_whole`: nothing was passed over that a
    Kafka would miss.
    """

    def __init__(self, cluster_id: str) -> None:
        self.cluster_id = cluster_id
        self.metadata_offset = -1
        self.leader_epoch = 0
        self.controller_id = -1
        self.topics: dict[str, TopicImage] = {}
        self.brokers: dict[int, BrokerImage] = {}
        self.finalized_features: dict[str, int] = {}
        self.voters: list[VotersRecordVoter] = []
        self.next_producer_id = 0
        self.client_quotas = ClientQuotas()
        self.scram_credentials = ScramCredentials()
        self.in_transaction = False
        self.is_whole = True
        self._by_id: dict[bytes, TopicImage] = {}
        self._configs: dict[tuple[int, str], dict[str, str]] = {}
        self._collisions: dict[str, set[str]] = {}
        self._held_back: list[Message] = []
        self._delta = Delta()
        self._replays: dict[type[Message], Callable[[Any], None]] = {
            topics.TopicRecord: self._topic,
            topics.PartitionRecord: self._partition,
            topics.PartitionChangeRecord: self._partition_change,
            topics.RemoveTopicRecord: self._remove_topic,
            topics.ConfigRecord: self._config,
            topics.ProducerIdsRecord: self._producer_ids,
            security.ClientQuotaRecord: self.client_quotas.replay,
            security.UserScramCredentialRecord: self.scram_credentials.replay,
            security.RemoveUserScramCredentialRecord: self.scram_credentials.replay_removal,
            cluster.FeatureLevelRecord: self._feature_level,
            cluster.RegisterBrokerRecord: self._register_broker,
            cluster.UnregisterBrokerRecord: self._unregister_broker,
            cluster.BrokerRegistrationChangeRecord: self._broker_change,
            cluster.FenceBrokerRecord: self._fence_broker,
            cluster.UnfenceBrokerRecord: self._unfence_broker,
        }

    # --- reading ---------------------------------------------------------------------------------------------------

    @property
    def metadata_version(self) -> int:
        """What its records are written by: the log's level, or that of a new cluster."""
        return self.finalized_features.get(METADATA_VERSION, LATEST_LEVEL)

    def topic(self, name: str) -> TopicImage | None:
        return self.topics.get(name)

    def topic_by_id(self, topic_id: bytes) -> TopicImage | None:
        """`topic_id`: 16 bytes."""
        return self._by_id.get(topic_id)

    def configs(self, resource_type: int, resource_name: str) -> dict[str, str]:
        """The configs set for a resource, as text; not to be changed."""
        return self._configs.get((resource_type, resource_name), {})

    def all_configs(self) -> Iterator[tuple[int, str, dict[str, str]]]:
        """(type, name, configs) of every resource that has some."""
        return ((kind, name, found) for (kind, name), found in self._configs.items() if found)

    def configured(self, resource_type: int) -> list[str]:
        """The names of the resources of this type that have configs."""
        return [name for (kind, name), found in self._configs.items() if kind == resource_type and found]

    def colliding_topic(self, name: str) -> str | None:
        """An existing topic, other in name, whose metrics would have the same names; None if there is none."""
        key = collision_key(name)
        return None if key is None else min(self._collisions.get(key, set()) - {name}, default=None)

    # --- replay ----------------------------------------------------------------------------------------------------

    def replay(self, record: Message) -> None:
        """Apply one record of the log. Raises KafkaError for one that does not fit what is there.

        Records of access control, tokens and controllers are passed over.
        """
        kind = type(record)
        if kind is cluster.BeginTransactionRecord:
            self.in_transaction = True
        elif kind is cluster.EndTransactionRecord or kind is cluster.AbortTransactionRecord:
            held_back, self._held_back = self._held_back, []
            self.in_transaction = False
            if kind is cluster.EndTransactionRecord:
                for held in held_back:
                    self.replay(held)
        elif self.in_transaction:
            self._held_back.append(record)
        else:
            apply = self._replays.get(kind)
            if apply is not None:
                apply(record)
            elif kind in _NOT_IN_THE_IMAGE:
                self.is_whole = False

    def replay_control(self, record: KRaftVersionRecord | VotersRecord) -> None:
        """Apply a control record that says of what kind the quorum is, or who its voters are (KIP-853)."""
        if isinstance(record, VotersRecord):
            self.voters = record.voters
        else:
            self._set_level(KRAFT_VERSION, record.kraft_version)

    def take_delta(self) -> Delta:
        """What was replayed since the last call."""
        delta, self._delta = self._delta, Delta()
        return delta

    def _topic(self, record: topics.TopicRecord) -> None:
        name = record.name
        if name in self.topics:
            raise KafkaError(ErrorCode.TOPIC_ALREADY_EXISTS, f"the metadata log has topic {name} twice")
        configs = self._configs.setdefault((TOPIC_RESOURCE, name), {})
        topic = self.topics[name] = self._by_id[record.topic_id] = TopicImage(name, record.topic_id, configs)
        key = collision_key(name)
        if key is not None:
            self._collisions.setdefault(key, set()).add(name)
        self._delta.created_topics.append(topic)

    def _partition(self, record: topics.PartitionRecord) -> None:
        topic = self._existing(record.topic_id)
        partition = PartitionImage(
            record.partition_id,
            record.replicas,
            record.isr,
            record.leader,
            record.leader_epoch,
            record.partition_epoch,
            record.directories or [bytes(16)] * len(record.replicas),
            record.removing_replicas,
            record.adding_replicas,
            record.leader_recovery_state,
            record.eligible_leader_replicas or [],
            record.last_known_elr or [],
        )
        before = topic.partitions.get(partition.index)
        topic.partitions[partition.index] = partition
        if before is None:
            self._delta.created_partitions.append((topic, partition))
        else:
            self._delta.changed_partitions.append((topic, before, partition))

    def _partition_change(self, record: topics.PartitionChangeRecord) -> None:
        topic = self._existing(record.topic_id)
        before = topic.partitions.get(record.partition_id)
        if before is None:
            raise KafkaError(
                ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
                f"the metadata log changes partition {record.partition_id} of {topic.name}, which it never created",
            )
        changes: dict[str, Any] = {"partition_epoch": before.partition_epoch + 1}
        for name in ("isr", "replicas", "removing_replicas", "adding_replicas", "directories"):
            if (value := getattr(record, name)) is not None:
                changes[name] = value
        for name in ("eligible_leader_replicas", "last_known_elr"):
            if (value := getattr(record, name)) is not None:
                changes[name] = value
        if record.leader != _LEADER_UNCHANGED:
            # Each election, that of the same broker and that of nobody too, opens an epoch.
            changes["leader"] = record.leader
            changes["leader_epoch"] = before.leader_epoch + 1
        if record.leader_recovery_state != -1:
            changes["leader_recovery_state"] = record.leader_recovery_state
        after = topic.partitions[record.partition_id] = replace(before, **changes)
        self._delta.changed_partitions.append((topic, before, after))

    def _remove_topic(self, record: topics.RemoveTopicRecord) -> None:
        topic = self._existing(record.topic_id)
        name = topic.name
        del self.topics[name], self._by_id[record.topic_id]
        self._configs.pop((TOPIC_RESOURCE, name), None)
        key = collision_key(name)
        if key is not None:
            self._collisions[key].discard(name)
            if not self._collisions[key]:
                del self._collisions[key]
        self._delta.deleted_topics.append(topic)

    def _config(self, record: topics.ConfigRecord) -> None:
        resource = (record.resource_type, record.resource_name)
        configs = self._configs.setdefault(resource, {})
        if record.value is None:
            configs.pop(record.name, None)
        else:
            configs[record.name] = record.value
        self._delta.changed_configs.add(resource)

    def _producer_ids(self, record: topics.ProducerIdsRecord) -> None:
        if record.next_producer_id <= self.next_producer_id:
            raise KafkaError(
                ErrorCode.UNKNOWN_SERVER_ERROR,
                f"the metadata log reserves producer ids up to {record.next_producer_id} after {self.next_producer_id}",
            )
        self.next_producer_id = record.next_producer_id

    def _feature_level(self, record: cluster.FeatureLevelRecord) -> None:
        if record.name != KRAFT_VERSION:  # which its own control record sets
            self._set_level(record.name, record.feature_level)

    def _set_level(self, feature: str, level: int) -> None:
        if level == 0:
            self.finalized_features.pop(feature, None)
        else:
            self.finalized_features[feature] = level
        self._delta.features_changed = True

    def _register_broker(self, record: cluster.RegisterBrokerRecord) -> None:
        self._set_broker(
            BrokerImage(
                id=record.broker_id,
                epoch=record.broker_epoch,
                incarnation_id=record.incarnation_id,
                endpoints={
                    found.name: Endpoint(found.host, found.port, found.security_protocol) for found in record.end_points
                },
                rack=record.rack,
                fenced=record.fenced,
                in_controlled_shutdown=record.in_controlled_shutdown,
                log_dirs=tuple(record.log_dirs),
                features={
                    found.name: (found.min_supported_version, found.max_supported_version) for found in record.features
                },
            )
        )

    def _unregister_broker(self, record: cluster.UnregisterBrokerRecord) -> None:
        self.brokers.pop(record.broker_id, None)
        self._delta.brokers_changed = True

    def _broker_change(self, record: cluster.BrokerRegistrationChangeRecord) -> None:
        before = self._broker(record.broker_id)
        self._set_broker(
            before._replace(
                fenced=_SETS.get(record.fenced, before.fenced),
                in_controlled_shutdown=_SETS.get(record.in_controlled_shutdown, before.in_controlled_shutdown),
                log_dirs=tuple(record.log_dirs) or before.log_dirs,
            )
        )

    def _fence_broker(self, record: cluster.FenceBrokerRecord) -> None:
        self._set_broker(self._broker(record.id)._replace(fenced=True))

    def _unfence_broker(self, record: cluster.UnfenceBrokerRecord) -> None:
        self._set_broker(self._broker(record.id)._replace(fenced=False))

    def _broker(self, node_id: int) -> BrokerImage:
        broker = self.brokers.get(node_id)
        if broker is None:
            raise KafkaError(
                ErrorCode.BROKER_ID_NOT_REGISTERED, f"the metadata log changes broker {node_id}, which never registered"
            )
        return broker

    def _set_broker(self, broker: BrokerImage) -> None:
        self.brokers[broker.id] = broker
        self._delta.brokers_changed = True

    def _existing(self, topic_id: bytes) -> TopicImage:
        topic = self._by_id.get(topic_id)
        if topic is None:
            raise KafkaError(ErrorCode.UNKNOWN_TOPIC_ID, f"the metadata log has no topic {topic_id.hex()}")
        return topic
