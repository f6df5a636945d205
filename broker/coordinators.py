"""The group coordinator as the broker runs it: shards over the partitions of `__consumer_offsets`.

Source: org.apache.kafka.coordinator.group.GroupCoordinatorService.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import uuid4

from ..coordinator import records
from ..coordinator.responses import error_response
from ..coordinator.settings import GroupSettings
from ..coordinator.shard import Shard
from ..coordinator.turn import Effects, Reply, Request
from ..storage.checks import Origin
from ..storage.pending import Pending
from ..wire.batches import NO_PRODUCER_EPOCH, NO_PRODUCER_ID, BatchHeader
from ..wire.compression import Codec
from ..wire.errors import ErrorCode, KafkaError
from ..wire.records import CONTROL_COMMIT, Record, decode_end_txn_marker, encode_batch
from .cluster_view import CatalogueView
from .config.consumer_groups import assignors
from .context import RequestContext
from .metadata.image import BROKER_RESOURCE
from .metadata.topic_names import GROUP_METADATA_TOPIC
from .shard_runtime import LoadedShard, ShardRuntime

if TYPE_CHECKING:
    from .broker import Broker
    from .config import Config
    from .metadata.image import Delta
    from .partition import Partition

R = TypeVar("R")


class Coordinators(ShardRuntime[Shard, Effects]):
    """All group shards that this broker leads."""

    topic = GROUP_METADATA_TOPIC

    def __init__(self, broker: Broker) -> None:
        super().__init__(broker)
        self._settings = settings_from(broker.config)
        self._codec = Codec(broker.config.get("offsets.topic.compression.codec"))
        self._cluster = CatalogueView(broker.catalogue)

    def start(self) -> None:
        """Load the shards that have data soon, so that the sessions of their members run."""
        self._cluster.start()
        super().start()

    # --- requests -------------------------------------------------------------------------------------------------

    def ensure_topic(self) -> int:
        """How many partitions `__consumer_offsets` has; it is created if need be. Raises KafkaError."""
        broker = self._broker
        image = broker.catalogue.topic(GROUP_METADATA_TOPIC)
        if image is not None:
            return len(image.partitions)
        count: int = broker.config.get("offsets.topic.num.partitions")
        configs = {
            "cleanup.policy": "compact",
            "compression.type": "producer",
            "segment.bytes": str(broker.config.get("offsets.topic.segment.bytes")),
        }
        broker.create_internal_topic(GROUP_METADATA_TOPIC, count, configs)
        return count

    def serves_consumer_groups(self) -> bool:
        """Whether groups of KIP-848 are served: group.version and group.coordinator.rebalance.protocols say so."""
        is_finalized = self._broker.catalogue.finalized_features.get("group.version", 0) > 0
        return is_finalized and "consumer" in self._broker.config.get("group.coordinator.rebalance.protocols")

    def submit(self, group_id: str, message: Any, context: RequestContext) -> Any:
        """Give a group's request to its shard: the response, or a Pending of it."""
        return self.submit_to(self.partition_of(group_id), message, context)

    def submit_to(self, index: int, message: Any, context: RequestContext) -> Any:
        """The same for a shard by its partition. A shard that cannot answer does so with the API's own error."""
        pending: Pending[Any] = Pending()
        request = Request(pending, context.api_version, context.client_id or "", context.client_host, message)
        found = self._shards.get(index) or self._find(index)
        if found is None:
            return error_response(request, ErrorCode.NOT_COORDINATOR)
        if found.loading is not None:
            return error_response(request, ErrorCode.COORDINATOR_LOAD_IN_PROGRESS)
        self._apply(found, found.shard.handle(request, context.now_ms), context.now_ms)
        self._arm(found)
        return pending.result() if pending.done else pending

    def write_end_marker(
        self, index: int, batch: bytes, producer_id: int, commit: bool, transaction_version: int, now_ms: int
    ) -> None:
        """Ends a transaction in a partition of the topic: its offsets count from now on, or are forgotten.

        Raises KafkaError; NOT_COORDINATOR and COORDINATOR_LOAD_IN_PROGRESS are for a later try.
        """
        found = self._shards.get(index) or self._find(index)
        if found is None:
            raise KafkaError(ErrorCode.NOT_COORDINATOR)
        if found.loading is not None:
            raise KafkaError(ErrorCode.COORDINATOR_LOAD_IN_PROGRESS)
        found.partition.append(batch, now_ms, Origin.COORDINATOR, transaction_version)
        found.shard.end_transaction(producer_id, commit)

    # --- what the runtime asks ------------------------------------------------------------------------------------

    def _new_shard(self, partition: Partition) -> Shard:
        return Shard(self._settings, lambda: str(uuid4()), self._cluster)

    def _batch(self, effects: Effects, now_ms: int) -> bytes | None:
        if not effects.records:
            return None
        producer_id, producer_epoch = effects.producer or (NO_PRODUCER_ID, NO_PRODUCER_EPOCH)
        return encode_batch(
            (Record(*records.to_bytes(record), timestamp_ms=now_ms) for record in effects.records),
            codec=self._codec,
            producer_id=producer_id,
            producer_epoch=producer_epoch,
            transactional=effects.producer is not None,
        )

    def _replay(self, shard: Shard, effects: Effects, base_offset: int) -> None:
        producer_id = effects.producer[0] if effects.producer is not None else NO_PRODUCER_ID
        for offset, record in enumerate(effects.records, base_offset):
            shard.replay(record, offset, producer_id)

    def _replay_stored(self, shard: Shard, header: BatchHeader, records_: Iterator[Record]) -> None:
        if header.is_control:
            for raw in records_:
                marker = decode_end_txn_marker(raw)
                if marker is not None:
                    shard.end_transaction(header.producer_id, marker[0] == CONTROL_COMMIT)
            return
        producer_id = header.producer_id if header.is_transactional else NO_PRODUCER_ID
        for raw in records_:
            record = records.from_bytes(raw.key or b"", raw.value)
            if record is not None:
                shard.replay(record, raw.offset, producer_id)

    def _release(self, found: LoadedShard[Shard, Effects], effects: Effects) -> None:
        _deliver(effects.replies)

    def _refuse(self, effects: Effects, error: ErrorCode) -> None:
        _deliver([Reply(request, error_response(request, error)) for request, _ in effects.replies])

    def _unload(self, found: LoadedShard[Shard, Effects]) -> None:
        _deliver(found.shard.unload())

    def _topic_deleted(self, found: LoadedShard[Shard, Effects], topic: str, now_ms: int) -> None:
        self._apply_all(found, found.shard.topic_deleted(topic, now_ms), now_ms)

    def _on_delta(self, delta: Delta) -> None:
        """Groups see the topics as they are now, and offsets of deleted topics are deleted."""
        self._cluster.on_delta(delta)
        if any(kind == BROKER_RESOURCE for kind, _ in delta.changed_configs):
            self._settings = settings_from(self._broker.config)
            for found in self._shards.values():
                found.shard.settings = self._settings
        super()._on_delta(delta)


