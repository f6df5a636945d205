"""Metadata v0-13: brokers, topics, partitions and who leads them (KIP-4, KIP-430, KIP-516, KIP-1102).

v0 without topics means all, from v1 null does. From v4 the client says whether a missing topic may be created (before,
it always may); with auto.create.topics.enable it is then created and answered at once, where Kafka answers
UNKNOWN_TOPIC_OR_PARTITION once or twice first. v10 tells topic ids, v12 takes them: if one topic has an id, only ids
count. v13 has an error for the whole. The address of this broker is the one that the client's connection reached; a
broker that has no such listener is missing, and what it leads is LISTENER_NOT_FOUND (up to v5 LEADER_NOT_AVAILABLE).
v0 leaves unavailable replicas out, with REPLICA_NOT_AVAILABLE. Kafka's order of topics is that of a hash; here it is
the request's. Source: kafka.server.KafkaApis.handleTopicMetadataRequest, KRaftMetadataCache.

Left out: authorization (operations are all that a resource has), REBOOTSTRAP_REQUIRED.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Final

from ...wire.declare import ZERO_UUID
from ...wire.errors import ErrorCode, KafkaError
from ...wire.messages.metadata import (
    MetadataRequest,
    MetadataResponse,
    MetadataResponseBroker,
    MetadataResponsePartition,
    MetadataResponseTopic,
)
from ..authorized_operations import CLUSTER_OPERATIONS, NOT_REQUESTED, TOPIC_OPERATIONS
from ..commit_or_refuse import commit
from ..context import RequestContext
from ..metadata.auto_create import automatic_topic
from ..metadata.image import NO_LEADER, BrokerImage, PartitionImage, TopicImage, is_online
from ..metadata.topic_names import CLUSTER_METADATA_TOPIC, INTERNAL_TOPICS, topic_name_error

_LISTENER_ERROR_FROM: Final = 6
_IDS_FROM: Final = 12

#: Node id -> (host, port).
Addresses = Mapping[int, tuple[str, int]]


def handle(request: MetadataRequest, context: RequestContext) -> MetadataResponse:
    version = context.api_version
    asked = request.topics
    failed = _refusal(request, version)
    if failed is not None:
        return failed
    addresses = broker_addresses(context)
    describe = _describer(context, addresses)
    if asked is None or (version == 0 and not asked):
        topics = [describe(topic) for topic in context.broker.catalogue.topics.values()]
    elif any(topic.topic_id != ZERO_UUID for topic in asked):
        topics = _by_id(dict.fromkeys(topic.topic_id for topic in asked), context, describe)
    else:
        names = dict.fromkeys(topic.name or "" for topic in asked)
        topics = _by_name(names, request.allow_auto_topic_creation, context, describe)
    if request.include_topic_authorized_operations:
        for topic in topics:
            if topic.error_code != ErrorCode.UNKNOWN_TOPIC_ID:
                topic.topic_authorized_operations = TOPIC_OPERATIONS
    brokers = context.broker.catalogue.brokers
    return MetadataResponse(
        brokers=[
            MetadataResponseBroker(node_id=node_id, host=host, port=port, rack=brokers[node_id].rack)
            for node_id, (host, port) in addresses.items()
        ],
        cluster_id=context.broker.cluster_id,
        controller_id=controller_id(context, addresses),
        topics=topics,
        cluster_authorized_operations=(
            CLUSTER_OPERATIONS if request.include_cluster_authorized_operations else NOT_REQUESTED
        ),
    )


def broker_addresses(context: RequestContext, *, include_fenced: bool = False) -> dict[int, tuple[str, int]]:
    """Where this client reaches each broker, by node id in ascending order; brokers without the listener that the
    request came through are left out, and so are fenced ones unless asked for."""
    broker = context.broker
    addresses = {}
    for node_id, image in sorted(broker.catalogue.brokers.items()):
        if image.fenced and not include_fenced:
            continue
        if node_id == broker.node_id:
            addresses[node_id] = broker.advertised(context)
        elif (endpoint := image.endpoints.get(context.listener)) is not None:
            addresses[node_id] = (endpoint.host, endpoint.port)
    return addresses


def controller_id(context: RequestContext, addresses: Addresses) -> int:
    """The broker to which a client sends what is the controller's business: the controller itself if it is one of the
    brokers, else any of them, which passes it on; -1 if there is none."""
    leader = context.broker.catalogue.controller_id
    return leader if leader in addresses else next(iter(addresses), -1)


def _refusal(request: MetadataRequest, version: int) -> MetadataResponse | None:
    """The answer to a request that is wrong as a whole."""
    asked = request.topics or ()
    by_id = any(topic.topic_id != ZERO_UUID for topic in asked)
    if version < _IDS_FROM:
        code = ErrorCode.INVALID_REQUEST
        wrong = by_id or any(topic.name is None for topic in asked)
    else:
        # Neither name nor id: Kafka stumbles over it.
        code = ErrorCode.UNKNOWN_SERVER_ERROR
        wrong = not by_id and any(topic.name is None for topic in asked)
    if not wrong:
        return None
    return MetadataResponse(
        topics=[
            MetadataResponseTopic(error_code=code, name=topic.name or "", topic_id=topic.topic_id) for topic in asked
        ],
        error_code=code,
    )


def _by_id(
    ids: Iterable[bytes], context: RequestContext, describe: Callable[[TopicImage], MetadataResponseTopic]
) -> list[MetadataResponseTopic]:
    topics = []
    for topic_id in ids:
        topic = context.broker.catalogue.topic_by_id(topic_id)
        if topic is not None:
            topics.append(describe(topic))
        elif topic_id != ZERO_UUID:
            topics.append(MetadataResponseTopic(error_code=ErrorCode.UNKNOWN_TOPIC_ID, name=None, topic_id=topic_id))
    return topics


def _by_name(
    names: Iterable[str],
    may_create: bool,
    context: RequestContext,
    describe: Callable[[TopicImage], MetadataResponseTopic],
) -> list[MetadataResponseTopic]:
    catalogue = context.broker.catalogue
    missing = [name for name in names if name not in catalogue.topics]
    if missing and may_create and context.broker.config.get("auto.create.topics.enable"):
        create_missing(missing, context)
    topics = []
    for name in names:
        topic = catalogue.topic(name)
        if topic is not None:
            topics.append(describe(topic))
        else:
            invalid = topic_name_error(name) is not None
            topics.append(
                MetadataResponseTopic(
                    error_code=ErrorCode.INVALID_TOPIC_EXCEPTION if invalid else ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
                    name=name,
                    is_internal=name in INTERNAL_TOPICS,
                )
            )
    return topics


def create_missing(names: Sequence[str], context: RequestContext) -> None:
    """Create what can be created of these topics, as if a client had asked for it. What cannot be is not there
    afterwards: the reason is not told, as in Kafka."""
    broker = context.broker
    wanted = [
        automatic_topic(name, broker.config.get)
        for name in names
        if name != CLUSTER_METADATA_TOPIC and topic_name_error(name) is None
    ]
    change = broker.controller.create_topics(wanted, describe=False)
    with suppress(KafkaError):
        commit(change.records, context)


def _describer(context: RequestContext, addresses: Addresses) -> Callable[[TopicImage], MetadataResponseTopic]:
    """A function that describes a topic as this client sees it."""
    brokers = context.broker.catalogue.brokers
    version = context.api_version
    whole = len(addresses) == len(brokers)

    def describe(topic: TopicImage) -> MetadataResponseTopic:
        return MetadataResponseTopic(
            error_code=ErrorCode.NONE,
            name=topic.name,
            topic_id=topic.topic_id,
            is_internal=topic.is_internal,
            partitions=[
                # Nearly always every broker is there: nothing to look up.
                MetadataResponsePartition(
                    partition_index=partition.index,
                    leader_id=partition.leader,
                    leader_epoch=partition.leader_epoch,
                    replica_nodes=partition.replicas,
                    isr_nodes=partition.isr,
                )
                if whole and partition.leader in addresses
                else _partition(partition, addresses, brokers, version)
                for partition in topic.partitions.values()
            ],
        )

    return describe


def _partition(
    partition: PartitionImage, addresses: Addresses, brokers: Mapping[int, BrokerImage], version: int
) -> MetadataResponsePartition:
    replicas, isr, leader = partition.replicas, partition.isr, partition.leader
    error = ErrorCode.NONE
    if version == 0:
        replicas = [node_id for node_id in replicas if node_id in addresses]
        isr = [node_id for node_id in isr if node_id in addresses]
        if (replicas, isr) != (partition.replicas, partition.isr):
            error = ErrorCode.REPLICA_NOT_AVAILABLE
    if leader not in addresses:
        # A fenced leader is registered, too: only the listener's absence is meant by it.
        known = leader in brokers and version >= _LISTENER_ERROR_FROM
        error = ErrorCode.LISTENER_NOT_FOUND if known else ErrorCode.LEADER_NOT_AVAILABLE
        leader = NO_LEADER
    return MetadataResponsePartition(
        error_code=error,
        partition_index=partition.index,
        leader_id=leader,
        leader_epoch=partition.leader_epoch,
        replica_nodes=replicas,
        isr_nodes=isr,
        offline_replicas=offline_replicas(partition, addresses, brokers),
    )


def offline_replicas(partition: PartitionImage, addresses: Addresses, brokers: Mapping[int, BrokerImage]) -> list[int]:
    """The node ids whose broker is not there, or the folder that the replica lies in (KIP-112)."""
    return [
        node_id
        for node_id in partition.replicas
        if node_id not in addresses or not is_online(partition, node_id, brokers[node_id].log_dirs)
    ]
