"""The metrics of /metrics: each name once, with its type and what it means, and samples put into Prometheus' families.

Names and labels are those of others, so that dashboards made for Kafka work: the Prometheus JMX exporter's with the
rules that its project has for Kafka, in small letters (`kafka_server_brokertopicmetrics_bytesin_total`), and
kafka_exporter's for topics and lag. docs/metrics.md has the table.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from prometheus_client.core import Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.process_collector import ProcessCollector


class Sample(NamedTuple):
    """One value of one metric. `labels`: name -> value."""

    name: str
    labels: Mapping[str, str]
    value: float


#: Name -> what it means. A name that ends in _total is a counter, any other a gauge. Counters begin with the process.
MEANINGS: Final[Mapping[str, str]] = {
    # As the JMX exporter names what a broker of Kafka has.
    "kafka_server_brokertopicmetrics_messagesin_total": "Records appended; without a topic: of all topics.",
    "kafka_server_brokertopicmetrics_bytesin_total": "Bytes of batches appended.",
    "kafka_server_brokertopicmetrics_bytesout_total": "Bytes of batches read for clients.",
    "kafka_server_brokertopicmetrics_totalproducerequests_total": "Produce requests.",
    "kafka_server_brokertopicmetrics_totalfetchrequests_total": "Fetch requests.",
    "kafka_network_requestmetrics_requests_total": "Requests by API and version.",
    "kafka_server_socket_server_metrics_connection_count": "Open connections.",
    "kafka_server_socket_server_metrics_connection_creation_total": "Connections accepted.",
    "kafka_server_delayedoperationpurgatory_purgatorysize": "Requests that wait for something.",
    "kafka_server_fetchsessioncache_numincrementalfetchsessions": "Fetch sessions (KIP-227).",
    "kafka_server_kafkaserver_brokerstate": "3: running.",
    "kafka_server_replicamanager_partitioncount": "Partitions with a replica on this broker.",
    "kafka_server_replicamanager_leadercount": "Partitions that this broker leads.",
    "kafka_server_replicamanager_underreplicatedpartitions": "Led here, with replicas that are not in sync.",
    "kafka_server_replicamanager_underminisrpartitioncount": "Led here, with fewer in sync than min.insync.replicas.",
    "kafka_server_replicamanager_isrshrinks_total": "Replicas that fell behind.",
    "kafka_server_replicamanager_isrexpands_total": "Replicas that caught up.",
    "kafka_log_logmanager_offlinelogdirectorycount": "Of log.dirs those that have failed.",
    "kafka_server_replicamanager_offlinereplicacount": "Replicas of this broker without a leader.",
    "kafka_controller_kafkacontroller_activecontrollercount": "1: this broker is the controller.",
    "kafka_controller_kafkacontroller_activebrokercount": "Brokers that answer.",
    "kafka_controller_kafkacontroller_fencedbrokercount": "Brokers that are registered and do not.",
    "kafka_controller_kafkacontroller_globaltopiccount": "Topics of the cluster.",
    "kafka_controller_kafkacontroller_globalpartitioncount": "Partitions of the cluster.",
    "kafka_controller_kafkacontroller_offlinepartitionscount": "Partitions without a leader.",
    "kafka_controller_kafkacontroller_preferredreplicaimbalancecount": "Partitions that another than the first leads.",
    "kafka_log_log_size": "Bytes of a partition's batches on disk.",
    "kafka_log_log_logstartoffset": "A partition's first offset.",
    "kafka_log_log_logendoffset": "The offset of a partition's next record.",
    "kafka_log_log_numlogsegments": "Segments of a partition's log.",
    "kafka_coordinator_group_groupmetadatamanager_numgroups": "Groups of the classic protocol.",
    "kafka_coordinator_group_groupmetadatamanager_numgroupspreparingrebalance": "Those of them that gather members.",
    "kafka_coordinator_group_groupmetadatamanager_numgroupscompletingrebalance": "Those that wait for assignments.",
    "kafka_coordinator_group_groupmetadatamanager_numgroupsstable": "Those whose members have partitions.",
    "kafka_coordinator_group_groupmetadatamanager_numgroupsempty": "Those without members.",
    "kafka_coordinator_group_groupmetadatamanager_numoffsets": "Committed offsets.",
    "kafka_server_group_coordinator_metrics_group_count": "Groups by protocol.",
    # As kafka_exporter names what it learns from a cluster.
    "kafka_brokers": "Brokers of the cluster.",
    "kafka_broker_info": "1 for each broker, with its address.",
    "kafka_topic_partitions": "Partitions of a topic.",
    "kafka_topic_partition_current_offset": "The offset behind the last record that consumers may read.",
    "kafka_topic_partition_oldest_offset": "A partition's first offset.",
    "kafka_topic_partition_in_sync_replica": "Replicas in sync.",
    "kafka_topic_partition_leader": "The broker that leads a partition, -1 for none.",
    "kafka_topic_partition_leader_is_preferred": "1 if that is the first replica.",
    "kafka_topic_partition_replicas": "Replicas of a partition.",
    "kafka_topic_partition_under_replicated_partition": "1 if some are not in sync.",
    "kafka_consumergroup_members": "Members of a group.",
    "kafka_consumergroup_current_offset": "The offset that a group has committed.",
    "kafka_consumergroup_current_offset_sum": "Their sum over a topic's partitions.",
    "kafka_consumergroup_lag": "Records between a group's offset and the end.",
    "kafka_consumergroup_lag_sum": "Their sum over a topic's partitions.",
}


def families(samples: Iterable[Sample]) -> list[Metric]:
    """The samples by metric, in the order of `MEANINGS`. A metric without samples is left out."""
    found: dict[str, Metric] = {}
    for name, labels, value in samples:
        metric = found.get(name)
        if metric is None:
            kind = "counter" if name.endswith("_total") else "gauge"
            metric = found[name] = Metric(name.removesuffix("_total"), MEANINGS[name], kind)
        metric.add_sample(name, dict(labels), value)
    return [found[name] for name in MEANINGS if name in found]


class _Collected:
    """What an encoder of prometheus_client takes for a registry: these families, and those of this process (memory,
    processor time, file descriptors as process_*; nothing where there is no /proc)."""

    def __init__(self, found: list[Metric]) -> None:
        self._found = found

    def collect(self) -> Iterable[Metric]:
        yield from self._found
        yield from ProcessCollector(registry=None).collect()


def encode(samples: Iterable[Sample], accept: str) -> tuple[bytes, str]:
    """(body, content type): Prometheus' text format, or OpenMetrics for an Accept header that asks for it."""
    encoder, content_type = choose_encoder(accept)
    return encoder(_Collected(families(samples))), content_type
