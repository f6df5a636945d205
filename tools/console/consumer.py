"""`klamm console-consumer`: records of topics on standard output, as with kafka-console-consumer.sh."""

from __future__ import annotations

import random
import re
import signal
import sys
import time
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from types import FrameType
from typing import Final

from ...wire.errors import ErrorCode
from ..client import ClientError, ServerError, UnreachableError, open_client
from ..client.errors import java_line
from .consumer_options import ABOUT, OPTIONS
from .formatters import Formatter, FormatterError, Shown, formatter
from .member import Key, Member, committed_offsets
from .options import Options, OptionsError, bootstrap, help_or_version, parse, properties, refuse, warn_of_old
from .reader import EARLIEST, LATEST, READ_COMMITTED, Reader

_OLD_NAMES: Final = (
    ("consumer-property", "command-property"),
    ("consumer.config", "command-config"),
    ("property", "formatter-property"),
)
_OLD_NAME: Final = "Option --{} is deprecated and will be removed in a future version. Use --{} instead."

_RESETS: Final[Mapping[str, int | None]] = {"earliest": EARLIEST, "latest": LATEST, "none": None}
_ISOLATION: Final = {"read_uncommitted": 0, "read_committed": READ_COMMITTED}

#: Kafka's metadata.max.age.ms, after which new topics and partitions are looked for.
_METADATA_AGE_S: Final = 300.0
#: No fetch waits longer than this, so that heartbeats and a signal find their turn.
_FETCH_WAIT_MS: Final = 500


class _TimedOutError(Exception):
    """No record for --timeout-ms."""


class _StoppedError(Exception):
    """A signal; `args[0]` is its number."""


def run(arguments: Sequence[str]) -> int:
    """Returns 0 at the end of the records that were asked for, 1 for a fault, 128 and its number after a signal."""
    try:
        options = parse(OPTIONS, arguments)
        if help_or_version(options, ABOUT, OPTIONS):
            return 0
        _check(options)
        address = bootstrap(options, "bootstrap-server")
        warn_of_old(options, _OLD_NAMES, _OLD_NAME)
        config = properties(options, ("consumer.config", "command-config"), ("consumer-property", "command-property"))
        group = _group(options, config)
        if not _resets_agree(options, config):
            return 1
        show = _formatter(options)
        source = _Source(options, config, group, address)
    except (OptionsError, FormatterError) as error:
        return refuse(str(error), ABOUT, OPTIONS)
    signal.signal(signal.SIGTERM, _stop)
    signal.signal(signal.SIGINT, _stop)
    count = 0
    code = 0
    try:
        with source:
            most = -1 if options.last("max-messages") is None else options.last("max-messages")
            while count < most or most == -1:
                shown = source.next()
                count += 1
                try:
                    sys.stdout.buffer.write(show(shown))
                    if source.drained:
                        sys.stdout.buffer.flush()
                except FormatterError as error:
                    if not options.has("skip-message-on-error"):
                        raise
                    print(f"ERROR Error processing message, skipping this message: {error}", file=sys.stderr)
            sys.stdout.buffer.flush()
    except BrokenPipeError:
        print("Unable to write to standard out, closing consumer.", file=sys.stderr)
        # What Python flushes at its end would complain once more.
        sys.stdout = None
    except (_TimedOutError, ClientError) as error:
        # Kafka ends with 0 here as well: what has been read stands.
        line = "org.apache.kafka.common.errors.TimeoutException"
        print("ERROR Error processing message, terminating consumer process:", file=sys.stderr)
        print(java_line(error) if isinstance(error, ClientError) else line, file=sys.stderr)
    except FormatterError as error:
        print(f"ERROR Unknown error when running consumer: {error}", file=sys.stderr)
        code = 1
    except _StoppedError as stopped:
        code = 128 + stopped.args[0]
    if sys.stdout is not None:
        sys.stdout.flush()
    print(f"Processed a total of {count} messages", file=sys.stderr)
    if code > 128 and options.has("enable-systest-events"):
        print("shutdown_complete")
    return code


def _stop(number: int, _frame: FrameType | None) -> None:
    # A second one must not interrupt the commit and the farewell to the group.
    signal.signal(number, signal.SIG_IGN)
    raise _StoppedError(number)


# --- the command line ---------------------------------------------------------------------------------------------


def _check(options: Options) -> None:
    include = options.has("include") or options.has("whitelist")
    if options.has("topic") == include:
        raise OptionsError("Exactly one of the following arguments is required: [topic], [include]")
    if options.has("partition"):
        if include:
            raise OptionsError("The topic is required when partition is specified.")
        if options.has("from-beginning") and options.has("offset"):
            raise OptionsError("Options from-beginning and offset cannot be specified together.")
    elif options.has("offset"):
        raise OptionsError("The partition is required when offset is specified.")
    if options.has("offset"):
        text = options.last("offset")
        if text.lower() not in ("earliest", "latest") and not text.isdecimal():
            raise OptionsError(
                f"The provided offset value '{text}' is incorrect. Valid values are 'earliest', 'latest', or a"
                " non-negative long."
            )


