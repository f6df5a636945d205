"""Deadlines of one shard: set, move, cancel, and ask which is the first.

A heap with lazy deletion. Most deadlines are sessions that each heartbeat moves further away, so moving one later only
notes the new time; its heap entry keeps the old one and is put back when that comes. A heartbeat costs one dictionary
entry, and a member one extra look a session timeout.
"""

from __future__ import annotations

from heapq import heappop, heappush
from typing import Generic, TypeVar

K = TypeVar("K")


class Deadlines(Generic[K]):
    """Times in epoch milliseconds by key; a key has at most one."""

    __slots__ = ("_at", "_count", "_heap", "_queued")

    def __init__(self) -> None:
        self._at: dict[K, int] = {}
        #: The time of the key's one valid heap entry; never later than its deadline.
        self._queued: dict[K, int] = {}
        self._heap: list[tuple[int, int, K]] = []
        self._count = 0

    def __len__(self) -> int:
        return len(self._at)

    def __contains__(self, key: K) -> bool:
        return key in self._at

    def set(self, key: K, deadline_ms: int) -> None:
        """Due at `deadline_ms`, in place of what was set before."""
        self._at[key] = deadline_ms
        queued = self._queued.get(key)
        if queued is None or deadline_ms < queued:
            self._push(key, deadline_ms)

    def cancel(self, key: K) -> None:
        """Nothing happens if it is not set."""
        self._at.pop(key, None)

    def next_deadline_ms(self) -> int | None:
        """A time before which nothing is due; None if nothing is set. May be earlier than the first deadline."""
        heap = self._heap
        while heap:
            at, _, key = heap[0]
            if key in self._at and self._queued.get(key) == at:
                return at
            self._drop_first()
        return None

    def pop_due(self, now_ms: int) -> K | None:
        """Take out one key whose time has come, the earliest first; None if there is none."""
        heap = self._heap
        while heap and heap[0][0] <= now_ms:
            at, _, key = heap[0]
            valid = self._queued.get(key) == at
            self._drop_first()
            deadline_ms = self._at.get(key)
            if not valid or deadline_ms is None:
                continue
            if deadline_ms > at:
                self._push(key, deadline_ms)  # it was moved later meanwhile
                continue
            del self._at[key]
            return key
        return None

    def _push(self, key: K, deadline_ms: int) -> None:
        self._queued[key] = deadline_ms
        self._count += 1
        heappush(self._heap, (deadline_ms, self._count, key))

    def _drop_first(self) -> None:
        at, _, key = heappop(self._heap)
        if self._queued.get(key) == at:
            del self._queued[key]
