"""The group coordinator as the broker runs it: shards over the partitions of `__consumer_offsets`.

A shard (`coordinator/shard.py`) says what to write and what to answer; here that is done: records are appended as one
batch and replayed, replies are parked until the high watermark has passed them, one timer a shard wakes what is due.
Shards are read from the log in slices, the small ones at their first touch; until a large one is read its requests
get COORDINATOR_LOAD_IN_PROGRESS. Source: org.apache.kafka.coordinator.common.runtime.CoordinatorRuntime.

Left out: an engine whose append answers later; other brokers as coordinators, and with them the loss of leadership
other than by deletion of the topic, come with replication.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Final, TypeVar
from uuid import uuid4

from ..coordinator import records
from ..coordinator.parking import Parked
from ..coordinator.partitioning import partition_for
from ..coordinator.records import CoordinatorRecord
from ..coordinator.responses import error_response
from ..coordinator.settings import GroupSettings
from ..coordinator.shard import Shard
from ..coordinator.turn import Effects, Reply, Request
from ..storage.checks import Origin
from ..storage.pending import Pending
from ..wire.codec import DecodeError
from ..wire.errors import ErrorCode, KafkaError
from ..wire.records import Record, batch_records, encode_batch, iter_batches
from .cluster_view import CatalogueView
from .config.consumer_groups import assignors
from .context import RequestContext
from .log_reader import read_chunks
from .metadata.image import BROKER_RESOURCE
from .metadata.topic_names import GROUP_METADATA_TOPIC

if TYPE_CHECKING:
    from .broker import Broker
    from .config import Config
    from .metadata.image import Delta
    from .partition import Partition
    from .timers import Timer

log = logging.getLogger("klamm.coordinators")

R = TypeVar("R")

#: What is replayed in one go while a shard is loaded: about 10 ms of commits.
LOAD_SLICE_BYTES: Final = 65_536

#: Failures that are the batch's own; after all others the log is not to be trusted and the shard is read again.
_REFUSED_BATCH: Final = frozenset({ErrorCode.MESSAGE_TOO_LARGE, ErrorCode.RECORD_LIST_TOO_LARGE})


class _LoadedShard:
    """One partition of the topic and its shard. `loading`: replays a slice at each step; None once it is loaded.
    `deleted_topics`: deleted while it was being loaded."""

    __slots__ = ("deleted_topics", "loading", "parked", "partition", "shard", "timer", "waits_for_high_watermark")

    def __init__(self, partition: Partition, shard: Shard) -> None:
        self.partition = partition
        self.shard = shard
        self.parked = Parked()
        self.loading: Iterator[bool] | None = None
        self.deleted_topics: list[str] = []
        self.timer: Timer | None = None
        self.waits_for_high_watermark = False


class Coordinators:
    """All shards that this broker leads, by partition."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._settings = settings_from(broker.config)
        self._cluster = CatalogueView(broker.catalogue)
        self._shards: dict[int, _LoadedShard] = {}
        #: Partitions whose log cannot be replayed: nothing is known of their groups.
        self._failed: set[int] = set()

    def start(self) -> None:
        """Load the shards that have data soon, so that the sessions of their members run."""
        self._cluster.start()
        self._broker.metadata_log.listeners.append(self._on_delta)
        stored = [index for topic, index in self._broker.folder.partitions() if topic == GROUP_METADATA_TOPIC]
        self._load_next(sorted(stored))

    def _load_next(self, indexes: list[int]) -> None:
        """One shard a round, so that a start with many of them goes on answering."""
        if indexes:
            self._find(indexes[0])
            self._broker.reactor.soon(lambda: self._load_next(indexes[1:]))

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

    def partition_of(self, group_id: str) -> int:
        """The partition that a group belongs to; -1 while there is no topic."""
        image = self._broker.catalogue.topic(GROUP_METADATA_TOPIC)
        return -1 if image is None else partition_for(group_id, len(image.partitions))

    def partitions(self) -> list[int]:
        """The shards that may have groups."""
        return sorted({*self._shards, *self._failed})

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

    # --- one step of a shard --------------------------------------------------------------------------------------

    def _apply(self, found: _LoadedShard, effects: Effects, now_ms: int) -> None:
        """Append, replay, park."""
        partition = found.partition
        if effects.records:
            try:
                partition.append(_batch(effects.records, now_ms), now_ms, Origin.COORDINATOR)
            except KafkaError as error:
                self._append_failed(found, effects, error, now_ms)
                return
            for record in effects.records:
                found.shard.replay(record)
        if not effects.replies:
            return
        end = partition.log.log_end_offset
        if not found.parked and partition.high_watermark >= end:
            _deliver(effects.replies)
            return
        for reply in effects.replies:
            found.parked.park(end, reply)
        self._watch(found)

    def _append_failed(self, found: _LoadedShard, effects: Effects, error: KafkaError, now_ms: int) -> None:
        log.warning("%s-%d: append failed: %s", GROUP_METADATA_TOPIC, found.partition.index, error)
        self._apply(found, found.shard.append_failed(effects, error.code, now_ms), now_ms)
        if error.code not in _REFUSED_BATCH:
            self._drop(found)

    def _watch(self, found: _LoadedShard) -> None:
        """Have the parked replies sent when the high watermark reaches the first of them."""
        offset = found.parked.next_offset()
        if offset is None or found.waits_for_high_watermark:
            return
        found.waits_for_high_watermark = True

        def reached(error: KafkaError | None) -> None:
            found.waits_for_high_watermark = False
            if error is not None:
                self._drop(found)
                return
            _deliver(found.parked.take(found.partition.high_watermark))
            self._watch(found)

        found.partition.when_high_watermark(offset, reached)

    def _arm(self, found: _LoadedShard) -> None:
        """One timer a shard, for the first of its deadlines."""
        if self._shards.get(found.partition.index) is not found:
            return
        deadline_ms = found.shard.next_deadline_ms()
        timer = found.timer
        if timer is not None:
            if timer.deadline_ms == deadline_ms:
                return
            timer.cancel()
        found.timer = None
        if deadline_ms is not None:
            found.timer = self._broker.timers.call_at(deadline_ms, lambda: self._tick(found))

    def _tick(self, found: _LoadedShard) -> None:
        found.timer = None
        now_ms = self._broker.now_ms()
        for effects in found.shard.tick(now_ms):
            self._apply(found, effects, now_ms)
        self._arm(found)

    # --- loading and dropping -------------------------------------------------------------------------------------

    def _find(self, index: int) -> _LoadedShard | None:
        """The shard of a partition; its first slice is replayed now. None if this broker cannot coordinate it."""
        if index < 0 or index in self._failed:
            return None
        found = self._shards.get(index)
        if found is None:
            try:
                partition = self._broker.partitions.get(GROUP_METADATA_TOPIC, index)
            except KafkaError as error:
                log.error("%s-%d cannot be opened: %s", GROUP_METADATA_TOPIC, index, error)
                return None
            if partition is None:
                return None
            found = self._shards[index] = _LoadedShard(
                partition, Shard(self._settings, lambda: str(uuid4()), self._cluster)
            )
            found.loading = _replay_log(found)
            self._load_slice(found)
        return None if index in self._failed else found

    def _load_slice(self, found: _LoadedShard) -> None:
        index = found.partition.index
        if found.loading is None or self._shards.get(index) is not found:
            return
        try:
            if next(found.loading, False):
                self._broker.reactor.soon(lambda: self._load_slice(found))
                return
        except (KafkaError, DecodeError) as error:
            log.error("%s-%d cannot be replayed, its groups are not served: %s", GROUP_METADATA_TOPIC, index, error)
            self._failed.add(index)
            self._drop(found)
            return
        found.loading = None
        now_ms = self._broker.now_ms()
        self._apply(found, found.shard.loaded(now_ms), now_ms)
        for topic in found.deleted_topics:
            self._apply(found, found.shard.topic_deleted(topic, now_ms), now_ms)
        self._arm(found)

    def _drop(self, found: _LoadedShard) -> None:
        """Forget a shard: all who wait for it are sent to look for their coordinator again. The next request has it
        read from the log."""
        if self._shards.get(found.partition.index) is not found:
            return
        del self._shards[found.partition.index]
        if found.timer is not None:
            found.timer.cancel()
        _deliver(found.parked.fail(ErrorCode.NOT_COORDINATOR))
        _deliver(found.shard.unload())

    def _on_delta(self, delta: Delta) -> None:
        """Groups see the topics as they are now, and offsets of deleted topics are deleted."""
        self._cluster.on_delta(delta)
        if any(kind == BROKER_RESOURCE for kind, _ in delta.changed_configs):
            self._settings = settings_from(self._broker.config)
            for found in self._shards.values():
                found.shard.settings = self._settings
        for topic in delta.deleted_topics:
            if topic.name == GROUP_METADATA_TOPIC:
                self._failed.clear()
                for found in tuple(self._shards.values()):
                    self._drop(found)
        now_ms = self._broker.now_ms()
        for topic in delta.deleted_topics:
            for found in tuple(self._shards.values()):
                if found.loading is not None:
                    found.deleted_topics.append(topic.name)
                else:
                    self._apply(found, found.shard.topic_deleted(topic.name, now_ms), now_ms)


