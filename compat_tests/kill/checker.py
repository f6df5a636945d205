"""Did a broker keep its word over kills? A pure function from what clients were told to what went wrong."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple


class Stamp(NamedTuple):
    """What a record says of itself: its producer, its partition, and its number there, counted from 0."""

    producer: int
    partition: int
    sequence: int


class Acknowledged(NamedTuple):
    """The broker told the producer that this record is in the log, and where."""

    stamp: Stamp
    offset: int


class Logged(NamedTuple):
    """A record of the log as it is read at the end."""

    partition: int
    offset: int
    stamp: Stamp


class Read(NamedTuple):
    """The group's consumer was handed the record at this offset."""

    partition: int
    offset: int


class Committed(NamedTuple):
    """The group's commit of this position (the offset to read next) was answered without error."""

    partition: int
    position: int


@dataclass(frozen=True, slots=True)
class Report:
    """What went wrong; every list is empty when nothing did."""

    lost: list[Acknowledged] = field(default_factory=list)  # acknowledged, and nowhere in the log
    misplaced: list[Acknowledged] = field(default_factory=list)  # in the log, not at the acknowledged offset
    doubled: list[Logged] = field(default_factory=list)  # the second and later copies in the log
    reordered: list[Logged] = field(default_factory=list)  # behind a later one of its producer in its partition
    seen_again: list[Read] = field(default_factory=list)  # handed to the group below a position it had committed
    never_read: list[Acknowledged] = field(default_factory=list)  # acknowledged, and the group went past it
    undead: list[Logged] = field(default_factory=list)  # of an aborted transaction, and among what is committed
    torn: list[list[Stamp]] = field(default_factory=list)  # transactions of which a part is committed

    @property
    def clean(self) -> bool:
        return not any(getattr(self, name) for name in self.__slots__)

    def __str__(self) -> str:
        told = [f"{name}: {len(found)} ({found[:5]})" for name in self.__slots__ if (found := getattr(self, name))]
        return "; ".join(told) or "nothing lost, doubled or reordered"


def check(
    acknowledged: Iterable[Acknowledged],
    log: Iterable[Logged],
    group: Iterable[Read | Committed],
    aborted: Iterable[Stamp] = (),
    undecided: Iterable[list[Stamp]] = (),
) -> Report:
    """log: what is committed, by ascending offset in each partition. group: in the order in which the consumer saw
    them happen. aborted: the broker told the producer so. undecided: transactions whose end the producer was not told.

    A record that was sent and never acknowledged may be in the log once or not at all.
    """
    report = Report()
    condemned = set(aborted)
    offset_of: dict[Stamp, int] = {}
    newest: dict[tuple[int, int], int] = defaultdict(lambda: -1)
    for record in log:
        stamp = record.stamp
        if stamp in condemned:
            report.undead.append(record)
        if stamp in offset_of:
            report.doubled.append(record)
            continue
        offset_of[stamp] = record.offset
        if stamp.sequence < newest[stamp.producer, stamp.partition]:
            report.reordered.append(record)
        newest[stamp.producer, stamp.partition] = max(stamp.sequence, newest[stamp.producer, stamp.partition])

    report.torn.extend(stamps for stamps in undecided if 0 < sum(stamp in offset_of for stamp in stamps) < len(stamps))
    position: dict[int, int] = defaultdict(int)
    read: set[Read] = set()
    for event in group:
        if isinstance(event, Committed):
            position[event.partition] = max(event.position, position[event.partition])
            continue
        read.add(event)
        if event.offset < position[event.partition]:
            report.seen_again.append(event)

    for told in acknowledged:
        found = offset_of.get(told.stamp)
        if found is None:
            report.lost.append(told)
        elif found != told.offset:
            report.misplaced.append(told)
        elif Read(told.stamp.partition, told.offset) not in read:
            report.never_read.append(told)
    return report
