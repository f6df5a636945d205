"""TxnOffsetCommit v0-5 (KIP-98, KIP-447, KIP-890): offsets of a group that count when the transaction commits.

Partitions that do not exist are refused first; then the transaction's coordinator is asked whether the group's
partition of `__consumer_offsets` is in the transaction, which v5 adds. v3 names member and generation, which are looked
at if they are there: coordinator/transactional_offsets.py. A fenced producer is told INVALID_PRODUCER_EPOCH in all
versions.
Source: kafka.server.KafkaApis.handleTxnOffsetCommitRequest, GroupCoordinatorService.commitTransactionalOffsets.

Left out: authorization.
"""

from __future__ import annotations

from typing import Any, Final

from ...storage.pending import Pending
from ...wire.errors import ErrorCode, KafkaError
from ...wire.messages.txn_offset_commit import (
    TxnOffsetCommitRequest,
    TxnOffsetCommitRequestTopic,
    TxnOffsetCommitResponse,
    TxnOffsetCommitResponsePartition,
    TxnOffsetCommitResponseTopic,
)
from ..context import RequestContext
from ..coordinators import gather
from ..metadata.topic_names import GROUP_METADATA_TOPIC
from ..partition import Partition
from ..verification import ProducerBatch, Support, verify

_GENERIC_ERROR_FROM: Final = 4
_ADD_PARTITION_FROM: Final = 5
#: Before, a client could not bear COORDINATOR_LOAD_IN_PROGRESS (KAFKA-7296).
_LOADING_FROM: Final = 2

#: An error for each partition of the request, in its order; those to be asked about have none yet.
_Refused = list[list[int | None]]


def handle(
    request: TxnOffsetCommitRequest, context: RequestContext
) -> TxnOffsetCommitResponse | Pending[TxnOffsetCommitResponse]:
    refused: _Refused = [_unknown(topic, context) for topic in request.topics]
    if not request.group_id:
        return _answer(request, refused, ErrorCode.INVALID_GROUP_ID)
    if not request.transactional_id:
        return _answer(request, refused, ErrorCode.INVALID_REQUEST)
    known = [row is None for rows in refused for row in rows]
    if known and not any(known):
        return _answer(request, refused, ErrorCode.NONE)
    coordinators = context.broker.coordinators
    try:
        coordinators.ensure_topic()
        index = coordinators.partition_of(request.group_id)
        partition = context.broker.partitions.get(GROUP_METADATA_TOPIC, index)
    except KafkaError:
        return _answer(request, refused, ErrorCode.COORDINATOR_NOT_AVAILABLE)
    if partition is None:
        return _answer(request, refused, ErrorCode.NOT_COORDINATOR)
    return _verified(request, refused, partition, context)


def _verified(
    request: TxnOffsetCommitRequest, refused: _Refused, partition: Partition, context: RequestContext
) -> TxnOffsetCommitResponse | Pending[TxnOffsetCommitResponse]:
    version = context.api_version
    support = Support((version >= _GENERIC_ERROR_FROM) + (version >= _ADD_PARTITION_FROM))
    key = GROUP_METADATA_TOPIC, partition.index
    batch = ProducerBatch(request.producer_id, request.producer_epoch, -1)
    asked: Any = {}
    if support is Support.ADD_PARTITION or context.broker.config.get("transaction.partition.verification.enable"):
        asked = verify(context.broker, request.transactional_id, {key: (partition, batch)}, support, context.now_ms)

    def commit(errors: Any) -> TxnOffsetCommitResponse | Pending[TxnOffsetCommitResponse]:
        error = errors.get(key, ErrorCode.NONE)
        if error:
            if error is ErrorCode.COORDINATOR_LOAD_IN_PROGRESS and version < _LOADING_FROM:
                error = ErrorCode.COORDINATOR_NOT_AVAILABLE
            return _answer(request, refused, error)
        wanted = _without(request, refused)
        answer = context.broker.coordinators.submit(request.group_id, wanted, context)
        return gather([answer], lambda answers: _merge(request, refused, answers[0]))

    if not isinstance(asked, Pending):
        return commit(asked)
    pending: Pending[TxnOffsetCommitResponse] = Pending()

    def answered(done: Pending[Any]) -> None:
        response = commit(done.result())
        if isinstance(response, Pending):
            response.add_callback(lambda finished: pending.complete(finished.result()))
        else:
            pending.complete(response)

    asked.add_callback(answered)
    return pending


def _unknown(topic: TxnOffsetCommitRequestTopic, context: RequestContext) -> list[int | None]:
    image = context.broker.catalogue.topic(topic.name)
    known = image.partitions if image is not None else {}
    return [None if row.partition_index in known else ErrorCode.UNKNOWN_TOPIC_OR_PARTITION for row in topic.partitions]


def _without(request: TxnOffsetCommitRequest, refused: _Refused) -> TxnOffsetCommitRequest:
    """The request with what the coordinator is to be asked about."""
    topics = []
    for topic, errors in zip(request.topics, refused, strict=True):
        rows = [row for row, error in zip(topic.partitions, errors, strict=True) if error is None]
        if rows:
            topics.append(TxnOffsetCommitRequestTopic(name=topic.name, partitions=rows))
    return TxnOffsetCommitRequest(
        transactional_id=request.transactional_id,
        group_id=request.group_id,
        producer_id=request.producer_id,
        producer_epoch=request.producer_epoch,
        generation_id=request.generation_id,
        member_id=request.member_id,
        group_instance_id=request.group_instance_id,
        topics=topics,
    )


def _merge(
    request: TxnOffsetCommitRequest, refused: _Refused, answer: TxnOffsetCommitResponse
) -> TxnOffsetCommitResponse:
    """The coordinator has answered those it was asked, in their order."""
    errors = iter([row.error_code for topic in answer.topics for row in topic.partitions])
    filled: _Refused = [[next(errors) if error is None else error for error in rows] for rows in refused]
    return _answer(request, filled, ErrorCode.NONE)


def _answer(request: TxnOffsetCommitRequest, refused: _Refused, error: ErrorCode) -> TxnOffsetCommitResponse:
    """`error` for all that have none of their own."""
    return TxnOffsetCommitResponse(
        topics=[
            TxnOffsetCommitResponseTopic(
                name=topic.name,
                partitions=[
                    TxnOffsetCommitResponsePartition(
                        partition_index=row.partition_index, error_code=error if own is None else own
                    )
                    for row, own in zip(topic.partitions, errors, strict=True)
                ],
            )
            for topic, errors in zip(request.topics, refused, strict=True)
        ]
    )
