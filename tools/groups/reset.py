"""Where --reset-offsets moves a group: every scenario, and the CSV of --export and --from-file."""

from __future__ import annotations

import csv
import re
import sys
import time
from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from ...wire.errors import ErrorCode
from ..cli import FailedError
from ..client import Client, ServerError
from ..console.member import Key, committed_offsets
from ..console.options import Options, OptionsError
from ..console.reader import EARLIEST, LATEST, list_offsets
from .cluster import partitions_of
from .options import SCENARIOS

Plan = dict[Key, int]

_DURATION: Final = re.compile(
    r"(?P<sign>[-+]?)P(?:(?P<days>[-+]?\d+)D)?"
    r"(?:T(?=[-+\d])(?:(?P<hours>[-+]?\d+)H)?(?:(?P<minutes>[-+]?\d+)M)?(?:(?P<seconds>[-+]?\d+(?:\.\d{0,9})?)S)?)?",
    re.IGNORECASE,
)
_UNITS_MS: Final = {"days": 86_400_000, "hours": 3_600_000, "minutes": 60_000, "seconds": 1000}


def parse_partitions(text: str) -> list[Key]:
    """`topic:0,1,2`. Raises OptionsError."""
    topic, _, numbers = text.partition(":")
    if not topic or not numbers or ":" in numbers:
        raise OptionsError(f"Invalid topic arg '{text}', expected topic name and partitions")
    found: list[Key] = []
    for number in numbers.split(","):
        if not re.fullmatch(r"[-+]?\d+", number):
            raise OptionsError(f"Invalid partition '{number}' specified in topic arg '{text}''")
        found.append((topic, int(number)))
    return found


def parse_datetime(text: str) -> int:
    """Milliseconds since the epoch of YYYY-MM-DDThh:mm:ss[.sss][zone], UTC without a zone. Raises FailedError."""
    if "T" not in text:
        raise FailedError("Error parsing timestamp. It does not contain a 'T' according to ISO8601 format")
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise FailedError(f'Unparseable date: "{text}"') from None
    if found.tzinfo is None:
        found = found.replace(tzinfo=UTC)
    return round(found.timestamp() * 1000)


def parse_duration(text: str) -> int:
    """Milliseconds of PnDTnHnMnS, as java.time.Duration.parse. Raises FailedError."""
    match = _DURATION.fullmatch(text)
    parts = {} if match is None else {name: match[name] for name in _UNITS_MS if match[name] is not None}
    if match is None or not parts:
        raise FailedError("Text cannot be parsed to a Duration")
    length = round(sum(float(value) * _UNITS_MS[name] for name, value in parts.items()))
    return -length if match["sign"] == "-" else length


# --- files --------------------------------------------------------------------------------------------------------


def to_csv(plans: Mapping[str, Plan], *, with_group: bool) -> str:
    """A line a partition, for --from-file."""
    lines: list[str] = []
    for group, plan in sorted(plans.items()):
        before = f"{group}," if with_group else ""
        lines += [f"{before}{topic},{partition},{offset}\n" for (topic, partition), offset in sorted(plan.items())]
    return "".join(lines)


def from_csv(text: str, groups: Collection[str]) -> dict[str, Plan]:
    """Group -> plan. Lines without a group are those of the one in `groups`. Raises FailedError."""
    found: dict[str, Plan] = {}
    for number, row in enumerate(csv.reader(text.splitlines()), 1):
        if not row:
            continue
        if len(row) == 3 and len(groups) == 1:
            row = [*groups, *row]
        try:
            group, topic, partition, offset = row
            found.setdefault(group, {})[topic, int(partition)] = int(offset)
        except ValueError:
            raise FailedError(f"line {number} is not [group,]topic,partition,offset: {','.join(row)}") from None
    return found


# --- plans --------------------------------------------------------------------------------------------------------