def _group(options: Options, config: Mapping[str, str]) -> str | None:
    """The group that --group and group.id name. Raises OptionsError if they differ, or a partition is named too."""
    given = set(options.all("group")[-1:]) | ({config["group.id"]} if "group.id" in config else set())
    if len(given) > 1:
        names = ", ".join(f"'{group}'" for group in sorted(given))
        raise OptionsError(
            "The group ids provided in different places (directly using '--group', via '--consumer-property', or via"
            f" '--consumer.config') do not match. Detected group ids: {names}"
        )
    if given and options.has("partition"):
        raise OptionsError("Options group and partition cannot be specified together.")
    return given.pop() if given else None


def _resets_agree(options: Options, config: Mapping[str, str]) -> bool:
    reset = config.get("auto.offset.reset", "earliest")
    if options.has("from-beginning") and reset != "earliest":
        print(
            f"Can't simultaneously specify --from-beginning and 'auto.offset.reset={reset}', please remove one option",
            file=sys.stderr,
        )
        return False
    return True


def _formatter(options: Options) -> Formatter:
    settings = properties(options, ("formatter-config",), ())
    for name in ("key-deserializer", "value-deserializer"):
        if options.has(name):
            settings[name.replace("-", ".")] = options.last(name)
    settings.update(properties(options, (), ("property", "formatter-property")))
    return formatter(options.last("formatter"), settings)


def _number(config: Mapping[str, str], key: str, default: int) -> int:
    try:
        return int(config.get(key, str(default)))
    except ValueError:
        raise OptionsError(f"Invalid value {config[key]} for configuration {key}: Not a number") from None


# --- where records come from --------------------------------------------------------------------------------------


