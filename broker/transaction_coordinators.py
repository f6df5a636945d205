"""The transaction coordinator as the broker runs it: shards over the partitions of `__transaction_state`.

What a shard decides is carried out here: end markers go into the partitions of the transaction, those of
`__consumer_offsets` by way of the group coordinator, and the shard is told which have theirs. A partition that cannot
take its marker now is tried again; one that is no more needs none. If the partition knows a later coordinator or
producer (TRANSACTION_COORDINATOR_FENCED, INVALID_PRODUCER_EPOCH), the transaction is another's business by now.
Source: kafka.coordinator.transaction.TransactionMarkerChannelManager, TransactionMarkerRequestCompletionHandler.

Left out: partitions that other brokers lead (WriteTxnMarkers as a client) come with replication.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from ..coordinator.transaction_events import Answer, Asked, Event, Markers, Result, TransactionEffects, refusal
from ..coordinator.transaction_shard import TransactionSettings, TransactionShard
from ..coordinator.transaction_state import TopicPartition, from_bytes, to_bytes
from ..storage.checks import Origin
from ..storage.pending import Pending
from ..wire.batches import BatchHeader
from ..wire.errors import ErrorCode, KafkaError
from ..wire.records import Record, encode_batch, encode_end_txn_marker
from .metadata.topic_names import GROUP_METADATA_TOPIC, TRANSACTION_STATE_TOPIC
from .shard_runtime import LoadedShard, ShardRuntime

if TYPE_CHECKING:
    from .broker import Broker
    from .partition import Partition

log = logging.getLogger("klamm.transactions")

#: When a marker that could not be written is tried again.
MARKER_RETRY_MS: Final = 100

#: Errors of a marker that no later try can mend: the transaction has gone on without this coordinator.
_FENCED: Final = frozenset({ErrorCode.INVALID_PRODUCER_EPOCH, ErrorCode.TRANSACTION_COORDINATOR_FENCED})

_Found = LoadedShard[TransactionShard, TransactionEffects]


class TransactionCoordinators(ShardRuntime[TransactionShard, TransactionEffects]):
    """All transaction shards that this broker leads."""

    topic = TRANSACTION_STATE_TOPIC

    def __init__(self, broker: Broker) -> None:
        super().__init__(broker)
        self._settings = TransactionSettings(
            transactional_id_expiration_ms=broker.config.get("transactional.id.expiration.ms"),
            transaction_version=self.transaction_version,
        )

    def transaction_version(self) -> int:
        """The finalized level of the feature."""
        return self._broker.catalogue.finalized_features.get("transaction.version", 0)

    def ensure_topic(self) -> int:
        """How many partitions `__transaction_state` has; it is created if need be. Raises KafkaError."""
        broker = self._broker
        image = broker.catalogue.topic(self.topic)
        if image is not None:
            return len(image.partitions)
        count: int = broker.config.get("transaction.state.log.num.partitions")
        configs = {
            "cleanup.policy": "compact",
            "compression.type": "uncompressed",
            "min.insync.replicas": str(broker.config.get("transaction.state.log.min.isr")),
            "segment.bytes": str(broker.config.get("transaction.state.log.segment.bytes")),
            "unclean.leader.election.enable": "false",
        }
        broker.create_internal_topic(self.topic, count, configs)
        return count

    def submit(self, transactional_id: str, event: Event) -> Any:
        """Give an event to the shard of its transactional id: the result, or a Pending of it."""
        return self.submit_to(self.partition_of(transactional_id), event)

    def submit_to(self, index: int, event: Event) -> Any:
        """The same for a shard by its partition."""
        found = self._shards.get(index) or self._find(index)
        if found is None:
            return refusal(event, ErrorCode.NOT_COORDINATOR)
        if found.loading is not None:
            return refusal(event, ErrorCode.COORDINATOR_LOAD_IN_PROGRESS)
        pending: Pending[Result] = Pending()
        now_ms = self._broker.now_ms()
        self._apply(found, found.shard.handle(Asked(pending, event), now_ms), now_ms)
        self._arm(found)
        return pending.result() if pending.done else pending

    # --- markers --------------------------------------------------------------------------------------------------

    def write_marker(
        self,
        partition: TopicPartition,
        *,
        producer_id: int,
        producer_epoch: int,
        commit: bool,
        coordinator_epoch: int,
        transaction_version: int,
    ) -> Partition:
        """End a producer's transaction in one partition; the marker is safe when its high watermark has passed it.

        Raises KafkaError, UNKNOWN_TOPIC_OR_PARTITION for one that this broker does not lead.
        """
        broker, (topic, index) = self._broker, partition
        now_ms = broker.now_ms()
        found = broker.partitions.get(topic, index)
        if found is None:
            raise KafkaError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
        batch = encode_end_txn_marker(
            commit=commit,
            producer_id=producer_id,
            producer_epoch=producer_epoch,
            coordinator_epoch=coordinator_epoch,
            timestamp_ms=now_ms,
        )
        if topic == GROUP_METADATA_TOPIC:
            broker.coordinators.write_end_marker(index, batch, producer_id, commit, transaction_version, now_ms)
        else:
            found.append(batch, now_ms, Origin.COORDINATOR, transaction_version)
        return found

    def _write_markers(self, found: _Found, markers: Markers) -> None:
        """Write them all, or as many as will go, and see to the rest later."""
        if self._shards.get(found.partition.index) is not found:
            return  # whoever loads the shard next finds the decision in its log
        opened = self._broker.partitions.when_open(markers.partitions, lambda: None)
        if isinstance(opened, Pending):
            opened.add_callback(lambda _: self._write_markers(found, markers))
            return
        done: set[TopicPartition] = set()
        later: set[TopicPartition] = set()
        for partition in sorted(markers.partitions):
            try:
                marked = self.write_marker(
                    partition,
                    producer_id=markers.producer_id,
                    producer_epoch=markers.producer_epoch,
                    commit=markers.commit,
                    coordinator_epoch=found.partition.leader_epoch,
                    transaction_version=markers.client_version,
                )
            except KafkaError as error:
                (later if self._is_for_later(partition, markers, error) else done).add(partition)
                continue
            end = marked.log.log_end_offset
            if marked.high_watermark >= end:
                done.add(partition)
            else:
                marked.when_high_watermark(end, self._marked_later(found, markers, partition))
        if later:
            rest = markers._replace(partitions=frozenset(later))
            self._broker.timers.call_at(
                self._broker.now_ms() + MARKER_RETRY_MS, lambda: self._write_markers(found, rest)
            )
        if done or not markers.partitions:
            self._marked(found, markers, done)

    def _is_for_later(self, partition: TopicPartition, markers: Markers, error: KafkaError) -> bool:
        topic, index = partition
        image = self._broker.catalogue.topic(topic)
        if image is None or index not in image.partitions:
            return False  # deleted: there is nobody to tell
        if error.code in _FENCED:
            log.warning("%s: marker for %s-%d: %s", markers.transactional_id, topic, index, error)
            return False
        log.info("%s: marker for %s-%d comes later: %s", markers.transactional_id, topic, index, error)
        return True

    def _marked_later(self, found: _Found, markers: Markers, partition: TopicPartition) -> Any:
        def reached(error: KafkaError | None) -> None:
            if error is None:
                self._marked(found, markers, {partition})
            else:
                self._write_markers(found, markers._replace(partitions=frozenset({partition})))

        return reached

    def _marked(self, found: _Found, markers: Markers, partitions: set[TopicPartition]) -> None:
        if self._shards.get(found.partition.index) is found:
            now_ms = self._broker.now_ms()
            self._apply(found, found.shard.markers_written(markers, partitions, now_ms), now_ms)
            self._arm(found)

    # --- what the runtime asks ------------------------------------------------------------------------------------

    def _new_shard(self, partition: Partition) -> TransactionShard:
        return TransactionShard(self._settings, self._broker.producer_ids.next_id)

    def _batch(self, effects: TransactionEffects, now_ms: int) -> bytes | None:
        if not effects.records:
            return None
        value_version = 1 if self.transaction_version() else 0
        return encode_batch(Record(*to_bytes(record, value_version), timestamp_ms=now_ms) for record in effects.records)

    def _replay(self, shard: TransactionShard, effects: TransactionEffects, base_offset: int) -> None:
        for record in effects.records:
            shard.replay(record)

    def _replay_stored(self, shard: TransactionShard, header: BatchHeader, records: Iterator[Record]) -> None:
        if not header.is_control:
            for raw in records:
                record = from_bytes(raw.key or b"", raw.value)
                if record is not None:
                    shard.replay(record)

    def _release(self, found: _Found, effects: TransactionEffects) -> None:
        _give(effects.answers)
        for markers in effects.markers:
            self._write_markers(found, markers)

    def _refuse(self, effects: TransactionEffects, error: ErrorCode) -> None:
        _give([Answer(asked, refusal(asked.event, error)) for asked, _ in effects.answers])


def _give(answers: list[Answer]) -> None:
    for asked, result in answers:
        asked.token.complete(result)