def plan(client: Client, group: str, options: Options) -> Plan:
    """The new offset of every partition in scope. Raises OptionsError, ServerError, FailedError."""
    partitions = _scope(client, group, options)
    _must_exist(client, partitions)
    scenario = next((name for name in SCENARIOS if options.has(name)), None)
    value: Any = None if scenario is None else options.last(scenario)
    if scenario == "to-offset":
        return _in_range(client, dict.fromkeys(partitions, value))
    if scenario == "to-earliest":
        return _ends(client, partitions, EARLIEST)
    if scenario == "to-latest":
        return _ends(client, partitions, LATEST)
    if scenario == "to-datetime":
        return _at_time(client, partitions, parse_datetime(value))
    if scenario == "by-duration":
        return _at_time(client, partitions, time.time_ns() // 1_000_000 - parse_duration(value))
    if scenario == "from-file":
        return _from_file(client, group, options)
    if scenario is None:
        names = ", ".join(f"[{name}]" for name in SCENARIOS)
        raise OptionsError(f"Option '[reset-offsets]' requires one of the following scenarios: [{names}]")
    committed = committed_offsets(client, group)
    if scenario == "to-current":
        missing = [key for key in partitions if key not in committed]
        kept = {key: committed[key].offset for key in partitions if key in committed}
        return {**kept, **_ends(client, missing, LATEST)}
    shifted = {}
    for topic, partition in partitions:
        if (topic, partition) not in committed:
            raise OptionsError(
                f"Cannot shift offset for partition {topic}-{partition} since there is no current committed offset"
            )
        shifted[topic, partition] = committed[topic, partition].offset + value
    return _in_range(client, shifted)


def _scope(client: Client, group: str, options: Options) -> list[Key]:
    if options.has("all-topics"):
        return sorted(committed_offsets(client, group))
    if options.has("topic"):
        named = [key for text in options.all("topic") if ":" in text for key in parse_partitions(text)]
        whole = [text for text in options.all("topic") if ":" not in text]
        found, errors = partitions_of(client, whole)
        for code in errors.values():
            raise ServerError(code)
        return [*named, *found]
    if not options.has("from-file"):
        raise OptionsError("One of the reset scopes should be defined: --all-topics, --topic.")
    return []


def _must_exist(client: Client, partitions: Iterable[Key]) -> None:
    wanted = list(partitions)
    led, _ = partitions_of(client, {topic for topic, _ in wanted})
    for problem, code, missing in (
        ("do not exist", ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, [key for key in wanted if key not in led]),
        ("have no leader", ErrorCode.LEADER_NOT_AVAILABLE, [key for key in wanted if not led.get(key, True)]),
    ):
        if missing:
            names = ",".join(f"{topic}-{partition}" for topic, partition in missing)
            raise ServerError(code, f'The partitions "{names}" {problem}')


def _ends(client: Client, partitions: Collection[Key], symbol: int) -> Plan:
    return {key: offset for key, (offset, _) in list_offsets(client, partitions, symbol).items()}


def _at_time(client: Client, partitions: Collection[Key], timestamp_ms: int) -> Plan:
    found = _ends(client, partitions, timestamp_ms)
    behind = [key for key, offset in found.items() if offset < 0]
    for topic, partition in behind:
        # Kafka says so of partitions whose records are all older, too.
        print(f"\nWarn: Partition {partition} from topic {topic} is empty. Falling back to latest known offset.")
    return {**found, **_ends(client, behind, LATEST)}


def _in_range(client: Client, wanted: Plan) -> Plan:
    ends, begins = _ends(client, wanted, LATEST), _ends(client, wanted, EARLIEST)
    found: Plan = {}
    for (topic, partition), offset in wanted.items():
        end, begin = ends[topic, partition], begins[topic, partition]
        bound = min(max(offset, begin), end)
        if bound != offset:
            side = "higher than latest" if offset > end else "lower than earliest"
            print(
                f"WARN New offset ({offset}) is {side} offset for topic partition {topic}-{partition}."
                f" Value will be set to {bound}.",
                file=sys.stderr,
            )
        found[topic, partition] = bound
    return found


def _from_file(client: Client, group: str, options: Options) -> Plan:
    path = options.all("from-file")[0]
    try:
        with open(path, encoding="utf-8") as file:
            plans = from_csv(file.read(), options.all("group"))
    except (OSError, UnicodeDecodeError):
        raise FailedError(f"java.io.IOException: Unable to read file {path}") from None
    if group not in plans:
        print(f"\nError: No reset plan for group {group} found.")
        return {}
    _must_exist(client, plans[group])
    return _in_range(client, plans[group])