def settings_from(config: Config) -> GroupSettings:
    """The limits of groups from the broker's config."""
    get = config.get
    return GroupSettings(
        initial_rebalance_delay_ms=get("group.initial.rebalance.delay.ms"),
        min_session_timeout_ms=get("group.min.session.timeout.ms"),
        max_session_timeout_ms=get("group.max.session.timeout.ms"),
        max_size=get("group.max.size"),
        offset_metadata_max_bytes=get("offset.metadata.max.bytes"),
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


def _batch(written: list[CoordinatorRecord], now_ms: int) -> bytes:
    return encode_batch(Record(*records.to_bytes(record), timestamp_ms=now_ms) for record in written)


def _replay_log(found: _LoadedShard) -> Iterator[bool]:
    """Replay the partition's log, a slice each time it is resumed: True while there is more. Raises KafkaError and
    DecodeError."""
    partition_log = found.partition.log
    replay = found.shard.replay
    end = partition_log.log_end_offset
    chunks = read_chunks(partition_log, partition_log.log_start_offset, end, LOAD_SLICE_BYTES)
    for number, chunk in enumerate(chunks):
        if number:
            yield True
        for position, header in iter_batches(chunk.batches):
            if header.is_control:
                continue
            for raw in batch_records(chunk.batches[position : position + header.size_bytes]):
                record = records.from_bytes(raw.key or b"", raw.value)
                if record is not None:
                    replay(record)
