"""Subscriptions by regular expression (KIP-848): the server knows the topics, so it resolves them.

The syntax is RE2's, which has no backtracking: no pattern of a client's can keep the coordinator busy, as one of
Python's `re` could. google-re2 is imported when the first pattern comes; it is an extra (`pip install klamm[regex]`),
and without it such a subscription is refused with the reason.
Source: org.apache.kafka.coordinator.group.modern.consumer.TopicRegexResolver, GroupMetadataManager
.maybeUpdateRegularExpressions and handleRegularExpressionsResult.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from enum import Enum, auto
from typing import Any, Final

from ..wire.errors import ErrorCode, KafkaError
from . import consumer_records
from .consumer_group import ConsumerGroup, ResolvedRegex
from .consumer_member import ConsumerMember
from .consumer_target import metadata_hash_of
from .records import CoordinatorRecord
from .turn import Turn

#: A group's patterns are resolved together, and not more often than this (GroupMetadataManager
#: .REGEX_BATCH_REFRESH_MIN_INTERVAL_MS).
MIN_REFRESH_INTERVAL_MS: Final = 10_000

#: What RE2 says in C++ -> what it says in Java, which is what Kafka's clients are shown.
_JAVA_WORDS: Final = {
    "missing ]": "missing closing ]",
    "missing )": "missing closing )",
    "no argument for repetition operator": "missing argument to repetition operator",
    "bad repetition operator": "invalid nested repetition operator",
    "invalid repetition size": "invalid repeat count",
    "invalid perl operator": "invalid or unsupported Perl syntax",
    "invalid named capture group": "invalid named capture",
    "trailing \\": "trailing backslash at end of expression",
    "unexpected )": "regexp/syntax: internal error",
}


class RegexChange(Enum):
    """What a heartbeat does to its member's pattern; RESOLVED: and its topics are known already."""

    NONE = auto()
    UPDATED = auto()
    RESOLVED = auto()


def compile_regex(regex: str) -> Any:
    """A pattern with `fullmatch`. Raises KafkaError INVALID_REGULAR_EXPRESSION."""
    try:
        import re2
    except ImportError:
        raise KafkaError(
            ErrorCode.INVALID_REGULAR_EXPRESSION,
            "This broker cannot resolve SubscribedTopicRegex: google-re2 is not installed (pip install klamm[regex]).",
        ) from None
    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(regex, options)
    except re2.error as error:
        (said,) = error.args
        words = (said.decode(errors="replace") if isinstance(said, bytes) else str(said)).split(": ")[0]
        raise KafkaError(
            ErrorCode.INVALID_REGULAR_EXPRESSION,
            f"SubscribedTopicRegex `{regex}` is not a valid regular expression: {_JAVA_WORDS.get(words, words)}.",
        ) from None


def update_regex(
    group: ConsumerGroup, before: ConsumerMember, after: ConsumerMember, written: list[CoordinatorRecord], turn: Turn
) -> RegexChange:
    """Note what changes, and have the group's patterns resolved if need be: in a step of its own, after the answer.

    Raises KafkaError INVALID_REGULAR_EXPRESSION.
    """
    old, new = before.topic_regex, after.topic_regex
    change = RegexChange.NONE
    must_resolve = False
    if old != new:
        change = RegexChange.UPDATED
        if old and group.patterns[old] == 1:
            written.append(consumer_records.regular_expression_gone(group.group_id, old))
        if new:
            if not group.patterns[new]:
                compile_regex(new)
                must_resolve = True
            elif new in group.regexes:
                change = RegexChange.RESOLVED
        elif old:
            change = RegexChange.RESOLVED
    if not must_resolve and not group.patterns:
        return change
    timer = ("consumer-regex", group.group_id, "")
    last = next(iter(group.regexes.values()), None)
    if timer in turn.deadlines or (last and turn.now_ms <= last.timestamp_ms + MIN_REFRESH_INTERVAL_MS):
        return change
    patterns = Counter(group.patterns)
    patterns.update([new] if new else [])
    patterns.subtract([old] if old else [])
    wanted = +patterns
    if wanted and (
        must_resolve
        or last is None
        or len(wanted) != len(group.regexes)
        or last.version < turn.cluster.topics_created_at
        or turn.now_ms > last.timestamp_ms + turn.settings.consumer_regex_refresh_interval_ms
    ):
        turn.deadlines.set(timer, turn.now_ms)
    return change


def resolve_regexes(group: ConsumerGroup, turn: Turn) -> None:
    """Write what the group's patterns stand for now; the epoch goes up if that is something else than before."""
    found = _resolve(group.patterns, turn)
    if not found:
        return
    regexes = {**group.regexes, **found}
    changed = False
    for regex, resolved in found.items():
        before = group.regexes.get(regex)
        changed = changed or resolved.topics != (before.topics if before is not None else frozenset())
        turn.records.append(
            consumer_records.regular_expression(
                group.group_id, regex, resolved.topics, resolved.version, resolved.timestamp_ms
            )
        )
    hashed = metadata_hash_of(group.members.values(), regexes, turn.cluster)
    if changed or hashed != group.metadata_hash:
        epoch = group.epoch + 1
        turn.records.append(consumer_records.group_epoch(group.group_id, epoch, hashed))
        group.refreshed_at, group.refreshed_epoch = turn.cluster.topics_changed_at, epoch


def _resolve(patterns: Iterable[str], turn: Turn) -> Mapping[str, ResolvedRegex]:
    """A pattern that cannot be compiled any more keeps what it stood for."""
    compiled = {}
    for pattern in patterns:
        try:
            compiled[pattern] = compile_regex(pattern)
        except KafkaError:
            continue
    names = list(turn.cluster.topic_names()) if compiled else []
    return {
        pattern: ResolvedRegex(
            frozenset(name for name in names if regex.fullmatch(name)), turn.cluster.version, turn.now_ms
        )
        for pattern, regex in compiled.items()
    }
