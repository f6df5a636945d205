"""A transaction shard on a log of memory, with partitions that know producers: the broker's part, without the broker.

The high watermark can be held back, an append made to fail, a partition be out of reach, and everything lost that was
not yet replicated. After every step the shard that is rebuilt from the log is compared with the live one.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import count

from klamm.coordinator.parking import Parked
from klamm.coordinator.transaction_events import Answer, Asked, Event, Markers, Result, TransactionEffects, refusal
from klamm.coordinator.transaction_shard import TransactionSettings, TransactionShard
from klamm.coordinator.transaction_state import TopicPartition, Transaction, from_bytes, to_bytes
from klamm.storage.producers import ProducerState
from klamm.wire.errors import ErrorCode, KafkaError
from klamm.wire.records import CONTROL_ABORT, CONTROL_COMMIT

START_MS = 1_000_000


class Partition:
    """A partition's log: ("data", producer id, epoch, what) and ("commit" or "abort", producer id, epoch, "")."""

    def __init__(self) -> None:
        self.log: list[tuple[str, int, int, str]] = []
        self.producers = ProducerState()
        self.in_reach = True

    def write(self, producer_id: int, epoch: int, what: str) -> None:
        """Raises KafkaError."""
        self.producers.check_epoch(producer_id, epoch)
        offset = len(self.log)
        self.producers.record(producer_id, epoch, -1, offset, offset, START_MS, True)
        self.log.append(("data", producer_id, epoch, what))

    def end(self, markers: Markers) -> None:
        """Raises KafkaError."""
        self.producers.check_marker(markers.producer_id, markers.producer_epoch, 0, markers.client_version)
        control = CONTROL_COMMIT if markers.commit else CONTROL_ABORT
        self.producers.end_transaction(
            markers.producer_id, markers.producer_epoch, START_MS, len(self.log), (control, 0)
        )
        word = "commit" if markers.commit else "abort"
        self.log.append((word, markers.producer_id, markers.producer_epoch, ""))


class TransactionBench:
    """`answers`: what clients were told, by the number that `ask` gave."""

    def __init__(self, transaction_version: int = 2) -> None:
        self.now_ms = START_MS
        self.version = transaction_version
        self.log: list[tuple[bytes, bytes | None]] = []
        self.high_watermark = 0
        self.held = False
        self.fail_next: ErrorCode | None = None
        self.partitions: dict[TopicPartition, Partition] = {}
        self.answers: dict[int, Result] = {}
        self.pending_markers: list[Markers] = []
        self.parked: Parked[TransactionEffects] = Parked()
        self._numbers = count(1)
        self._producer_ids = count(1000)
        self.shard = self.new_shard()

    def new_shard(self) -> TransactionShard:
        settings = TransactionSettings(
            transactional_id_expiration_ms=1_000_000, transaction_version=lambda: self.version
        )
        return TransactionShard(settings, lambda: next(self._producer_ids))

    def partition(self, key: TopicPartition) -> Partition:
        return self.partitions.setdefault(key, Partition())

    # --- steps ----------------------------------------------------------------------------------------------------

    def ask(self, event: Event) -> int:
        number = next(self._numbers)
        self.apply(self.shard.handle(Asked(number, event), self.now_ms))
        return number

    def advance(self, duration_ms: int) -> None:
        """Let time pass, stopping at each deadline."""
        until = self.now_ms + duration_ms
        while (deadline_ms := self.shard.next_deadline_ms()) is not None and deadline_ms <= until:
            self.now_ms = max(self.now_ms, deadline_ms)
            for effects in self.shard.tick(self.now_ms):
                self.apply(effects)
        self.now_ms = until
        self.write_markers()

    def apply(self, effects: TransactionEffects) -> None:
        """Append, replay, park: what every caller of a shard does."""
        if effects.records and self.fail_next is not None:
            error, self.fail_next = self.fail_next, None
            self.apply(self.shard.append_failed(effects, error, self.now_ms))
            return
        for record in effects.records:
            self.log.append(to_bytes(record, 1))
            self.shard.replay(record)
        self.parked.park(len(self.log), effects)
        if not self.held:
            self.high_watermark = len(self.log)
        self.check_rebuilt()
        self.release(self.high_watermark)

    def release(self, high_watermark: int) -> None:
        """The replicas have caught up to here."""
        self.high_watermark = high_watermark
        for effects in self.parked.take(high_watermark):
            self.tell(effects.answers)
            self.pending_markers += effects.markers
        self.write_markers()

    def tell(self, answers: list[Answer]) -> None:
        for asked, result in answers:
            assert asked.token not in self.answers
            self.answers[asked.token] = result

    def write_markers(self) -> None:
        """To every partition in reach; what is not is tried again with the next step."""
        waiting, self.pending_markers = self.pending_markers, []
        for markers in waiting:
            done = set()
            for key in sorted(markers.partitions):
                if self.partition(key).in_reach:
                    try:
                        self.partition(key).end(markers)
                    except KafkaError:
                        pass  # fenced: another coordinator has ended it
                    done.add(key)
            rest = markers.partitions - done
            if rest:
                self.pending_markers.append(markers._replace(partitions=rest))
            if done or not markers.partitions:
                self.apply(self.shard.markers_written(markers, done, self.now_ms))

    def crash(self) -> None:
        """A new leader reads the log. What was not yet on all replicas is lost; who waits is sent away."""
        for effects in self.parked.drain():
            self.tell([Answer(asked, refusal(asked.event, ErrorCode.NOT_COORDINATOR)) for asked, _ in effects.answers])
        del self.log[self.high_watermark :]
        self.pending_markers = []
        self.held = False
        self.shard = self.rebuilt()
        self.apply(self.shard.loaded(self.now_ms))

    # --- the log --------------------------------------------------------------------------------------------------

    def rebuilt(self) -> TransactionShard:
        fresh = self.new_shard()
        for key, value in self.log:
            record = from_bytes(key, value)
            assert record is not None
            fresh.replay(record)
        return fresh

    def check_rebuilt(self) -> None:
        def durable(shard: TransactionShard) -> dict[str, Transaction]:
            return {key: replace(found, last_producer_epoch=-1) for key, found in shard.transactions.items()}

        assert durable(self.rebuilt()) == durable(self.shard)
