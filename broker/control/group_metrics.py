"""Groups and their lag, by the names of kafka_exporter and of the JMX exporter.

Lag is what kafka_exporter takes it for: the high watermark less the committed offset, for every offset that a group has
committed in a topic that is there. Where the end of a log is not known yet (see log_figures.py) there is no lag. Shards
that are still being read from the log have no samples yet.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import TYPE_CHECKING, Final

import trio

from ...coordinator.classic_group import ClassicGroup
from .families import Sample
from .log_figures import Key, LogFigures, figures_of

if TYPE_CHECKING:
    from ...coordinator.shard import Shard
    from ..broker import Broker

_MANAGER: Final = "kafka_coordinator_group_groupmetadatamanager"
_STATES: Final = {
    "PreparingRebalance": "numgroupspreparingrebalance",
    "CompletingRebalance": "numgroupscompletingrebalance",
    "Stable": "numgroupsstable",
    "Empty": "numgroupsempty",
}
#: Groups looked at before the others on the loop get their turn.
GROUPS_A_TURN: Final = 50


async def group_samples(broker: Broker, unopened: Mapping[Key, LogFigures]) -> AsyncIterator[Sample]:
    """Every group of the shards that are loaded. `unopened`: see `log_figures.unopened_logs`."""
    shards = broker.coordinators.loaded()
    for sample in _counts(shards):
        yield sample
    count = 0
    for shard in shards:
        for group_id in sorted({*shard.groups, *shard.offsets.groups}):
            count += 1
            if count % GROUPS_A_TURN == 0:
                await trio.lowlevel.checkpoint()
            group = shard.groups.get(group_id)
            if group is not None:
                yield Sample("kafka_consumergroup_members", {"consumergroup": group_id}, len(group.members))
            for sample in _of_group(broker, unopened, shard, group_id):
                yield sample


def _counts(shards: list[Shard]) -> Iterator[Sample]:
    groups = [group for shard in shards for group in shard.groups.values()]
    states = Counter(group.state.value for group in groups if isinstance(group, ClassicGroup))
    yield Sample(f"{_MANAGER}_numgroups", {}, states.total())
    for state, name in _STATES.items():
        yield Sample(f"{_MANAGER}_{name}", {}, states[state])
    offsets = sum(len(rows) for shard in shards for topics in shard.offsets.groups.values() for rows in topics.values())
    yield Sample(f"{_MANAGER}_numoffsets", {}, offsets)
    for protocol, count in (("classic", states.total()), ("consumer", len(groups) - states.total())):
        yield Sample("kafka_server_group_coordinator_metrics_group_count", {"protocol": protocol}, count)


def _of_group(broker: Broker, unopened: Mapping[Key, LogFigures], shard: Shard, group_id: str) -> Iterator[Sample]:
    for topic, offsets in list(shard.offsets.groups.get(group_id, {}).items()):
        image = broker.catalogue.topic(topic)
        there = image.partitions if image is not None else {}
        rows = [(there[index], row) for index, row in sorted(offsets.items()) if index in there]
        lags: list[int] = []
        for partition, committed in rows:
            labels = {"consumergroup": group_id, "topic": topic, "partition": str(partition.index)}
            yield Sample("kafka_consumergroup_current_offset", labels, committed.offset)
            figures = figures_of(broker, unopened, topic, partition)
            if figures is not None and figures.end is not None:
                lags.append(figures.end - committed.offset)
                yield Sample("kafka_consumergroup_lag", labels, lags[-1])
        labels = {"consumergroup": group_id, "topic": topic}
        if rows:
            yield Sample("kafka_consumergroup_current_offset_sum", labels, sum(row.offset for _, row in rows))
        if rows and len(lags) == len(rows):
            yield Sample("kafka_consumergroup_lag_sum", labels, sum(lags))
