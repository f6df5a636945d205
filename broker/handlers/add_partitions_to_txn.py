"""AddPartitionsToTxn v0-5 (KIP-98, KIP-890): partitions join a producer's transaction before it writes to them.

v0-3 come from producers and speak of one transaction; v4 and v5 come from brokers, speak of several and may only
verify; clients of transactions v2 need neither, their Produce adds what it writes to. Where one partition of a
transaction does not exist none is added: the others are OPERATION_NOT_ATTEMPTED. Up to v1 a fenced producer is told
INVALID_PRODUCER_EPOCH. Source: kafka.server.KafkaApis.handleAddPartitionsToTxnRequest.

Left out: authorization.
"""

from __future__ import annotations

from typing import Final

from ...coordinator.transaction_events import AddPartitions, PartitionErrors, VerifyPartitions
from ...coordinator.transaction_state import EPOCH_BUMP_FROM, TopicPartition
from ...storage.pending import Pending
from ...wire.errors import ErrorCode
from ...wire.messages.add_partitions_to_txn import (
    AddPartitionsToTxnPartitionResult,
    AddPartitionsToTxnRequest,
    AddPartitionsToTxnResponse,
    AddPartitionsToTxnResult,
    AddPartitionsToTxnTopicResult,
    AddPartitionsToTxnTransaction,
)
from ..context import RequestContext
from ..coordinators import gather

#: Several transactions in one request; a client that sends it supports transactions v2.
_BATCHED_FROM: Final = 4
_FENCED_FROM: Final = 2


def handle(
    request: AddPartitionsToTxnRequest, context: RequestContext
) -> AddPartitionsToTxnResponse | Pending[AddPartitionsToTxnResponse]:
    if context.api_version >= _BATCHED_FROM:
        # One that is named twice counts once, with what was said last.
        asked = list({row.transactional_id: row for row in request.transactions}.values())
        return gather(
            [_add(row, context) for row in asked],
            lambda results: AddPartitionsToTxnResponse(
                results_by_transaction=[
                    AddPartitionsToTxnResult(
                        transactional_id=row.transactional_id, topic_results=_topics(result.errors, context)
                    )
                    for row, result in zip(asked, results, strict=True)
                ]
            ),
        )
    only = AddPartitionsToTxnTransaction(
        transactional_id=request.v3_and_below_transactional_id,
        producer_id=request.v3_and_below_producer_id,
        producer_epoch=request.v3_and_below_producer_epoch,
        topics=request.v3_and_below_topics,
    )
    return gather(
        [_add(only, context)],
        lambda results: AddPartitionsToTxnResponse(results_by_topic_v3_and_below=_topics(results[0].errors, context)),
    )


def _add(row: AddPartitionsToTxnTransaction, context: RequestContext) -> PartitionErrors | Pending[PartitionErrors]:
    catalogue = context.broker.catalogue
    partitions = [(topic.name, index) for topic in row.topics for index in topic.partitions]
    unknown = set()
    for name, index in partitions:
        image = catalogue.topic(name)
        if image is None or index not in image.partitions:
            unknown.add((name, index))
    if unknown:
        missing, left = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, ErrorCode.OPERATION_NOT_ATTEMPTED
        return PartitionErrors({key: missing if key in unknown else left for key in partitions})
    if not row.transactional_id:
        return PartitionErrors(dict.fromkeys(partitions, ErrorCode.INVALID_REQUEST))
    identity = row.transactional_id, row.producer_id, row.producer_epoch, frozenset(partitions)
    if row.verify_only:
        return context.broker.transactions.submit(  # type: ignore[no-any-return]
            row.transactional_id, VerifyPartitions(*identity)
        )
    version = EPOCH_BUMP_FROM if context.api_version >= _BATCHED_FROM else 0
    return context.broker.transactions.submit(  # type: ignore[no-any-return]
        row.transactional_id, AddPartitions(*identity, version)
    )


def _topics(errors: dict[TopicPartition, ErrorCode], context: RequestContext) -> list[AddPartitionsToTxnTopicResult]:
    topics: dict[str, list[AddPartitionsToTxnPartitionResult]] = {}
    for (name, index), error in sorted(errors.items()):
        if error is ErrorCode.PRODUCER_FENCED and context.api_version < _FENCED_FROM:
            error = ErrorCode.INVALID_PRODUCER_EPOCH
        topics.setdefault(name, []).append(
            AddPartitionsToTxnPartitionResult(partition_index=index, partition_error_code=error)
        )
    return [AddPartitionsToTxnTopicResult(name=name, results_by_partition=rows) for name, rows in topics.items()]
