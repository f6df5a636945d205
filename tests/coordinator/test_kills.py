"""Coordinators are killed at any moment, by seeds. Whatever happens:

- a transaction is all or nothing: the output has each record up to the committed offset, once (`World.check_settled`);
- committed is never lost: offsets that a client was told are committed are those of the log below the high watermark;
- a partition has one owner, and no member that was fenced commits;
- nothing stays open: in the end every transaction is complete, no offset pending, no partition with an open producer;
- members find their way back: once nothing is lost any more, every client commits again;
- what is rebuilt from the log, whole or compacted, is what the live shards know.

A seed that fails is in the test's name. `KLAMM_KILL_SEEDS=5000 pytest tests/coordinator/test_kills.py`, or `make
kills`, runs more of them.
"""

from __future__ import annotations

import os

import pytest

from .compaction import compact, known, load, whole
from .exactly_once import World

SEEDS = int(os.environ.get("KLAMM_KILL_SEEDS", "200"))
STEPS = 250


@pytest.mark.parametrize("seed", range(SEEDS))
def test_exactly_once_over_kills(seed: int) -> None:
    world = World(seed)
    for _ in range(STEPS):
        world.step()
        world.check_owners()
    # At least these two, in the middle of whatever is going on.
    world.kill_groups()
    world.kill_transactions()
    world.check_rebuilt()
    world.heal()
    assert world.live_in_peace()
    world.settle()
    world.check_settled()
    world.check_rebuilt()
    groups = world.groups
    everything = known(load(groups.new_shard(), whole(groups.log)))
    for cut in world.random.sample(sorted(groups.batch_ends), k=min(4, len(groups.batch_ends))):
        for keep_tombstones in (True, False):
            compacted = compact(groups.log, cut, keep_tombstones=keep_tombstones)
            assert known(load(groups.new_shard(), compacted)) == everything, f"compacted below {cut}"
