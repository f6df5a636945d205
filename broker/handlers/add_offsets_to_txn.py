"""AddOffsetsToTxn v0-4 (KIP-98): a group's partition of `__consumer_offsets` joins a producer's transaction.

Before TxnOffsetCommit up to v4; from v5 on that adds it itself. Up to v1 a fenced producer is told
INVALID_PRODUCER_EPOCH. Source: kafka.server.KafkaApis.handleAddOffsetsToTxnRequest.

Left out: authorization.
"""

from __future__ import annotations

from typing import Final

from ...coordinator.partitioning import partition_for
from ...coordinator.transaction_events import AddPartitions, PartitionErrors
from ...storage.pending import Pending
from ...wire.errors import ErrorCode, KafkaError
from ...wire.messages.add_offsets_to_txn import AddOffsetsToTxnRequest, AddOffsetsToTxnResponse
from ..context import RequestContext
from ..coordinators import gather
from ..metadata.topic_names import GROUP_METADATA_TOPIC

_FENCED_FROM: Final = 2


def handle(
    request: AddOffsetsToTxnRequest, context: RequestContext
) -> AddOffsetsToTxnResponse | Pending[AddOffsetsToTxnResponse]:
    if not request.transactional_id:
        return AddOffsetsToTxnResponse(error_code=ErrorCode.INVALID_REQUEST)
    broker = context.broker
    try:
        index = partition_for(request.group_id, broker.coordinators.ensure_topic())
    except KafkaError:
        return AddOffsetsToTxnResponse(error_code=ErrorCode.COORDINATOR_NOT_AVAILABLE)
    event = AddPartitions(
        request.transactional_id,
        request.producer_id,
        request.producer_epoch,
        frozenset({(GROUP_METADATA_TOPIC, index)}),
        0,
    )

    def answer(results: list[PartitionErrors]) -> AddOffsetsToTxnResponse:
        (error,) = results[0].errors.values()
        if error is ErrorCode.PRODUCER_FENCED and context.api_version < _FENCED_FROM:
            error = ErrorCode.INVALID_PRODUCER_EPOCH
        return AddOffsetsToTxnResponse(error_code=error)

    return gather([broker.transactions.submit(request.transactional_id, event)], answer)
