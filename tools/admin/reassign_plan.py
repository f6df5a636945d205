"""Assignments of replicas to brokers: their files, a new one made by Kafka's rule, and what a move must throttle.

Source: org.apache.kafka.tools.reassign.ReassignPartitionsCommand, org.apache.kafka.admin.AdminUtils.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from .common import CommandError, read_json_file
from .partitions_file import duplicates

Key = tuple[str, int]
ANY_DIR: Final = "any"
_FAILED: Final = "org.apache.kafka.tools.AdminCommandFailedException"
_WRONG_FILE: Final = "org.apache.kafka.tools.AdminOperationException"


class Target(NamedTuple):
    """Where a partition's replicas are to be. `log_dirs`: an absolute path each, or "any"."""

    replicas: list[int]
    log_dirs: list[str]


def read_targets(path: str) -> dict[Key, Target]:
    """What --reassignment-json-file asks for. Raises CommandError with Kafka's messages."""
    rows = _rows(path, "partitions")
    found: list[tuple[Key, Target]] = []
    for row in rows:
        try:
            key = (str(row["topic"]), int(row["partition"]))
            replicas = [int(one) for one in row["replicas"]]
            log_dirs = [str(one) for one in row.get("log_dirs", [ANY_DIR] * len(replicas))]
        except (KeyError, TypeError, ValueError, AttributeError):
            raise CommandError(f"a partition needs topic, partition and replicas: {row}", _WRONG_FILE) from None
        if len(replicas) != len(log_dirs):
            raise CommandError(
                f"Size of replicas list [{_listed(replicas)}] is different from size of log dirs list "
                f"[{_listed(log_dirs)}] for partition {name(key)}",
                _FAILED,
            )
        found.append((key, Target(replicas, log_dirs)))
    return _unique(found)


def check_targets(targets: Mapping[Key, Target]) -> None:
    """Raises CommandError for what cannot be executed, with Kafka's messages."""
    if not targets:
        raise CommandError("Partition reassignment list cannot be empty", _FAILED)
    if any(not target.replicas for target in targets.values()):
        raise CommandError("Partition replica list cannot be empty", _FAILED)
    twice = []
    for key, target in targets.items():
        again = sorted({one for one in target.replicas if target.replicas.count(one) > 1})
        if again:
            twice.append(f"{name(key)} contains multiple entries for {','.join(map(str, again))}")
    if twice:
        raise CommandError(f"Partition replica lists may not contain duplicate entries: {'. '.join(twice)}", _FAILED)


def _unique(found: list[tuple[Key, Target]]) -> dict[Key, Target]:
    twice = duplicates([key for key, _ in found])
    if twice:
        raise CommandError(f"Partition reassignment contains duplicate topic partitions: {','.join(twice)}", _FAILED)
    return dict(found)


def read_topics(path: str) -> list[str]:
    """What --topics-to-move-json-file names. Raises CommandError."""
    rows = _rows(path, "topics")
    try:
        found = [str(row["topic"]) for row in rows]
    except (KeyError, TypeError):
        raise CommandError("a topic needs the field topic", _WRONG_FILE) from None
    twice = sorted({topic for topic in found if found.count(topic) > 1})
    if twice:
        raise CommandError(f"List of topics to reassign contains duplicate entries: [{_listed(twice)}]", _FAILED)
    return found


def read_brokers(text: str) -> list[int]:
    """--broker-list. Raises CommandError."""
    try:
        found = [int(part) for part in text.split(",")]
    except ValueError:
        raise CommandError(f"Invalid broker list: {text}", "java.lang.NumberFormatException") from None
    twice = sorted({broker for broker in found if found.count(broker) > 1})
    if twice:
        raise CommandError(f"Broker list contains duplicate entries: [{_listed(twice)}]", _FAILED)
    return found


def _rows(path: str, field: str) -> list[Any]:
    found = read_json_file(path)
    if found.get("version", 1) != 1:
        raise CommandError(f"Not supported version field value {found['version']}", _WRONG_FILE)
    rows = found.get(field, [])
    if not isinstance(rows, list):
        raise CommandError(f"{field} must be a list", _WRONG_FILE)
    return rows


