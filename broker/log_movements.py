"""Logs that move between log.dirs while they are written and read (AlterReplicaLogDirs, KIP-113).

A slice at a time is copied between the other work of the loop; what is not in memory is read, and what was written
brought to the device, by worker threads. A movement that a restart interrupts begins again. Source: ReplicaManager,
ReplicaAlterLogDirsManager.

Left out: replica.alter.log.dirs.io.max.bytes.per.second.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Final

from ..storage.pending import Pending
from ..wire.errors import ErrorCode, KafkaError

if TYPE_CHECKING:
    from ..storage.flush import FlushJob
    from ..storage.folder import DataFolder
    from ..storage.movement import Movement
    from .broker import Broker
    from .partition import Partition

log = logging.getLogger("klamm.log_dirs")

#: Copied in one round of the loop.
SLICE_BYTES: Final = 131_072
#: How often a copy that has caught up is flushed by a thread before the rest, which is little by then, is by the loop.
FLUSHES: Final = 3


class _Flush:
    """An fsync for the warmer's threads, whose failure is the log dir's."""

    def __init__(self, job: FlushJob) -> None:
        self._job = job
        self._error: OSError | None = None

    def run(self) -> None:
        try:
            self._job.run()
        except OSError as error:
            self._error = error

    def finish(self) -> None:
        self._job.finish(self._error)


class _Move:
    """`flushes`: how often the copy may still be flushed by a thread."""

    def __init__(self, partition: Partition, movement: Movement) -> None:
        self.partition = partition
        self.movement = movement
        self.flushes = FLUSHES


class LogMovements:
    """All movements of a broker, at most one a partition."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._moves: dict[tuple[str, int], _Move] = {}

    def __len__(self) -> int:
        return len(self._moves)

    def resume(self) -> None:
        """Begin again what the last process did not end."""
        for topic, index, folder in self._broker.logs.futures():
            try:
                self.move(topic, index, folder)
            except KafkaError as error:
                log.warning("%s-%d does not move to %s: %s", topic, index, folder.path, error)

    def under_way(self) -> Iterator[Movement]:
        """What is being copied."""
        return (move.movement for move in self._moves.values())

    def move(self, topic: str, index: int, target: DataFolder) -> None:
        """Have a partition's log lie in another folder, some time soon; a movement elsewhere is given up. Raises
        KafkaError: UNKNOWN_TOPIC_OR_PARTITION, REPLICA_NOT_AVAILABLE, KAFKA_STORAGE_ERROR."""
        image = self._broker.catalogue.topic(topic)
        if image is None or index not in image.partitions:
            raise KafkaError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
        partition = self._broker.partitions.get(topic, index)
        source = self._broker.logs.folder_of(topic, index)
        if partition is None or source is None:
            raise KafkaError(ErrorCode.REPLICA_NOT_AVAILABLE)
        before = self._moves.get((topic, index))
        if before is not None:
            if before.movement.target is target:
                return
            self._give_up(before, "it is to go elsewhere")
        if target is source:
            return
        from ..storage.movement import Movement  # what a start does not need it does not load

        movement = Movement(topic, index, partition.log, source, target)
        move = self._moves[topic, index] = _Move(partition, movement)
        self._soon(move)

    def _soon(self, move: _Move) -> None:
        self._broker.reactor.soon(partial(self._step, move))

    def _step(self, move: _Move) -> None:
        movement = move.movement
        if self._moves.get((movement.topic, movement.partition)) is not move:
            return
        if not self._is_led(move):
            self._give_up(move, "it is no longer led here")
            return
        broker = self._broker
        try:
            done = broker.warmer.when_warm(lambda: movement.step(SLICE_BYTES, broker.now_ms()))
            if isinstance(done, Pending):
                done.add_callback(partial(self._copied, move))
            else:
                self._go_on(move, caught_up=done)
        except KafkaError as error:
            self._give_up(move, str(error))

    def _copied(self, move: _Move, pending: Pending[bool]) -> None:
        try:
            pending.result()
        except KafkaError as error:
            self._give_up(move, str(error))
            return
        self._soon(move)

    def _go_on(self, move: _Move, *, caught_up: bool) -> None:
        """Raises KafkaError."""
        if not caught_up or self._is_loading(move):
            self._soon(move)
            return
        job = move.movement.begin_flush() if move.flushes else None
        if job is None:
            self._swap(move)
            return
        move.flushes -= 1
        self._broker.warmer.run(_Flush(job), partial(self._soon, move))

    def _swap(self, move: _Move) -> None:
        """The catalogue first, as in Kafka: what it says is corrected at a start that finds the log where it was."""
        broker, movement = self._broker, move.movement
        topic, index = movement.topic, movement.partition
        image = broker.catalogue.topic(topic)
        if image is None:
            raise KafkaError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
        self._assign(topic, index, movement.target.directory_id)
        try:
            move.partition.log = movement.swap(broker.now_ms())
        except KafkaError:
            if movement.source.health.offline is None and movement.source.has(topic, index):
                self._assign(topic, index, movement.source.directory_id)
            raise
        del self._moves[topic, index]
        broker.logs.moved(topic, index, movement.target)
        move.partition.log.assign_leader_epoch(move.partition.leader_epoch)
        move.partition.flushed(move.partition.log.log_end_offset)
        log.info("%s-%d lies in %s now", topic, index, movement.target.path)

    def _assign(self, topic: str, index: int, directory_id: bytes) -> None:
        image = self._broker.catalogue.topics[topic]
        self._broker.partitions.assign(image, image.partitions[index], directory_id)

    def _is_led(self, move: _Move) -> bool:
        movement = move.movement
        healthy = movement.source.health.offline is None and movement.target.health.offline is None
        return healthy and self._broker.partitions.opened_at(movement.topic, movement.partition) is move.partition

    def _is_loading(self, move: _Move) -> bool:
        """A coordinator reads the log: it has hold of it."""
        runtimes: tuple[tuple[str, Callable[[int], bool]], ...] = (
            (self._broker.coordinators.topic, self._broker.coordinators.is_loading),
            (self._broker.transactions.topic, self._broker.transactions.is_loading),
        )
        movement = move.movement
        return any(topic == movement.topic and is_loading(movement.partition) for topic, is_loading in runtimes)

    def _give_up(self, move: _Move, reason: str) -> None:
        movement = move.movement
        self._moves.pop((movement.topic, movement.partition), None)
        log.warning("%s-%d does not move to %s: %s", movement.topic, movement.partition, movement.target.path, reason)
        try:
            movement.abandon()
        except KafkaError as error:
            log.warning("%s", error)
