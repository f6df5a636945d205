"""What a broker of Kafka says of itself over JMX, by the JMX exporter's names, and topics by kafka_exporter's.

Counters are additions that the broker makes anyway, or the difference of two offsets; all else is looked up when it is
asked for. No log is opened for it (see log_figures.py).

Left out: times of requests (percentiles of *TimeMs) and errors by code, for which each answer would have to be looked
at, rates by minute (Prometheus makes them from the counters), the JVM.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import TYPE_CHECKING, Final

import trio

from ..api_table import SERVED
from ..metadata.image import NO_LEADER, PartitionImage, TopicImage
from .families import Sample
from .log_figures import Key, LogFigures, figures_of

if TYPE_CHECKING:
    from ..broker import Broker

_TOPIC_METRICS: Final = "kafka_server_brokertopicmetrics"
_RUNNING: Final = 3
_PRODUCE, _FETCH = "Produce", "Fetch"
#: Kafka's name of what waits -> the API whose requests those are.
_PURGATORIES: Final = {"Produce": _PRODUCE, "Fetch": _FETCH, "Rebalance": "JoinGroup"}
#: Partitions looked at before the others on the loop get their turn.
PARTITIONS_A_TURN: Final = 50


async def broker_samples(broker: Broker, unopened: Mapping[Key, LogFigures]) -> AsyncIterator[Sample]:
    """All but groups. `unopened`: see `log_figures.unopened_logs`."""
    for sample in (*_traffic(broker), *_requests(broker), *_cluster(broker)):
        yield sample
    count = 0
    for topic in tuple(broker.catalogue.topics.values()):
        yield Sample("kafka_topic_partitions", {"topic": topic.name}, len(topic.partitions))
        for index in sorted(topic.partitions):
            count += 1
            if count % PARTITIONS_A_TURN == 0:
                await trio.lowlevel.checkpoint()
            image = topic.partitions.get(index)
            if image is None or broker.catalogue.topic(topic.name) is not topic:
                break  # deleted meanwhile
            for sample in _of_partition(topic, image, figures_of(broker, unopened, topic.name, image)):
                yield sample


def _traffic(broker: Broker) -> Iterator[Sample]:
    """Records and bytes, by topic and, with those of deleted topics, in all."""
    rows = {"messagesin": Counter[str](), "bytesin": Counter[str](), "bytesout": Counter[str]()}
    gone = broker.partitions.gone
    totals = {"messagesin": gone.records_in, "bytesin": gone.bytes_in, "bytesout": gone.bytes_out}
    for partition in broker.partitions.opened():
        rows["messagesin"][partition.topic] += partition.records_in
        rows["bytesin"][partition.topic] += partition.bytes_in
        rows["bytesout"][partition.topic] += partition.bytes_out
    for name, by_topic in rows.items():
        yield Sample(f"{_TOPIC_METRICS}_{name}_total", {}, totals[name] + by_topic.total())
        for topic, value in by_topic.items():
            yield Sample(f"{_TOPIC_METRICS}_{name}_total", {"topic": topic}, value)


def _requests(broker: Broker) -> Iterator[Sample]:
    by_name: Counter[str] = Counter()
    for key, count in list(broker.requests.items()):
        name = SERVED[key >> 16].name
        by_name[name] += count
        labels = {"request": name, "version": str(key & 0xFFFF)}
        yield Sample("kafka_network_requestmetrics_requests_total", labels, count)
    yield Sample(f"{_TOPIC_METRICS}_totalproducerequests_total", {}, by_name[_PRODUCE])
    yield Sample(f"{_TOPIC_METRICS}_totalfetchrequests_total", {}, by_name[_FETCH])
    for listener in broker.listeners:
        labels = {"listener": listener.name}
        yield Sample("kafka_server_socket_server_metrics_connection_count", labels, len(listener.connections))
        yield Sample("kafka_server_socket_server_metrics_connection_creation_total", labels, listener.accepted)
    parked = Counter(
        connection.in_flight_api
        for listener in broker.listeners
        for connection in listener.connections
        if connection.in_flight is not None
    )
    for operation, api in _PURGATORIES.items():
        labels = {"delayedOperation": operation}
        yield Sample("kafka_server_delayedoperationpurgatory_purgatorysize", labels, parked[api])
    sessions = len(broker.fetch_sessions)
    yield Sample("kafka_server_fetchsessioncache_numincrementalfetchsessions", {}, sessions)
    yield Sample("kafka_server_kafkaserver_brokerstate", {}, _RUNNING)


def _cluster(broker: Broker) -> Iterator[Sample]:
    catalogue, node_id = broker.catalogue, broker.node_id
    partitions = [(topic, row) for topic in catalogue.topics.values() for row in topic.partitions.values()]
    mine = [(topic, row) for topic, row in partitions if node_id in row.replicas]
    led = [(topic, row) for topic, row in mine if row.leader == node_id]
    for name, value in (
        ("partitioncount", len(mine)),
        ("leadercount", len(led)),
        ("underreplicatedpartitions", sum(len(row.isr) < len(row.replicas) for _, row in led)),
        ("underminisrpartitioncount", sum(len(row.isr) < _min_in_sync(broker, topic, row) for topic, row in led)),
        ("offlinereplicacount", sum(row.leader == NO_LEADER for _, row in mine)),
    ):
        yield Sample(f"kafka_server_replicamanager_{name}", {}, value)
    for name in ("isrshrinks", "isrexpands"):  # there is no follower that could fall behind
        yield Sample(f"kafka_server_replicamanager_{name}_total", {}, 0)
    offline = len(broker.logs.paths) - len(broker.logs.online)
    yield Sample("kafka_log_logmanager_offlinelogdirectorycount", {}, offline)
    active = [row for row in catalogue.brokers.values() if row.is_active]
    for name, value in (
        ("activecontrollercount", 1),
        ("activebrokercount", len(active)),
        ("fencedbrokercount", len(catalogue.brokers) - len(active)),
        ("globaltopiccount", len(catalogue.topics)),
        ("globalpartitioncount", len(partitions)),
        ("offlinepartitionscount", sum(row.leader == NO_LEADER for _, row in partitions)),
        ("preferredreplicaimbalancecount", sum(row.leader != row.replicas[0] for _, row in partitions)),
    ):
        yield Sample(f"kafka_controller_kafkacontroller_{name}", {}, value)
    yield Sample("kafka_brokers", {}, len(active))
    for row in active:
        host, port = next(((end.host, end.port) for end in row.endpoints.values()), ("", 0))
        yield Sample("kafka_broker_info", {"id": str(row.id), "address": f"{host}:{port}"}, 1)


def _min_in_sync(broker: Broker, topic: TopicImage, partition: PartitionImage) -> int:
    """No more than there are replicas (kafka.cluster.Partition.effectiveMinIsr)."""
    wanted = int(topic.configs.get("min.insync.replicas") or broker.config.get("min.insync.replicas"))
    return min(wanted, len(partition.replicas))


def _of_partition(topic: TopicImage, image: PartitionImage, figures: LogFigures | None) -> Iterator[Sample]:
    labels = {"topic": topic.name, "partition": str(image.index)}
    exporter = "kafka_topic_partition"
    yield Sample(f"{exporter}_in_sync_replica", labels, len(image.isr))
    yield Sample(f"{exporter}_leader", labels, image.leader)
    yield Sample(f"{exporter}_leader_is_preferred", labels, image.leader == image.replicas[0])
    yield Sample(f"{exporter}_replicas", labels, len(image.replicas))
    yield Sample(f"{exporter}_under_replicated_partition", labels, len(image.isr) < len(image.replicas))
    if figures is None:
        return
    yield Sample(f"{exporter}_oldest_offset", labels, figures.start)
    if figures.end is not None:
        yield Sample(f"{exporter}_current_offset", labels, figures.end)
    if figures.segments:
        yield Sample("kafka_log_log_size", labels, figures.size_bytes)
        yield Sample("kafka_log_log_logstartoffset", labels, figures.start)
        yield Sample("kafka_log_log_numlogsegments", labels, figures.segments)
        if figures.log_end is not None:
            yield Sample("kafka_log_log_logendoffset", labels, figures.log_end)