def name(key: Key) -> str:
    return f"{key[0]}-{key[1]}"


def _listed(values: Sequence[object]) -> str:
    return ", ".join(map(str, values))


def as_json(targets: Mapping[Key, Target]) -> dict[str, object]:
    """The assignment as --reassignment-json-file has it, in the order of topics and partitions."""
    rows = [
        {"topic": topic, "partition": index, "replicas": target.replicas, "log_dirs": target.log_dirs}
        for (topic, index), target in sorted(targets.items())
    ]
    return {"version": 1, "partitions": rows}


# --- a new assignment -------------------------------------------------------------------------------------------------


def spread(
    partitions: int, factor: int, racks: Mapping[int, str | None], start: int | None = None, shift: int | None = None
) -> list[list[int]]:
    """Replicas for each partition over the brokers in `racks`, by Kafka's rule. Raises CommandError.

    `start`, `shift`: where the first partition begins; at random without them.
    """
    if not racks:
        raise CommandError(
            "All brokers are currently fenced, or have all their log directories cordoned.",
            "org.apache.kafka.common.errors.InvalidReplicationFactorException",
        )
    if len(racks) < factor:
        raise CommandError(
            f"The target replication factor of {factor} cannot be reached because only {len(racks)} broker(s) are "
            "registered or some brokers have all their log directories cordoned.",
            "org.apache.kafka.common.errors.InvalidReplicationFactorException",
        )
    if all(rack is not None for rack in racks.values()):
        brokers = _by_turns(racks)
        groups = len(set(racks.values()))
    else:
        brokers, groups = sorted(racks), 1
    count = len(brokers)
    begin = random.randrange(count) if start is None else start
    step = random.randrange(count) if shift is None else shift
    found = []
    for partition in range(partitions):
        if partition and partition % count == 0:
            step += 1
        first = (partition + begin) % count
        found.append(_replicas(brokers, racks, first, step * groups, groups, factor))
    return found


def _by_turns(racks: Mapping[int, str | None]) -> list[int]:
    """The brokers, one rack after the other in turns."""
    queues: dict[str, list[int]] = {}
    for broker in sorted(racks):
        queues.setdefault(racks[broker] or "", []).append(broker)
    found: list[int] = []
    ordered = [queues[rack] for rack in sorted(queues)]
    while len(found) < len(racks):
        for queue in ordered:
            if queue:
                found.append(queue.pop(0))
    return found


def _replicas(
    brokers: list[int], racks: Mapping[int, str | None], first: int, shift: int, groups: int, factor: int
) -> list[int]:
    """The leader at `first`, and the others behind it: a rack or a broker comes again only when all have come."""
    count = len(brokers)
    found = [brokers[first]]
    used_racks = {racks[brokers[first]]}
    at = 0
    while len(found) < factor:
        broker = brokers[(first + 1 + (shift + at) % (count - 1)) % count]
        at += 1
        fits = racks[broker] not in used_racks or len(used_racks) == groups or groups == 1
        if fits and broker not in found:
            found.append(broker)
            used_racks.add(racks[broker])
    return found


# --- throttles --------------------------------------------------------------------------------------------------------


class Move(NamedTuple):
    """The brokers that a partition's records come from, and those that they go to."""

    sources: list[int]
    destinations: list[int]


def throttled(moves: Mapping[Key, Move]) -> dict[str, dict[str, str]]:
    """Topic -> the topic configs that throttle its moves: partition:broker of leaders' and of followers' sides."""
    found: dict[str, dict[str, str]] = {}
    for side, pick in (("leader", 0), ("follower", 1)):
        rows: dict[str, list[str]] = {}
        for (topic, index), move in sorted(moves.items()):
            rows.setdefault(topic, []).extend(f"{index}:{broker}" for broker in sorted(move[pick]))
        for topic, entries in rows.items():
            found.setdefault(topic, {})[f"{side}.replication.throttled.replicas"] = ",".join(entries)
    return found
