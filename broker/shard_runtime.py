"""Coordinators as the broker runs them: shards over the partitions of an internal topic.

A shard (`coordinator/shard.py`, `coordinator/transaction_shard.py`) says what to write, to answer and to do; here
that is done: records are appended as one batch and replayed, all else is parked until the high watermark has passed
them, one timer a shard wakes what is due. Shards are read from the log in slices, the small ones at their first touch;
until a large one is read its requests get COORDINATOR_LOAD_IN_PROGRESS.
Source: org.apache.kafka.coordinator.common.runtime.CoordinatorRuntime.

Left out: an engine whose append answers later; other brokers as coordinators, and with them the loss of leadership
other than by deletion of the topic, come with replication.
"""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, ClassVar, Final, Generic, Protocol, TypeVar

from ..coordinator.parking import Parked
from ..coordinator.partitioning import partition_for
from ..storage.checks import Origin
from ..storage.log_dir_health import NoRoomError
from ..storage.pending import Pending
from ..wire.batches import BatchHeader, iter_batches
from ..wire.codec import DecodeError
from ..wire.errors import ErrorCode, KafkaError
from ..wire.records import batch_records
from .log_reader import Chunk, read_chunk

if TYPE_CHECKING:
    from ..wire.records import Record
    from .broker import Broker
    from .metadata.image import Delta
    from .partition import Partition
    from .timers import Timer

log = logging.getLogger("klamm.coordinators")

#: What is replayed in one go while a shard is loaded: about 10 ms of commits.
LOAD_SLICE_BYTES: Final = 65_536

#: When a shard is read again whose log has failed it.
RELOAD_MS: Final = 500

#: Failures that are the batch's own. After these, and where there is no room, the log is as before; after all others it
#: is not to be trusted and the shard is read again.
_REFUSED_BATCH: Final = frozenset(
    {ErrorCode.MESSAGE_TOO_LARGE, ErrorCode.RECORD_LIST_TOO_LARGE, ErrorCode.INVALID_PRODUCER_EPOCH}
)

E = TypeVar("E")


class AnyShard(Protocol[E]):
    """What the runtime asks of a shard; `E` are its effects."""

    def next_deadline_ms(self) -> int | None: ...

    def tick(self, now_ms: int) -> Iterator[E]: ...

    def append_failed(self, effects: E, error: ErrorCode, now_ms: int) -> E: ...

    def loaded(self, now_ms: int) -> E: ...


S = TypeVar("S", bound=AnyShard)  # type: ignore[type-arg]  # of the effects that E stands for


class LoadedShard(Generic[S, E]):
    """One partition of the topic and its shard. `loading`: replays a slice at each step, and says what the next one
    waits for; None once it is loaded. `deleted_topics`: deleted while it was being loaded."""

    __slots__ = ("deleted_topics", "loading", "parked", "partition", "shard", "timer", "waits_for_high_watermark")

    def __init__(self, partition: Partition, shard: S) -> None:
        self.partition = partition
        self.shard = shard
        self.parked: Parked[E] = Parked()
        self.loading: Iterator[Pending[Chunk | None] | None] | None = None
        self.deleted_topics: list[str] = []
        self.timer: Timer | None = None
        self.waits_for_high_watermark = False


