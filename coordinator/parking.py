"""Replies that are made and must not be seen yet.

A reply may rest on records that are in the log but not yet on all replicas in sync; if the leader is lost they are
lost, and the client must not have been told. So each waits until the high watermark has passed the log's end as it
was when the reply was made. Source: org.apache.kafka.coordinator.common.runtime.CoordinatorRuntime (deferred events).
"""

from __future__ import annotations

from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")


class Parked(Generic[T]):
    """What one shard has made and nobody has seen (replies, or effects with them), in its order."""

    __slots__ = ("_queue",)

    def __init__(self) -> None:
        self._queue: deque[tuple[int, T]] = deque()

    def __len__(self) -> int:
        return len(self._queue)

    def park(self, offset: int, item: T) -> None:
        """`offset`: the log's end, that is the offset after the last record; it never falls."""
        self._queue.append((offset, item))

    def next_offset(self) -> int | None:
        """The high watermark that the first in the queue waits for."""
        return self._queue[0][0] if self._queue else None

    def take(self, high_watermark: int) -> list[T]:
        """Those that may go now."""
        queue = self._queue
        due = []
        while queue and queue[0][0] <= high_watermark:
            due.append(queue.popleft()[1])
        return due

    def drain(self) -> list[T]:
        """All of them. Leadership is lost: nobody knows whether the records will stay, so errors go out instead."""
        items = [item for _, item in self._queue]
        self._queue.clear()
        return items