class _Source:
    """The records one by one, from one partition or as a member of a group, whose offsets are committed.

    A context: at its end what was handed out is committed, and the group left.
    """

    def __init__(self, options: Options, config: Mapping[str, str], group: str | None, address: str) -> None:
        if config.get("group.protocol", "classic").lower() != "classic":
            raise OptionsError("group.protocol: klamm's console consumer speaks the classic protocol only")
        isolation = config.get("isolation.level", "read_uncommitted")
        if options.has("isolation-level") or "isolation.level" not in config:
            isolation = options.last("isolation-level")
        if isolation not in _ISOLATION:
            raise OptionsError(f"Invalid value {isolation} for configuration isolation.level: {', '.join(_ISOLATION)}")
        default_reset = "earliest" if options.has("from-beginning") else "latest"
        reset = config.get("auto.offset.reset", default_reset)
        if reset not in _RESETS:
            raise OptionsError(f"Invalid value {reset} for configuration auto.offset.reset: {', '.join(_RESETS)}")
        self._reset = _RESETS[reset]
        timeout = options.last("timeout-ms")
        self._timeout_s = None if timeout is None or timeout < 0 else timeout / 1000
        self._group = group or f"console-consumer-{random.randrange(100_000)}"
        commits = config.get("enable.auto.commit", "false" if group is None else "true")
        self._commits = commits.lower() == "true" and not options.has("partition")
        self._commit_s = _number(config, "auto.commit.interval.ms", 5000) / 1000
        self._commit_due_s = 0.0
        self._client = open_client(address, properties=dict(config), client_id="console-consumer")
        self._reader = Reader(
            self._client,
            isolation_level=_ISOLATION[isolation],
            reset=self._reset,
            min_bytes=_number(config, "fetch.min.bytes", 1),
            max_bytes=_number(config, "fetch.max.bytes", 52_428_800),
            partition_max_bytes=_number(config, "max.partition.fetch.bytes", 1_048_576),
        )
        self._wait_ms = min(_number(config, "fetch.max.wait.ms", _FETCH_WAIT_MS), _FETCH_WAIT_MS)
        self._topic: str | None = options.last("topic")
        self._pattern = self._compile(options.last("include") or options.last("whitelist"))
        self._fixed = self._fixed_position(options)
        self._member: Member | None = None
        if self._fixed is None:
            self._member = Member(
                self._client,
                self._group,
                self._count_partitions,
                session_timeout_ms=_number(config, "session.timeout.ms", 45_000),
                rebalance_timeout_ms=_number(config, "max.poll.interval.ms", 300_000),
                heartbeat_interval_ms=_number(config, "heartbeat.interval.ms", 3_000),
                instance_id=config.get("group.instance.id"),
            )
        self._waiting: deque[Shown] = deque()
        self._subscribed: dict[str, int] | None = None
        self._look_s = 0.0
        self._committed: dict[Key, int] = {}

    @staticmethod
    def _compile(pattern: str | None) -> re.Pattern[str] | None:
        try:
            return None if pattern is None else re.compile(pattern)
        except re.error as error:
            raise OptionsError(f"{pattern}: {error}") from None

    @staticmethod
    def _fixed_position(options: Options) -> dict[Key, int] | None:
        if not options.has("partition"):
            return None
        text = options.last("offset").lower()
        if not options.has("offset") and options.has("from-beginning"):
            text = "earliest"
        symbol = _RESETS.get(text)
        return {(options.last("topic"), options.last("partition")): int(text) if symbol is None else symbol}

    def __enter__(self) -> _Source:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            if self._member is not None:
                self._commit()
                self._member.leave()
        except ClientError as error:
            print(f"WARN the last offsets could not be committed: {error}", file=sys.stderr)
        finally:
            self._client.close()

    @property
    def drained(self) -> bool:
        """Whether nothing more is at hand: now is the time to flush what was written."""
        return not self._waiting

    def next(self) -> Shown:
        """The next record. Raises _TimedOutError, ClientError for what no waiting mends."""
        end_s = None if self._timeout_s is None else time.monotonic() + self._timeout_s
        while not self._waiting:
            left_s = self._wait_ms / 1000 if end_s is None else end_s - time.monotonic()
            if left_s <= 0:
                raise _TimedOutError
            try:
                self._poll(min(self._wait_ms, max(1, int(left_s * 1000))), end_s)
            except UnreachableError:
                if end_s is not None and time.monotonic() >= end_s:
                    raise _TimedOutError from None
                raise
        return self._waiting.popleft()

    def _poll(self, wait_ms: int, end_s: float | None) -> None:
        if self._fixed is not None:
            self._assign_fixed(self._fixed)
        elif not self._is_member(end_s):
            return
        self._waiting.extend(self._reader.poll(wait_ms))

    def _assign_fixed(self, fixed: dict[Key, int]) -> None:
        if not self._reader.positions:
            try:
                self._client.metadata([topic for topic, _ in fixed], create=True)
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
            pause_s = self._client.settings.retry_backoff_ms / 1000
            self._look_s = now + (_METADATA_AGE_S if wanted and all(wanted.values()) else pause_s)
            if wanted != self._subscribed:
                self._join(wanted, end_s)
        elif not self._member.stays():
            self._join(self._subscribed or {}, end_s)
        if self._commits and now >= self._commit_due_s:
            self._commit()
        if not self._reader.positions:
            time.sleep(self._client.settings.retry_backoff_ms / 1000)
        return bool(self._reader.positions)

    def _wanted(self) -> dict[str, int]:
        """The topics to subscribe to, with the number of their partitions now (0: there is no such topic yet)."""
        if self._pattern is None:
            topic = self._topic or ""
            return {topic: 0, **self._count_partitions([topic])}
        answer = self._client.metadata(None)
        # Kafka's consumer leaves internal topics out of a pattern (exclude.internal.topics).
        return {
            topic.name: len(topic.partitions)
            for topic in answer.topics
            if topic.name and not topic.is_internal and self._pattern.fullmatch(topic.name)
        }

    def _count_partitions(self, topics: Iterable[str]) -> dict[str, int]:
        answer = self._client.metadata(topics, create=True)
        for topic in answer.topics:
            if topic.error_code == ErrorCode.INVALID_TOPIC_EXCEPTION:
                raise ServerError(topic.error_code, f"Invalid topics: [{topic.name}]")
        return {topic.name or "": len(topic.partitions) for topic in answer.topics if topic.partitions}

    def _join(self, wanted: dict[str, int], end_s: float | None) -> None:
        assert self._member is not None
        self._commit()
        deadline_s = time.monotonic() + 600 if end_s is None else end_s
        keys = self._member.join(wanted, deadline_s)
        self._subscribed = wanted
        committed = committed_offsets(self._client, self._group, keys) if keys else {}
        if self._reset is None and len(committed) < len(keys):
            missing = ", ".join(
                f"{topic}-{partition}" for topic, partition in keys if (topic, partition) not in committed
            )
            raise ServerError(
                ErrorCode.OFFSET_OUT_OF_RANGE, f"Undefined offset with no reset policy for partitions: [{missing}]"
            )
        positions = {key: committed[key].offset if key in committed else self._reset or LATEST for key in keys}
        self._waiting.clear()
        self._committed = {}
        self._reader.assign(positions)
        self._reader.epochs = {key: row.leader_epoch for key, row in committed.items()}
        self._commit_due_s = time.monotonic() + self._commit_s

    def _commit(self) -> None:
        """Commits behind what was handed out: the position, or the first record that still waits."""
        self._commit_due_s = time.monotonic() + self._commit_s
        if not self._commits or self._member is None:
            return
        offsets: dict[Key, int] = dict(self._reader.positions)
        for shown in reversed(self._waiting):
            offsets[shown.topic, shown.partition] = shown.record.offset
        if offsets != self._committed:
            self._member.commit(offsets, self._reader.epochs)
            self._committed = offsets