class ShardRuntime(ABC, Generic[S, E]):
    """All shards of one kind that this broker leads, by partition of `topic`."""

    topic: ClassVar[str]

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._shards: dict[int, LoadedShard[S, E]] = {}
        #: Partitions whose log cannot be replayed: nothing is known of what they keep.
        self._failed: set[int] = set()

    def start(self) -> None:
        """Load the shards that have data soon, so that what waits for time to pass in them does so."""
        self._broker.metadata_log.listeners.append(self._on_delta)
        stored = [index for topic, index in self._broker.logs.partitions() if topic == self.topic]
        self._load_next(sorted(stored))

    def _load_next(self, indexes: list[int]) -> None:
        """One shard a round, so that a start with many of them goes on answering."""
        if indexes:
            broker = self._broker
            # Who asks for it meanwhile has it opened at once.
            found = broker.warmer.when_warm(partial(broker.partitions.warm_up, ((self.topic, indexes[0]),)))

            def load() -> None:
                self._find(indexes[0])
                self._load_next(indexes[1:])

            if isinstance(found, Pending):
                found.add_callback(lambda _: load())
            else:
                broker.reactor.soon(load)

    def partition_of(self, key: str) -> int:
        """The partition that a key belongs to; -1 while there is no topic."""
        image = self._broker.catalogue.topic(self.topic)
        return -1 if image is None else partition_for(key, len(image.partitions))

    def partitions(self) -> list[int]:
        """The shards that may have something."""
        return sorted({*self._shards, *self._failed})

    def loaded(self) -> list[S]:
        """The shards that have been read from the log."""
        return [found.shard for found in self._shards.values() if found.loading is None]

    def is_loading(self, index: int) -> bool:
        """A shard is being read from its partition's log."""
        found = self._shards.get(index)
        return found is not None and found.loading is not None

    # --- what the kinds differ in ---------------------------------------------------------------------------------

    @abstractmethod
    def ensure_topic(self) -> int:
        """How many partitions the topic has; it is created if need be. Raises KafkaError."""

    @abstractmethod
    def _new_shard(self, partition: Partition) -> S: ...

    @abstractmethod
    def _batch(self, effects: E, now_ms: int) -> bytes | None:
        """What is to be appended."""

    @abstractmethod
    def _replay(self, shard: S, effects: E, base_offset: int) -> None:
        """The effects' records are in the log from `base_offset` on."""

    @abstractmethod
    def _replay_stored(self, shard: S, header: BatchHeader, records: Iterator[Record]) -> None:
        """A batch that the log holds. Raises KafkaError, DecodeError."""

    @abstractmethod
    def _release(self, found: LoadedShard[S, E], effects: E) -> None:
        """The records of the effects, and all before them, are safe: answer, act."""

    @abstractmethod
    def _refuse(self, effects: E, error: ErrorCode) -> None:
        """What waited for the high watermark will not be: answer with the error."""

    def _unload(self, found: LoadedShard[S, E]) -> None:
        """A shard is forgotten: who waits in it is sent away."""

    def _topic_deleted(self, found: LoadedShard[S, E], topic: str, now_ms: int) -> None:
        """A topic of the cluster was deleted; the shard is loaded."""

    # --- one step of a shard --------------------------------------------------------------------------------------

    def _apply(self, found: LoadedShard[S, E], effects: E, now_ms: int) -> None:
        """Append, replay, park."""
        partition = found.partition
        batch = self._batch(effects, now_ms)
        if batch is not None:
            try:
                info = partition.append(batch, now_ms, Origin.COORDINATOR)
            except KafkaError as error:
                self._append_failed(found, effects, error, now_ms)
                return
            self._replay(found.shard, effects, info.base_offset)
        end = partition.log.log_end_offset
        if not found.parked and partition.high_watermark >= end:
            self._release(found, effects)
            return
        found.parked.park(end, effects)
        self._watch(found)

    def _apply_all(self, found: LoadedShard[S, E], steps: Iterator[E], now_ms: int) -> None:
        """One step after the other, as long as the shard is there: one that its log has failed makes no more."""
        for effects in steps:
            self._apply(found, effects, now_ms)
            if self._shards.get(found.partition.index) is not found:
                return

    def _append_failed(self, found: LoadedShard[S, E], effects: E, error: KafkaError, now_ms: int) -> None:
        log.warning("%s-%d: append failed: %s", self.topic, found.partition.index, error)
        self._apply(found, found.shard.append_failed(effects, error.code, now_ms), now_ms)
        if error.code not in _REFUSED_BATCH and not isinstance(error, NoRoomError):
            self._drop_and_reload(found)

    def _watch(self, found: LoadedShard[S, E]) -> None:
        """Have what is parked released when the high watermark reaches the first of it."""
        offset = found.parked.next_offset()
        if offset is None or found.waits_for_high_watermark:
            return
        found.waits_for_high_watermark = True

        def reached(error: KafkaError | None) -> None:
            found.waits_for_high_watermark = False
            if error is not None:
                self._drop_and_reload(found)
                return
            for effects in found.parked.take(found.partition.high_watermark):
                self._release(found, effects)
            self._watch(found)

        found.partition.when_high_watermark(offset, reached)

    def _arm(self, found: LoadedShard[S, E]) -> None:
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

    def _tick(self, found: LoadedShard[S, E]) -> None:
        found.timer = None
        now_ms = self._broker.now_ms()
        self._apply_all(found, found.shard.tick(now_ms), now_ms)
        self._arm(found)

    # --- loading and dropping -------------------------------------------------------------------------------------

    def _find(self, index: int) -> LoadedShard[S, E] | None:
        """The shard of a partition; its first slice is replayed now. None if this broker cannot coordinate it."""
        if index < 0 or index in self._failed:
            return None
        found = self._shards.get(index)
        if found is None:
            try:
                partition = self._broker.partitions.get(self.topic, index)
            except KafkaError as error:
                log.warning("%s-%d cannot be opened: %s", self.topic, index, error)
                return None
            if partition is None:
                return None
            found = self._shards[index] = LoadedShard(partition, self._new_shard(partition))
            found.loading = self._replay_log(found)
            self._load_slice(found)
        return None if index in self._failed else found

    def _load_slice(self, found: LoadedShard[S, E]) -> None:
        index = found.partition.index
        if found.loading is None or self._shards.get(index) is not found:
            return
        try:
            for waits_for in found.loading:
                if waits_for is None:
                    self._broker.reactor.soon(lambda: self._load_slice(found))
                else:
                    waits_for.add_callback(lambda _: self._load_slice(found))
                return
        except (KafkaError, DecodeError) as error:
            log.error("%s-%d cannot be replayed, what it keeps is not served: %s", self.topic, index, error)
            self._failed.add(index)
            self._drop(found)
            return
        found.loading = None
        now_ms = self._broker.now_ms()
        self._apply(found, found.shard.loaded(now_ms), now_ms)
        for topic in found.deleted_topics:
            self._topic_deleted(found, topic, now_ms)
        self._arm(found)

    def _replay_log(self, found: LoadedShard[S, E]) -> Iterator[Pending[Chunk | None] | None]:
        """Replay the partition's log, a slice each time it is resumed; while there is more, yields what the next slice
        waits for, None if it is nothing. Raises KafkaError and DecodeError."""
        partition_log = found.partition.log
        offset, end = partition_log.log_start_offset, partition_log.log_end_offset
        replayed = False
        while offset < end:
            chunk = self._broker.warmer.when_warm(partial(read_chunk, partition_log, offset, end, LOAD_SLICE_BYTES))
            if isinstance(chunk, Pending):
                yield chunk
                chunk = chunk.result()
            elif replayed:
                yield None
            if chunk is None:
                return
            replayed = True
            offset = chunk.next_offset
            for position, header in iter_batches(chunk.batches):
                records = batch_records(chunk.batches[position : position + header.size_bytes])
                self._replay_stored(found.shard, header, records)

    def _drop_and_reload(self, found: LoadedShard[S, E]) -> None:
        """Its log has failed a shard. It is read again by the next request, or soon without one: sessions and decided
        transactions must not wait for somebody to ask."""
        self._drop(found)

        def reload() -> None:
            self._find(found.partition.index)

        self._broker.timers.call_at(self._broker.now_ms() + RELOAD_MS, reload)

    def _drop(self, found: LoadedShard[S, E]) -> None:
        """Forget a shard: all who wait for it are sent to look for their coordinator again."""
        if self._shards.get(found.partition.index) is not found:
            return
        del self._shards[found.partition.index]
        if found.timer is not None:
            found.timer.cancel()
        for effects in found.parked.drain():
            self._refuse(effects, ErrorCode.NOT_COORDINATOR)
        self._unload(found)

    def _on_delta(self, delta: Delta) -> None:
        """The catalogue has changed."""
        if any(topic.name == self.topic for topic in delta.deleted_topics):
            self._failed.clear()
            for found in tuple(self._shards.values()):
                self._drop(found)
        for topic, _, after in delta.changed_partitions:
            if topic.name == self.topic and after.leader != self._broker.node_id:
                self._failed.discard(after.index)
                if (lost := self._shards.get(after.index)) is not None:
                    self._drop(lost)
        now_ms = self._broker.now_ms()
        for topic in delta.deleted_topics:
            for found in tuple(self._shards.values()):
                if found.loading is not None:
                    found.deleted_topics.append(topic.name)
                else:
                    self._topic_deleted(found, topic.name, now_ms)
