"""Records from a partition, or as a member of a group: what console-consumer and consumer-perf-test read."""

from __future__ import annotations

import re
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Final, NamedTuple

from ...wire.errors import ErrorCode
from ..client import ClientError, ServerError, UnreachableError, open_client
from ..client.errors import SettingError
from ..client.settings import number
from .formatters import Shown
from .member import Key, Member, committed_offsets
from .options import OptionsError
from .reader import EARLIEST, LATEST, READ_COMMITTED, Reader

if TYPE_CHECKING:
    from .consumer_member import ConsumerMember

RESETS: Final[Mapping[str, int | None]] = {"earliest": EARLIEST, "latest": LATEST, "none": None}
_RESET_WORDS: Final = (
    "Invalid value {0} for configuration auto.offset.reset: Invalid value `{0}` for configuration auto.offset.reset."
    " The value must be either 'earliest', 'latest', 'none' or of the format 'by_duration:<PnDTnHnMn.nS.>'."
)
_ISOLATION_WORDS: Final = "String must be one of: read_committed, read_uncommitted"
_ISOLATION: Final = {"read_uncommitted": 0, "read_committed": READ_COMMITTED}

#: Kafka's metadata.max.age.ms, after which new topics and partitions are looked for.
_METADATA_AGE_S: Final = 300.0
#: No fetch waits longer than this, so that heartbeats and a signal find their turn.
_FETCH_WAIT_MS: Final = 500


class TimedOutError(Exception):
    """No record for so long as the command line allows."""


class Subscription(NamedTuple):
    """`fixed`: partition -> where to begin in it, without a group; else a `topic`, or a `pattern` of topics.

    `commits`: the group's offsets are committed; `reset`: where auto.offset.reset says nothing; `isolation`: wins over
    isolation.level; `timeout_s`: the longest pause between two records.
    """

    topic: str | None
    pattern: str | None
    group: str
    client_id: str
    reset: str
    commits: bool
    fixed: dict[Key, int] | None = None
    isolation: str | None = None
    timeout_s: float | None = None


class Listener(NamedTuple):
    """Told of the partitions that come and go, as Kafka's ConsumerRebalanceListener is."""

    assigned: Callable[[list[Key]], None]
    revoked: Callable[[list[Key]], None]


_DEAF: Final = Listener(lambda _: None, lambda _: None)


