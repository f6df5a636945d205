"""Fetch sessions (KIP-227): what a client asked for before, so that it need not say it again.

A session remembers its partitions in the order in which they are served next; an incremental fetch names changes only
and is answered with changes only. The cache has a bounded number of slots: when it is full a fetch is answered without
a session (id 0), unless a session has been unused for `eviction_ms` or is that old and smaller than the new one.
Sans-IO; the clock comes in as a parameter. Source: kafka.server.{FetchManager, FetchSessionCache, FullFetchContext,
IncrementalFetchContext}.
"""

from __future__ import annotations

from collections.abc import Iterable
from random import Random
from typing import Final

from ..wire.errors import ErrorCode, KafkaError
from ..wire.messages.fetch import FetchRequest, PartitionData

NO_SESSION: Final = 0
INITIAL_EPOCH: Final = 0
FINAL_EPOCH: Final = -1
_MAX_INT32: Final = 0x7FFFFFFF

#: A partition within a session: topic name, or the id's 16 bytes from Fetch v13 on, and the partition's index.
Key = tuple[str | bytes, int]


class FetchPartition:
    """What is asked of one partition, and what its last answer in this session said.

    `fetch_offset`; `max_bytes`; `current_leader_epoch` and `last_fetched_epoch`: -1 unknown; `log_start_offset` is the
    follower's, -1 from consumers. `sent_*`: of the last answer, -1 before any.
    """

    __slots__ = (
        "current_leader_epoch",
        "fetch_offset",
        "index",
        "last_fetched_epoch",
        "max_bytes",
        "sent_high_watermark",
        "sent_log_start_offset",
        "topic",
    )

    def __init__(
        self,
        topic: str | bytes,
        index: int,
        fetch_offset: int,
        max_bytes: int,
        current_leader_epoch: int = -1,
        last_fetched_epoch: int = -1,
    ) -> None:
        self.topic = topic
        self.index = index
        self.fetch_offset = fetch_offset
        self.max_bytes = max_bytes
        self.current_leader_epoch = current_leader_epoch
        self.last_fetched_epoch = last_fetched_epoch
        self.sent_high_watermark = -1
        self.sent_log_start_offset = -1

    def update(self, other: FetchPartition) -> None:
        """Take over what a later request asks; what was sent stays."""
        self.fetch_offset = other.fetch_offset
        self.max_bytes = other.max_bytes
        self.current_leader_epoch = other.current_leader_epoch
        self.last_fetched_epoch = other.last_fetched_epoch

    def is_news(self, answer: PartitionData) -> bool:
        """Whether an incremental answer must hold this partition: records, an error, or a changed watermark or start.
        Remembers what is sent."""
        news = (
            bool(answer.records)
            or answer.error_code != 0
            or answer.high_watermark != self.sent_high_watermark
            or answer.log_start_offset != self.sent_log_start_offset
            or answer.diverging_epoch.epoch >= 0
        )
        if answer.error_code != 0:
            # After an error the next answer repeats everything.
            self.sent_high_watermark = self.sent_log_start_offset = -1
        else:
            self.sent_high_watermark = answer.high_watermark
            self.sent_log_start_offset = answer.log_start_offset
        return news


class FetchSession:
    """`epoch`: the one that the next request must carry; `partitions` in serving order; `by_id`: topic ids are used."""

    __slots__ = ("by_id", "created_ms", "epoch", "id", "last_used_ms", "partitions", "size")

    def __init__(self, session_id: int, by_id: bool, partitions: dict[Key, FetchPartition], now_ms: int) -> None:
        self.id = session_id
        self.by_id = by_id
        self.epoch = 1
        self.partitions = partitions
        self.size = len(partitions)
        self.created_ms = now_ms
        self.last_used_ms = now_ms

    def served(self, keys: Iterable[Key]) -> None:
        """Those that were given records go to the back, so that none starves."""
        for key in keys:
            partition = self.partitions.pop(key, None)
            if partition is not None:
                self.partitions[key] = partition


class Fetch:
    """One request in the light of its session: which partitions to read, and which session the answer names.

    `session`: None if the answer names none; `incremental`: unchanged partitions are left out.
    """

    __slots__ = ("incremental", "partitions", "session")

    def __init__(self, partitions: list[FetchPartition], session: FetchSession | None, incremental: bool) -> None:
        self.partitions = partitions
        self.session = session
        self.incremental = incremental


