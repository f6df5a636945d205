"""Every config that Kafka 4.3.1 knows, by name: 360 of brokers, 34 of topics, 17 of groups, 3 of client metrics.

The rows are in the files beside this one, a family each. `standing` says of each whether klamm honours it.
Source: kafka.server.KafkaConfig, org.apache.kafka.storage.internals.log.LogConfig,
org.apache.kafka.coordinator.group.GroupConfig, org.apache.kafka.server.metrics.ClientMetricsConfigs.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from . import cluster, coordinators, log, network, own, resources, security, tiers, topic
from .kinds import Key


def _by_name(*tables: Iterable[tuple[Any, ...]]) -> dict[str, Key]:
    return {row[0]: Key(*row) for rows in tables for row in rows}


BROKER: Final[dict[str, Key]] = _by_name(
    network.ROWS, log.ROWS, coordinators.ROWS, cluster.ROWS, security.ROWS, tiers.ROWS, own.ROWS
)
#: Broker configs that no server.properties may have: they are set at run time.
QUOTA: Final[dict[str, Key]] = _by_name(cluster.QUOTA_ROWS)
TOPIC: Final[dict[str, Key]] = _by_name(topic.ROWS)
GROUP: Final[dict[str, Key]] = _by_name(resources.GROUP_ROWS)
CLIENT_METRICS: Final[dict[str, Key]] = _by_name(resources.CLIENT_METRICS_ROWS)


class Different(NamedTuple):
    """A default of klamm's own, and the reason for it."""

    default: str
    reason: str


_ONE_BROKER = "internal topics follow the number of brokers, which is one"

#: Where klamm's default is another than Kafka's: what only hurts on one machine. All else is Kafka's.
DIFFERENT_DEFAULTS: Final[dict[str, Different]] = {
    "node.id": Different("1", "a lone broker needs no name from its user"),
    "process.roles": Different("broker,controller", "klamm's broker is its own controller"),
    "controller.listener.names": Different("CONTROLLER", "names the listener that files for Kafka give the controller"),
    "listeners": Different("PLAINTEXT://127.0.0.1:9092", "without authentication it is not for the whole network"),
    "log.dir": Different("klamm-data", "a folder under the working directory, which no reboot empties as it does /tmp"),
    "group.initial.rebalance.delay.ms": Different("0", "waiting 3 s for more members makes each test 3 s slower"),
    "group.consumer.assignment.interval.ms": Different("0", "a second member waits up to 6 s for its partitions"),
    "offsets.topic.replication.factor": Different("1", _ONE_BROKER),
    "transaction.state.log.replication.factor": Different("1", _ONE_BROKER),
    "transaction.state.log.min.isr": Different("1", _ONE_BROKER),
    "share.coordinator.state.topic.replication.factor": Different("1", _ONE_BROKER),
    "share.coordinator.state.topic.min.isr": Different("1", _ONE_BROKER),
    "socket.listen.backlog.size": Different("1024", "of 100 clients that connect at once, those beyond 50 wait 1 s"),
}


def broker_default(name: str) -> str | None:
    """klamm's default of a broker config, as text; None for null, and for a name that has none."""
    different = DIFFERENT_DEFAULTS.get(name)
    if different is not None:
        return different.default
    key = BROKER.get(name)
    return None if key is None else key.default


def topic_config(name: str) -> Key | None:
    """The topic config of that name, None if Kafka has none."""
    return TOPIC.get(name)
