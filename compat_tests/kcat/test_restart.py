"""A broker that stops, or is killed, and returns under running kcats: nothing lost, nothing twice."""

from __future__ import annotations

from pathlib import Path

import pytest

from ..support import Broker, unique, wait_until
from .clients import Running, parse, produce, whole_log

BROKER_CONFIG = {"num.partitions": "3"}
EARLIEST = ("-X", "auto.offset.reset=earliest")


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_processes_go_on_over_a_restart(broker: Broker, tmp_path: Path, end: str) -> None:
    topic, group = unique("restart"), unique("group")
    before = [f"{number}|before {number}" for number in range(50)]
    after = [f"{number}|after {number}" for number in range(50)]
    produce(broker, topic, before, "-K", "|", "-z", "lz4")
    group_settings = (*EARLIEST, "-u", "-J", "-q", "-G", group, topic)
    writes = ("-P", "-t", topic, "-K", "|", "-X", "enable.idempotence=true", "-X", "linger.ms=5")
    with (
        Running(broker, tmp_path / "reader", "-C", "-t", topic, "-u", "-J", "-q") as reader,
        Running(broker, tmp_path / "leaves", *group_settings) as leaves,
        Running(broker, tmp_path / "writer", *writes) as writer,
    ):
        wait_until(lambda: len(reader.lines) >= 50 and len(leaves.lines) >= 50, 30, "the records before")
        assert leaves.terminate() == 0

        getattr(broker, end)()
        broker.start()

        writer.write(after)
        assert writer.finish() == 0
        wait_until(lambda: len(reader.lines) >= 100, 30, "the reader to go on")
        followed = [parse(line) for line in reader.lines]
        first_half = [parse(line) for line in leaves.lines]
    with Running(broker, tmp_path / "resumes", *group_settings) as resumes:
        wait_until(lambda: len(resumes.lines) >= 50, 30, "the group to go on")
        assert resumes.terminate() == 0
        second_half = [parse(line) for line in resumes.lines]

    log = whole_log(broker, topic)
    assert sorted(f"{line.key}|{line.payload}" for line in log) == sorted(before + after)
    assert sorted(followed) == sorted(log)
    assert sorted(first_half + second_half) == sorted(log)


def test_two_members_share_and_take_over(broker: Broker, tmp_path: Path) -> None:
    topic, group = unique("shared"), unique("group")
    produce(broker, topic, ["x|first"], "-K", "|")
    settings = (*EARLIEST, "-X", "heartbeat.interval.ms=100", "-u", "-J", "-G", group, topic)

    def assigned(log: str) -> int:
        """How many partitions the member's last assignment had."""
        lines = [line for line in (tmp_path / log).read_text().splitlines() if "assigned:" in line]
        return lines[-1].count(f"{topic} [") if lines else 0

    with Running(broker, tmp_path / "one", *settings) as one:
        wait_until(lambda: assigned("one") == 3, 20, "one member to own all")
        with Running(broker, tmp_path / "two", *settings) as two:
            wait_until(lambda: {assigned("one"), assigned("two")} == {1, 2}, 20, "two members to share")
            produce(broker, topic, [f"{number}|{number}" for number in range(60)], "-K", "|")
            wait_until(lambda: len(one.lines) + len(two.lines) >= 61, 20, "all records")
            assert two.terminate() == 0
            both = one.lines + two.lines
        wait_until(lambda: assigned("one") == 3, 20, "the one that stays to own all")
        assert sorted(map(parse, both)) == sorted(whole_log(broker, topic))
        assert one.terminate() == 0
