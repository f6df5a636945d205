"""The controller: events in, records of the metadata log and results out.

It reads the image and changes nothing: whoever asked commits the records (`MetadataLog.commit`) and then answers with
the results. Source: org.apache.kafka.controller.QuorumController.

Other changes need nothing but the image: `elections.py`, `alter_configs.py`, `update_features.py`,
`alter_client_quotas.py` and `alter_scram.py` yield their records.

Left out: heartbeats and fencing, reassignments that move replicas.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from random import randrange
from typing import TYPE_CHECKING, Final, Generic, Protocol, TypeVar

from ...wire.declare import Message
from ...wire.errors import ErrorCode, KafkaError
from ...wire.log_records.metadata_cluster import (
    AbortTransactionRecord,
    BeginTransactionRecord,
    BrokerEndpoint,
    BrokerFeature,
    BrokerRegistrationChangeRecord,
    EndTransactionRecord,
    FeatureLevelRecord,
    RegisterBrokerRecord,
)
from ...wire.log_records.metadata_topics import PartitionChangeRecord, ProducerIdsRecord
from ...wire.messages.create_topics import CreatableTopic, CreatableTopicConfigs, CreatableTopicResult
from ...wire.messages.delete_topics import DeletableTopicResult, DeleteTopicState
from ..features import FINALIZED_AT_FIRST, METADATA_VERSION, SUPPORTED_FEATURES, feature_records
from .create_topics import MAX_RECORDS_PER_REQUEST, TopicRules, create_topics
from .delete_topics import delete_topics
from .image import NO_LEADER, Catalogue, Endpoint, PartitionImage, TopicImage, is_online
from .record_versions import DIRECTORIES_FROM, LATEST_LEVEL, TRANSACTIONS_FROM
from .uuids import random_uuid

if TYPE_CHECKING:
    from ...wire.messages.create_partitions import CreatePartitionsTopic, CreatePartitionsTopicResult

#: ProducerIdsBlock.PRODUCER_ID_BLOCK_SIZE
PRODUCER_ID_BLOCK_SIZE: Final = 1000
_MAX_INT64: Final = (1 << 63) - 1
#: BrokerRegistrationFencingChange.UNFENCE
_UNFENCE: Final = -1

T = TypeVar("T", covariant=True)


@dataclass(frozen=True, slots=True)
class Change(Generic[T]):
    """`records`: to be committed as one batch; `results`: what to answer when they are."""

    records: list[Message]
    results: T


@dataclass(frozen=True, slots=True)
class Registration:
    """A broker that comes up. `endpoints` by listener name; `log_dirs`: directory ids of 16 bytes."""

    node_id: int
    endpoints: Mapping[str, Endpoint]
    rack: str | None
    log_dirs: Sequence[bytes]


class Settings(Protocol):
    """The broker's config: typed values by Kafka's key."""

    def get(self, key: str) -> int | bool: ...


class Controller:
    """`config_error` and `describe_configs`: see TopicRules; `random_start`: a random non-negative number below its
    argument; `new_uuid`: 16 random bytes."""

    def __init__(
        self,
        catalogue: Catalogue,
        config: Settings,
        config_error: Callable[[Mapping[str, str]], str | None],
        describe_configs: Callable[[Mapping[str, str]], list[CreatableTopicConfigs]],
        random_start: Callable[[int], int] = randrange,
        new_uuid: Callable[[], bytes] = random_uuid,
    ) -> None:
        self.catalogue = catalogue
        self._config = config
        self._config_error = config_error
        self._describe_configs = describe_configs
        self._random_start = random_start
        self._new_uuid = new_uuid

    # --- brokers ---------------------------------------------------------------------------------------------------

    def bootstrap(self, formatted: Sequence[Message] = ()) -> list[Message]:
        """What the log of a new cluster begins with; in an old one the end of a transaction left open.

        `formatted`: what its folder was formatted with (`bootstrap.py`); empty for the levels of a new klamm.
        """
        if self.catalogue.in_transaction:
            return [AbortTransactionRecord(reason="the controller was replaced")]
        if METADATA_VERSION in self.catalogue.finalized_features:
            return []
        records = list(formatted) or feature_records(FINALIZED_AT_FIRST)
        level = next(
            (
                record.feature_level
                for record in records
                if isinstance(record, FeatureLevelRecord) and record.name == METADATA_VERSION
            ),
            LATEST_LEVEL,
        )
        if level < TRANSACTIONS_FROM:
            return records
        return [BeginTransactionRecord(name="Bootstrap records"), *records, EndTransactionRecord()]

    def register_broker(self, broker: Registration) -> list[Message]:
        """A broker registers and is unfenced at once. Its records must be the next of the log: their offset is the
        broker's epoch."""
        epoch = self.catalogue.metadata_offset + 1
        return [
            RegisterBrokerRecord(
                broker_id=broker.node_id,
                incarnation_id=self._new_uuid(),
                broker_epoch=epoch,
                end_points=[
                    BrokerEndpoint(
                        name=name, host=found.host, port=found.port, security_protocol=found.security_protocol
                    )
                    for name, found in broker.endpoints.items()
                ],
                features=[
                    BrokerFeature(name=name, min_supported_version=low, max_supported_version=high)
                    for name, (low, high) in SUPPORTED_FEATURES.items()
                ],
                rack=broker.rack,
                fenced=True,
                log_dirs=list(broker.log_dirs),
            ),
            BrokerRegistrationChangeRecord(broker_id=broker.node_id, broker_epoch=epoch, fenced=_UNFENCE),
        ]

    def elect_leaders(self, node_id: int, *, new_epochs: bool) -> Iterator[list[Message]]:
        """Make a broker that came up the leader of what has none and may be led by it, in batches to be committed one
        by one.

        `new_epochs`: also open a new leader epoch for what it leads already. A broker that was killed with its machine
        may have lost the end of its logs and will write other records at the same offsets; those who read the lost
        ones find out by the leader epoch (KIP-320). Kafka opens new epochs at every start of a broker.
        """
        changes: Iterator[Message] = (
            _election(topic.topic_id, partition, node_id)
            for topic in list(self.catalogue.topics.values())
            for partition in list(topic.partitions.values())
            if self._is_online(partition, node_id)
            and (
                (new_epochs and partition.leader == node_id)
                or (partition.leader == NO_LEADER and node_id in (partition.isr or partition.replicas))
            )
        )
        yield from _batches(changes)

    # --- log dirs (KIP-858) ----------------------------------------------------------------------------------------

    def log_dirs_left(self, node_id: int, directory_ids: Sequence[bytes]) -> Iterator[list[Message]]:
        """A broker has only these of its log dirs left: partitions that it leads in others lose their leader."""
        broker = self.catalogue.brokers[node_id]
        yield from self.unled(node_id, directory_ids)
        if self._knows_directories and set(directory_ids) != set(broker.log_dirs):
            yield [
                BrokerRegistrationChangeRecord(
                    broker_id=node_id, broker_epoch=broker.epoch, log_dirs=list(directory_ids)
                )
            ]

    def unled(self, node_id: int, directory_ids: Collection[bytes]) -> Iterator[list[Message]]:
        """The partitions that a broker leads, and that lie in none of these of its log dirs, have no leader."""
        changes: Iterator[Message] = (
            PartitionChangeRecord(partition_id=partition.index, topic_id=topic.topic_id, leader=NO_LEADER)
            for topic in list(self.catalogue.topics.values())
            for partition in list(topic.partitions.values())
            if partition.leader == node_id and not is_online(partition, node_id, directory_ids)
        )
        yield from _batches(changes)

    def assign_directory(
        self, topic: TopicImage, partition: PartitionImage, node_id: int, directory_id: bytes
    ) -> list[Message]:
        """A broker says which of its log dirs a partition lies in; where metadata.version has no room for it nothing
        is written."""
        if not self._knows_directories:
            return []
        directories = [
            directory_id if replica == node_id else known
            for replica, known in zip(partition.replicas, partition.directories, strict=True)
        ]
        return [PartitionChangeRecord(partition_id=partition.index, topic_id=topic.topic_id, directories=directories)]

    def raise_leader_epoch(self, topic: TopicImage, partition: PartitionImage, epoch: int) -> list[Message]:
        """The partition as it is, in this leader epoch or, if that is lower, the one it is in.

        A PartitionChangeRecord opens the next epoch and no other, so the partition is told anew as a whole.
        """
        if epoch <= partition.leader_epoch:
            return []
        from .image_records import partition_record

        after = replace(partition, leader_epoch=epoch, partition_epoch=partition.partition_epoch + 1)
        return [partition_record(topic.topic_id, after)]

    def found_logs(self, node_id: int, found: Iterable[tuple[str, int, bytes]]) -> Iterator[list[Message]]:
        """A broker that came up says where logs lie: (topic, partition, directory id); of what is known nothing is
        written."""

        def changes() -> Iterator[Message]:
            for name, index, directory_id in found:
                topic = self.catalogue.topic(name)
                partition = topic.partitions.get(index) if topic is not None else None
                if topic is None or partition is None or node_id not in partition.replicas:
                    continue
                if partition.directories[partition.replicas.index(node_id)] != directory_id:
                    yield from self.assign_directory(topic, partition, node_id, directory_id)

        yield from _batches(changes())

    @property
    def _knows_directories(self) -> bool:
        return self.catalogue.metadata_version >= DIRECTORIES_FROM

    def _is_online(self, partition: PartitionImage, node_id: int) -> bool:
        broker = self.catalogue.brokers.get(node_id)
        return broker is not None and is_online(partition, node_id, broker.log_dirs)

    # --- topics ----------------------------------------------------------------------------------------------------

    def create_topics(
        self, topics: Sequence[CreatableTopic], *, validate_only: bool = False, describe: bool = True
    ) -> Change[list[CreatableTopicResult]]:
        """`validate_only`: all is checked and nothing changed; `describe`: the results list the topics' configs."""
        rules = TopicRules(
            num_partitions=self._config.get("num.partitions"),
            replication_factor=self._config.get("default.replication.factor"),
            config_error=self._config_error,
            describe_configs=self._describe_configs if describe else lambda _: [],
            start=self._start,
            new_id=self._new_topic_id,
        )
        records, results = create_topics(self.catalogue, topics, rules)
        return Change([] if validate_only else records, results)

    def delete_topics(self, topics: Sequence[DeleteTopicState]) -> Change[list[DeletableTopicResult]]:
        """Delete topics by name or id, whether or not delete.topic.enable says so: that is the handler's business."""
        return Change(*delete_topics(self.catalogue, topics))

    def create_partitions(
        self, topics: Sequence[CreatePartitionsTopic], *, validate_only: bool = False
    ) -> Change[list[CreatePartitionsTopicResult]]:
        """Give topics more partitions."""
        from .create_partitions import create_partitions  # what a start does not need it does not load

        records, results = create_partitions(self.catalogue, topics, self._start)
        return Change([] if validate_only else records, results)

    def _start(self) -> int:
        return self._random_start(max(len(self.catalogue.brokers), 1))

    def _new_topic_id(self) -> bytes:
        while True:
            topic_id = self._new_uuid()
            if self.catalogue.topic_by_id(topic_id) is None:
                return topic_id

    # --- producer ids ----------------------------------------------------------------------------------------------

    def allocate_producer_ids(self, node_id: int) -> Change[range]:
        """The next block of producer ids for a broker. Raises KafkaError when there are no more."""
        first = self.catalogue.next_producer_id
        if first > _MAX_INT64 - PRODUCER_ID_BLOCK_SIZE:
            raise KafkaError(ErrorCode.UNKNOWN_SERVER_ERROR, f"Exhausted all producerIds as the next block is {first}")
        block = range(first, first + PRODUCER_ID_BLOCK_SIZE)
        broker = self.catalogue.brokers.get(node_id)
        record = ProducerIdsRecord(
            broker_id=node_id,
            broker_epoch=broker.epoch if broker else -1,
            next_producer_id=block.stop,
        )
        return Change([record], block)


def _batches(changes: Iterator[Message]) -> Iterator[list[Message]]:
    while batch := list(islice(changes, MAX_RECORDS_PER_REQUEST)):
        yield batch


def _election(topic_id: bytes, partition: PartitionImage, node_id: int) -> PartitionChangeRecord:
    return PartitionChangeRecord(
        partition_id=partition.index,
        topic_id=topic_id,
        isr=None if partition.isr else [node_id],
        leader=node_id,
        eligible_leader_replicas=[] if partition.eligible_leader_replicas else None,
        last_known_elr=[] if partition.last_known_elr else None,
    )