class Source:
    """The records one by one, from one partition or as a member of a group, whose offsets are committed.

    A context: at its end what was handed out is committed, and the group left.
    """

    def __init__(
        self, config: Mapping[str, str], address: str, subscription: Subscription, listener: Listener = _DEAF
    ) -> None:
        protocol = _protocol(config)
        isolation = subscription.isolation or config.get("isolation.level", "read_uncommitted")
        if isolation not in _ISOLATION:
            raise SettingError(f"Invalid value {isolation} for configuration isolation.level: {_ISOLATION_WORDS}")
        reset = config.get("auto.offset.reset", subscription.reset)
        if reset not in RESETS:
            raise SettingError(_RESET_WORDS.format(reset))
        self._reset = RESETS[reset]
        self._timeout_s = subscription.timeout_s
        self._group = subscription.group
        self._listener = listener
        self._commits = subscription.commits
        self._commit_s = number(config, "auto.commit.interval.ms", 5000) / 1000
        self._commit_due_s = 0.0
        self.client = open_client(address, properties=dict(config), client_id=subscription.client_id)
        self._reader = Reader(
            self.client,
            isolation_level=_ISOLATION[isolation],
            reset=self._reset,
            min_bytes=number(config, "fetch.min.bytes", 1),
            max_bytes=number(config, "fetch.max.bytes", 52_428_800),
            partition_max_bytes=number(config, "max.partition.fetch.bytes", 1_048_576),
        )
        self._wait_ms = min(number(config, "fetch.max.wait.ms", _FETCH_WAIT_MS), _FETCH_WAIT_MS)
        self._topic = subscription.topic
        self._pattern = self._compile(subscription.pattern)
        self._fixed = subscription.fixed
        #: Whether partitions that stay with this member are read on where it is.
        self._reads_on = protocol == "consumer"
        self._member = None if self._fixed is not None else self._member_of(protocol, config)
        self._waiting: deque[Shown] = deque()
        self._subscribed: dict[str, int] | None = None
        self._owned: list[Key] = []
        self._look_s = 0.0
        self._committed: dict[Key, int] = {}
        #: Seconds spent in joining the group.
        self.joined_s = 0.0

    def _member_of(self, protocol: str, config: Mapping[str, str]) -> Member | ConsumerMember:
        rebalance_timeout_ms = number(config, "max.poll.interval.ms", 300_000)
        instance_id = config.get("group.instance.id")
        if protocol == "consumer":
            from .consumer_member import ConsumerMember  # here, since few command lines want it

            return ConsumerMember(
                self.client,
                self._group,
                self._topic_ids,
                rebalance_timeout_ms=rebalance_timeout_ms,
                server_assignor=config.get("group.remote.assignor"),
                instance_id=instance_id,
            )
        return Member(
            self.client,
            self._group,
            self._count_partitions,
            session_timeout_ms=number(config, "session.timeout.ms", 45_000),
            rebalance_timeout_ms=rebalance_timeout_ms,
            heartbeat_interval_ms=number(config, "heartbeat.interval.ms", 3_000),
            instance_id=instance_id,
        )

    def _topic_ids(self, topics: Iterable[str]) -> dict[str, bytes]:
        return {topic.name or "": topic.topic_id for topic in self.client.metadata(topics).topics if topic.partitions}

    @staticmethod
    def _compile(pattern: str | None) -> re.Pattern[str] | None:
        try:
            return None if pattern is None else re.compile(pattern)
        except re.error as error:
            raise OptionsError(f"{pattern}: {error}") from None

    def __enter__(self) -> Source:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            if self._member is not None:
                self._commit()
                if self._owned:
                    self._listener.revoked(self._owned)
                self._member.leave()
        except ClientError as error:
            print(f"WARN the last offsets could not be committed: {error}", file=sys.stderr)
        finally:
            self.client.close()

    @property
    def drained(self) -> bool:
        """Whether nothing more is at hand: now is the time to flush what was written."""
        return not self._waiting

    def next(self) -> Shown:
        """The next record. Raises TimedOutError, ClientError for what no waiting mends."""
        end_s = None if self._timeout_s is None else time.monotonic() + self._timeout_s
        while not self._waiting:
            left_s = self._wait_ms / 1000 if end_s is None else end_s - time.monotonic()
            if left_s <= 0:
                raise TimedOutError
            try:
                self._poll(min(self._wait_ms, max(1, int(left_s * 1000))), end_s)
            except UnreachableError:
                if end_s is not None and time.monotonic() >= end_s:
                    raise TimedOutError from None
                raise
        return self._waiting.popleft()

    def poll(self, wait_ms: int, most: int | None = None) -> list[Shown]:
        """What a fetch of every leader brings within `wait_ms`; nothing while none is assigned. Raises ClientError.

        `most` (max.poll.records): what is above it is there at once with the next calls.
        """
        self._poll(min(wait_ms, self._wait_ms), None)
        count = len(self._waiting)
        return [self._waiting.popleft() for _ in range(count if most is None else min(count, most))]

    def commit(self, offsets: Mapping[Key, int]) -> bool:
        """Commits for the group. False: this member is no longer in it. Raises ClientError."""
        assert self._member is not None
        return self._member.commit(offsets, {})

    def _poll(self, wait_ms: int, end_s: float | None) -> None:
        if self._fixed is not None:
            self._assign_fixed(self._fixed)
        elif not self._is_member(end_s):
            return
        if not self._waiting:
            self._waiting.extend(self._reader.poll(wait_ms))

    def _assign_fixed(self, fixed: dict[Key, int]) -> None:
        if not self._reader.positions:
            try:
                self.client.metadata([topic for topic, _ in fixed], create=True)
                self._reader.assign(fixed)
            except ServerError as error:
                if error.code != ErrorCode.UNKNOWN_TOPIC_OR_PARTITION:
                    raise

    # --- as a member ----------------------------------------------------------------------------------------------

    def _is_member(self, end_s: float | None) -> bool:
        """Joins where that is needed, commits where it is time. False: nothing is assigned yet."""
        assert self._member is not None
        now = time.monotonic()
        if now >= self._look_s:
            wanted = self._wanted()
            # A topic that does not exist yet is looked for at short intervals, as by Kafka's consumer.
            pause_s = self.client.settings.retry_backoff_ms / 1000
            self._look_s = now + (_METADATA_AGE_S if wanted and all(wanted.values()) else pause_s)
            if wanted != self._subscribed:
                self._join(wanted, end_s)
        elif not self._member.stays():
            self._join(self._subscribed or {}, end_s)
        if self._commits and now >= self._commit_due_s:
            self._commit()
        if not self._reader.positions:
            time.sleep(self.client.settings.retry_backoff_ms / 1000)
        return bool(self._reader.positions)

    def _wanted(self) -> dict[str, int]:
        """The topics to subscribe to, with the number of their partitions now (0: there is no such topic yet)."""
        if self._pattern is None:
            topic = self._topic or ""
            return {topic: 0, **self._count_partitions([topic])}
        answer = self.client.metadata(None)
        # Kafka's consumer leaves internal topics out of a pattern (exclude.internal.topics).
        return {
            topic.name: len(topic.partitions)
            for topic in answer.topics
            if topic.name and not topic.is_internal and self._pattern.fullmatch(topic.name)
        }

    def _count_partitions(self, topics: Iterable[str]) -> dict[str, int]:
        answer = self.client.metadata(topics, create=True)
        for topic in answer.topics:
            if topic.error_code == ErrorCode.INVALID_TOPIC_EXCEPTION:
                raise ServerError(topic.error_code, f"Invalid topics: [{topic.name}]")
        return {topic.name or "": len(topic.partitions) for topic in answer.topics if topic.partitions}

    def _join(self, wanted: dict[str, int], end_s: float | None) -> None:
        assert self._member is not None
        self._commit()
        deadline_s = time.monotonic() + 600 if end_s is None else end_s
        begin_s = time.monotonic()
        kept = self._handed_out() if self._reads_on else {}
        if not self._reads_on and self._subscribed is not None:
            # The classic protocol's eager one: all is given up, and then assigned anew.
            self._listener.revoked(self._owned)
            self._owned = []
        keys = self._member.join(wanted, deadline_s)
        kept = {key: kept[key] for key in keys if key in kept}
        self.joined_s += time.monotonic() - begin_s
        self._subscribed = wanted
        fresh = [key for key in keys if key not in kept]
        gone = [key for key in self._owned if key not in kept]
        self._owned = keys
        if gone:
            self._listener.revoked(gone)
        self._listener.assigned(fresh)
        committed = committed_offsets(self.client, self._group, fresh) if fresh else {}
        if self._reset is None and len(committed) < len(fresh):
            missing = ", ".join(f"{key[0]}-{key[1]}" for key in fresh if key not in committed)
            raise ServerError(
                ErrorCode.OFFSET_OUT_OF_RANGE, f"Undefined offset with no reset policy for partitions: [{missing}]"
            )
        positions = {key: committed[key].offset if key in committed else self._reset or LATEST for key in fresh}
        self._waiting.clear()
        self._committed = {}
        epochs = {key: epoch for key, epoch in self._reader.epochs.items() if key in kept}
        self._reader.assign({**kept, **positions})
        self._reader.epochs = {**epochs, **{key: row.leader_epoch for key, row in committed.items()}}
        self._commit_due_s = time.monotonic() + self._commit_s

    def _commit(self) -> None:
        """Commits behind what was handed out."""
        self._commit_due_s = time.monotonic() + self._commit_s
        if not self._commits or self._member is None:
            return
        offsets = self._handed_out()
        if offsets != self._committed:
            self._member.commit(offsets, self._reader.epochs)
            self._committed = offsets

    def _handed_out(self) -> dict[Key, int]:
        """Behind what was handed out: the position, or the first record that still waits."""
        offsets: dict[Key, int] = dict(self._reader.positions)
        for shown in reversed(self._waiting):
            offsets[shown.topic, shown.partition] = shown.record.offset
        return offsets


#: Which properties the other protocol alone has.
_FOREIGN: Final[Mapping[str, tuple[str, ...]]] = {
    "classic": ("group.remote.assignor",),
    "consumer": ("partition.assignment.strategy", "heartbeat.interval.ms", "session.timeout.ms"),
}


def _protocol(config: Mapping[str, str]) -> str:
    """`classic` or `consumer`, as group.protocol says. Raises SettingError, with Kafka's words."""
    text = config.get("group.protocol", "classic")
    if text.lower() not in _FOREIGN:
        names = ", ".join(name.upper() for name in _FOREIGN)
        raise SettingError(
            f"Invalid value {text} for configuration group.protocol: String must be one of (case insensitive): {names}"
        )
    for key in _FOREIGN[text.lower()]:
        if key in config:
            raise SettingError(f"{key} cannot be set when group.protocol={text.upper()}")
    return text.lower()