def settings_from(config: Config) -> GroupSettings:
    """The limits of groups from the broker's config."""
    get = config.get
    return GroupSettings(
        initial_rebalance_delay_ms=get("group.initial.rebalance.delay.ms"),
        min_session_timeout_ms=get("group.min.session.timeout.ms"),
        max_session_timeout_ms=get("group.max.session.timeout.ms"),
        max_size=get("group.max.size"),
        offset_metadata_max_bytes=get("offset.metadata.max.bytes"),
        offsets_retention_ms=get("offsets.retention.minutes") * 60_000,
        offsets_retention_check_interval_ms=get("offsets.retention.check.interval.ms"),
        consumer_session_timeout_ms=get("group.consumer.session.timeout.ms"),
        consumer_heartbeat_interval_ms=get("group.consumer.heartbeat.interval.ms"),
        consumer_max_size=get("group.consumer.max.size"),
        consumer_assignors=assignors(config),
        consumer_migration_policy=get("group.consumer.migration.policy"),
        consumer_assignment_interval_ms=get("group.consumer.assignment.interval.ms"),
        consumer_regex_refresh_interval_ms=get("group.consumer.regex.refresh.interval.ms"),
    )


def gather(parts: list[Any], combine: Callable[[list[Any]], R]) -> R | Pending[R]:
    """`combine` of all parts in their order; a Pending of it while any part is one."""
    open_parts = [part for part in parts if isinstance(part, Pending)]
    if not open_parts:
        return combine(parts)
    combined: Pending[R] = Pending()
    left = len(open_parts)

    def one_done(_: Pending[Any]) -> None:
        nonlocal left
        left -= 1
        if not left:
            combined.complete(combine([part.result() if isinstance(part, Pending) else part for part in parts]))

    for part in open_parts:
        part.add_callback(one_done)
    return combined


def _deliver(replies: list[Reply]) -> None:
    for request, response in replies:
        request.token.complete(response)