class FetchSessions:
    """`slots`: max.incremental.fetch.session.cache.slots; `eviction_ms`: Kafka's fixed two minutes."""

    def __init__(self, slots: int, random: Random, eviction_ms: int = 120_000) -> None:
        self._slots = slots
        self._eviction_ms = eviction_ms
        self._random = random
        self._sessions: dict[int, FetchSession] = {}  # the longest unused first

    def __len__(self) -> int:
        return len(self._sessions)

    def begin(self, request: FetchRequest, by_id: bool, now_ms: int) -> Fetch:
        """Raises KafkaError: FETCH_SESSION_ID_NOT_FOUND, INVALID_FETCH_SESSION_EPOCH, FETCH_SESSION_TOPIC_ID_ERROR,
        which are answered at the top of the response."""
        session_id, epoch = request.session_id, request.session_epoch
        if epoch in (INITIAL_EPOCH, FINAL_EPOCH):
            self._sessions.pop(session_id, None)
            asked = _asked(request, by_id)
            session = self._create(by_id, asked, now_ms) if epoch == INITIAL_EPOCH and asked else None
            return Fetch(list(asked.values()), session, incremental=False)
        found = self._sessions.get(session_id)
        if found is None:
            raise KafkaError(ErrorCode.FETCH_SESSION_ID_NOT_FOUND)
        if found.epoch != epoch:
            raise KafkaError(ErrorCode.INVALID_FETCH_SESSION_EPOCH)
        if found.by_id != by_id:
            raise KafkaError(ErrorCode.FETCH_SESSION_TOPIC_ID_ERROR)
        self._update(found, request, by_id)
        if not found.partitions:
            del self._sessions[session_id]
            return Fetch([], None, incremental=False)
        found.epoch = 1 if epoch == _MAX_INT32 else epoch + 1
        found.last_used_ms = now_ms
        del self._sessions[session_id]
        self._sessions[session_id] = found
        return Fetch(list(found.partitions.values()), found, incremental=True)

    def _update(self, session: FetchSession, request: FetchRequest, by_id: bool) -> None:
        partitions = session.partitions
        for key, asked in _asked(request, by_id).items():
            known = partitions.get(key)
            if known is None:
                partitions[key] = asked
            else:
                known.update(asked)
        for topic in request.forgotten_topics_data:
            for index in topic.partitions:
                partitions.pop((topic.topic_id if by_id else topic.topic, index), None)
        session.size = len(partitions)

    def _create(self, by_id: bool, partitions: dict[Key, FetchPartition], now_ms: int) -> FetchSession | None:
        if len(self._sessions) >= self._slots and not self._evict(len(partitions), now_ms):
            return None
        session_id = NO_SESSION
        while session_id == NO_SESSION or session_id in self._sessions:
            session_id = self._random.randint(1, _MAX_INT32)
        session = self._sessions[session_id] = FetchSession(session_id, by_id, partitions, now_ms)
        return session

    def _evict(self, size: int, now_ms: int) -> bool:
        """Make room for a session of `size` partitions, if one may give way."""
        oldest = next(iter(self._sessions.values()), None)
        if oldest is None:
            return False
        if now_ms - oldest.last_used_ms <= self._eviction_ms:
            old_enough = [s for s in self._sessions.values() if now_ms - s.created_ms > self._eviction_ms]
            oldest = min(old_enough, key=lambda session: session.size, default=None)
            if oldest is None or oldest.size >= size:
                return False
        del self._sessions[oldest.id]
        return True


def _asked(request: FetchRequest, by_id: bool) -> dict[Key, FetchPartition]:
    """The partitions that a request names, in its order."""
    asked: dict[Key, FetchPartition] = {}
    for topic in request.topics:
        name: str | bytes = topic.topic_id if by_id else topic.topic
        for partition in topic.partitions:
            asked[name, partition.partition] = FetchPartition(
                name,
                partition.partition,
                partition.fetch_offset,
                partition.partition_max_bytes,
                partition.current_leader_epoch,
                partition.last_fetched_epoch,
            )
    return asked
