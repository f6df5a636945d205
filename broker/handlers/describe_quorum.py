"""DescribeQuorum v0-2 (KIP-595, KIP-836, KIP-853): who leads the metadata log, and how far its voters are.

The log's only voter is the broker itself, which is its own controller; its listeners are the broker's. Exactly the one
partition of `__cluster_metadata` may be asked for: with anything else each partition is UNKNOWN_TOPIC_OR_PARTITION.
Source: org.apache.kafka.raft.KafkaRaftClient.handleDescribeQuorumRequest.

Left out: other voters, and observers.
"""

from __future__ import annotations

from typing import Final

from ...wire.declare import ZERO_UUID
from ...wire.errors import ErrorCode
from ...wire.messages.describe_quorum import (
    DescribeQuorumRequest,
    DescribeQuorumResponse,
    DescribeQuorumResponsePartitionData,
    DescribeQuorumResponseTopicData,
    Listener,
    Node,
    ReplicaState,
)
from ..context import RequestContext
from ..metadata.topic_names import CLUSTER_METADATA_TOPIC
from .metadata import broker_addresses

_NODES_FROM: Final = 2
_DIRECTORY_FROM: Final = 2
_NOT_HOSTED: Final = "This server does not host this topic-partition."


def handle(request: DescribeQuorumRequest, context: RequestContext) -> DescribeQuorumResponse:
    asked = [(topic.topic_name, [row.partition_index for row in topic.partitions]) for topic in request.topics]
    if asked != [(CLUSTER_METADATA_TOPIC, [0])]:
        return DescribeQuorumResponse(
            error_code=ErrorCode.NONE,
            error_message="",
            topics=[
                DescribeQuorumResponseTopicData(
                    topic_name=name,
                    partitions=[
                        DescribeQuorumResponsePartitionData(
                            partition_index=index,
                            error_code=ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
                            error_message=_NOT_HOSTED,
                        )
                        for index in indexes
                    ],
                )
                for name, indexes in asked
            ],
        )
    leader = context.broker.catalogue.controller_id
    return DescribeQuorumResponse(
        error_code=ErrorCode.NONE,
        error_message="",
        topics=[DescribeQuorumResponseTopicData(topic_name=CLUSTER_METADATA_TOPIC, partitions=[_quorum(context)])],
        nodes=[
            Node(node_id=node_id, listeners=[Listener(name=context.listener, host=host, port=port)])
            for node_id, (host, port) in broker_addresses(context).items()
            if node_id == leader and context.api_version >= _NODES_FROM
        ],
    )


def _quorum(context: RequestContext) -> DescribeQuorumResponsePartitionData:
    broker = context.broker
    catalogue = broker.catalogue
    end = broker.metadata_log.next_offset
    voter = ReplicaState(
        replica_id=catalogue.controller_id,
        # Voters that are configured, and not in the log (kraft.version 0), have none.
        replica_directory_id=(
            broker.logs.directory_id if context.api_version >= _DIRECTORY_FROM and catalogue.voters else ZERO_UUID
        ),
        log_end_offset=end,
        # The leader's own: it has just now caught up with itself.
        last_fetch_timestamp=context.now_ms,
        last_caught_up_timestamp=context.now_ms,
    )
    return DescribeQuorumResponsePartitionData(
        partition_index=0,
        error_code=ErrorCode.NONE,
        error_message="",
        leader_id=catalogue.controller_id,
        leader_epoch=catalogue.leader_epoch,
        high_watermark=end,
        current_voters=[voter],
        observers=[],
    )
