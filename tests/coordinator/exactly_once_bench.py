"""A group's shard on a partition of `__consumer_offsets` that knows producers, as a broker's does."""

from __future__ import annotations

from typing import Any

from klamm.coordinator.settings import GroupSettings
from klamm.coordinator.transaction_events import (
    Markers,
)
from klamm.coordinator.transaction_state import TopicPartition
from klamm.coordinator.turn import Effects
from klamm.storage.producers import ProducerState
from klamm.wire.errors import KafkaError
from klamm.wire.records import CONTROL_ABORT, CONTROL_COMMIT

from .bench import START_MS, Marker
from .consumer_bench import ConsumerBench
from .transaction_bench import Partition

GROUP, INPUT = "g", "in"
INPUT_PARTITIONS = 4
OUTPUT: list[TopicPartition] = [("out", 0), ("out", 1)]
OFFSETS: TopicPartition = ("__consumer_offsets", 0)
TIMEOUT_MS = 8_000
SESSION_MS = 10_000
REBALANCE_MS = 5_000


class OffsetsBench(ConsumerBench):
    """The group's shard on a partition that knows producers. Rebuilding is compared when the world says so."""

    def __init__(self) -> None:
        self.producers = ProducerState()
        super().__init__(
            GroupSettings(consumer_session_timeout_ms=SESSION_MS, min_session_timeout_ms=1_000, max_size=10)
        )
        self.topics.put(INPUT, INPUT_PARTITIONS)
        self.answers: dict[int, Any] = {}

    def apply(self, effects: Effects) -> None:
        if effects.producer is not None and effects.records:
            try:
                self.producers.check_epoch(*effects.producer)
            except KafkaError as error:
                self.fail_next = error.code
            else:
                offset = len(self.log)
                self.producers.record(*effects.producer, -1, offset, offset, START_MS, True)
        super().apply(effects)

    def check_rebuilt(self) -> None:
        pass

    def rebuild(self) -> None:
        """The producers' state comes from the log too."""
        del self.log[self.high_watermark :]
        self.producers = ProducerState()
        for offset, entry in enumerate(self.log):
            if isinstance(entry, Marker):
                self._note_end(entry, offset)
            elif entry.producer_id >= 0:
                self.producers.record(entry.producer_id, entry.producer_epoch, -1, offset, offset, START_MS, True)
        super().rebuild()

    def end(self, markers: Markers) -> None:
        """Raises KafkaError."""
        self.producers.check_marker(markers.producer_id, markers.producer_epoch, 0, markers.client_version)
        self._note_end(Marker(markers.producer_id, markers.commit, markers.producer_epoch), len(self.log))
        self.end_transaction(markers.producer_id, markers.commit, markers.producer_epoch)

    def _note_end(self, marker: Marker, offset: int) -> None:
        control = CONTROL_COMMIT if marker.commit else CONTROL_ABORT
        self.producers.end_transaction(marker.producer_id, marker.producer_epoch, START_MS, offset, (control, 0))

    def listen(self) -> None:
        for reply in self.delivered:
            self.answers[reply.request.token] = reply.response
        self.delivered.clear()


class OffsetsPartition(Partition):
    """`__consumer_offsets` as the transaction coordinator sees it: out of reach while a marker would not be safe."""

    def __init__(self, groups: OffsetsBench) -> None:
        self.groups = groups
        self.reachable = True
        super().__init__()

    @property
    def in_reach(self) -> bool:  # type: ignore[override]
        return self.reachable and not self.groups.held

    @in_reach.setter
    def in_reach(self, value: bool) -> None:
        self.reachable = value

    def end(self, markers: Markers) -> None:
        self.groups.end(markers)
