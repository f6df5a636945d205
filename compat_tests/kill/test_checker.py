"""The kill test's checker can fail: each promise, broken by hand, is told by its name."""

from __future__ import annotations

from typing import Any

import pytest

from .checker import Acknowledged, Committed, Logged, Read, Report, Stamp, check

ACKNOWLEDGED = [Acknowledged(Stamp(producer, 0, n), 2 * n + producer) for n in range(3) for producer in range(2)]
LOG = [Logged(0, told.offset, told.stamp) for told in ACKNOWLEDGED]
SWAPPED = [Logged(0, 0, LOG[2].stamp), LOG[1], Logged(0, 2, LOG[0].stamp), *LOG[3:]]
GROUP: list[Read | Committed] = [*(Read(0, offset) for offset in range(6)), Committed(0, 6)]


def wrong(report: Report) -> dict[str, int]:
    return {name: len(getattr(report, name)) for name in Report.__slots__ if getattr(report, name)}


def test_a_faithful_broker_is_clean() -> None:
    report = check(ACKNOWLEDGED, LOG, GROUP)
    assert report.clean
    assert str(report) == "nothing lost, doubled or reordered"


def test_records_without_an_acknowledgement_may_be_there_or_not() -> None:
    assert check(ACKNOWLEDGED[:-1], LOG, GROUP).clean
    assert check(ACKNOWLEDGED[:-1], LOG[:-1], GROUP[:-2]).clean


def test_what_was_read_but_not_committed_may_come_again() -> None:
    assert check(ACKNOWLEDGED, LOG, [Read(0, 0), Read(0, 1), Committed(0, 1), Read(0, 1), *GROUP[2:]]).clean


def test_other_partitions_and_producers_do_not_matter() -> None:
    elsewhere = [Acknowledged(Stamp(0, 1, 0), 0)]
    log = [*LOG, Logged(1, 0, Stamp(0, 1, 0))]
    assert check(ACKNOWLEDGED + elsewhere, log, [*GROUP, Read(1, 0)]).clean


@pytest.mark.parametrize(
    ("log", "group", "expected"),
    [
        (LOG[:-1], GROUP, {"lost": 1}),
        ([], [], {"lost": 6}),
        ([*LOG, Logged(0, 6, LOG[2].stamp)], GROUP, {"doubled": 1}),
        ([*LOG, Logged(0, 6, LOG[2].stamp), Logged(0, 7, LOG[2].stamp)], GROUP, {"doubled": 2}),
        # Not acknowledged and yet twice: the producer's retry was not recognised.
        ([*LOG, Logged(0, 6, Stamp(0, 0, 3)), Logged(0, 7, Stamp(0, 0, 3))], GROUP, {"doubled": 1}),
        (
            [Logged(0, 0, LOG[2].stamp), LOG[1], Logged(0, 2, LOG[0].stamp), *LOG[3:]],
            GROUP,
            {"reordered": 1, "misplaced": 2},
        ),
        ([*LOG, Logged(0, 6, Stamp(1, 0, 5)), Logged(0, 7, Stamp(1, 0, 4))], GROUP, {"reordered": 1}),
        ([*LOG[:-1], Logged(0, 9, LOG[-1].stamp)], GROUP, {"misplaced": 1}),
        (LOG, [*GROUP, Read(0, 5)], {"seen_again": 1}),
        (LOG, [*GROUP, Committed(0, 2), Read(0, 4)], {"seen_again": 1}),
        (LOG, GROUP[1:], {"never_read": 1}),
    ],
)
def test_each_broken_promise_is_told(log: Any, group: Any, expected: dict[str, int]) -> None:
    report = check(ACKNOWLEDGED, log, group)
    assert wrong(report) == expected
    assert not report.clean
    assert all(name in str(report) for name in expected)


def test_a_transaction_counts_whole_or_not_at_all() -> None:
    stamps = [record.stamp for record in LOG]
    assert check([], LOG, GROUP, undecided=[stamps, [Stamp(7, 0, 0), Stamp(7, 0, 1)]]).clean
    assert wrong(check([], LOG, GROUP, undecided=[[stamps[0], Stamp(7, 0, 0)]])) == {"torn": 1}
    assert check([], LOG, GROUP, aborted=[Stamp(7, 0, 0)]).clean
    assert wrong(check([], LOG, GROUP, aborted=stamps[:2])) == {"undead": 2}
