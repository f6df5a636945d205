"""Produce v3-13 (KIP-98, KIP-110, KIP-467, KIP-951, KIP-516).

A batch is checked and appended unread (`storage/log.py`). acks=1 and acks=0 end there; acks=all waits for the high
watermark. acks=0 has no answer: an error closes the connection. From v7 zstd is allowed, from v8 errors name their
records, from v10 NOT_LEADER_OR_FOLLOWER carries the leader, from v13 topics are named by id. Versions 0-2 are
advertised and refused (KAFKA-18659). Source: kafka.server.KafkaApis.handleProduceRequest, ReplicaManager.appendRecords.

Left out: transactions come with their coordinator. Until then a transactional batch is answered as if its partition
were not in the transaction: INVALID_TXN_STATE, from v11 TRANSACTION_ABORTABLE.
"""

from __future__ import annotations

from functools import partial
from typing import Final

from ...storage.checks import NotOneBatchError, RecordsRejected
from ...storage.pending import Pending
from ...wire.errors import ErrorCode, KafkaError
from ...wire.messages.produce import (
    BatchIndexAndErrorMessage,
    PartitionProduceData,
    PartitionProduceResponse,
    ProduceRequest,
    ProduceResponse,
    TopicProduceResponse,
)
from ...wire.records import BATCH_OVERHEAD, COMPRESSION_MASK, MAGIC, TRANSACTIONAL_FLAG
from ..connection import CloseConnection
from ..context import RequestContext
from ..partition import Partition

#: __admin_client may write to internal topics (Kafka's AdminUtils.ADMIN_CLIENT_ID).
ADMIN_CLIENT_ID: Final = "__admin_client"
_RECORDS_REFUSED: Final = frozenset({ErrorCode.INVALID_RECORD, ErrorCode.INVALID_TIMESTAMP})
_ZSTD: Final = 4
_ZSTD_FROM: Final = 7
#: Where a batch's magic and the low byte of its attributes stand.
_MAGIC_AT: Final = 16
_ATTRIBUTES_LOW: Final = 22
_TOPIC_IDS_FROM: Final = 13


def handle(request: ProduceRequest, context: RequestContext) -> ProduceResponse | Pending[ProduceResponse] | None:
    acks = request.acks
    broker = context.broker
    by_id = context.api_version >= _TOPIC_IDS_FROM
    find = broker.partitions.get
    topics = []
    waiting: list[tuple[Partition, int, PartitionProduceResponse]] = []
    failed = False
    for topic in request.topic_data:
        if not topic.partition_data:
            continue  # not answered either
        answers = []
        name, missing = topic.name, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
        if by_id:
            image = broker.catalogue.topic_by_id(topic.topic_id)
            name, missing = ("", ErrorCode.UNKNOWN_TOPIC_ID) if image is None else (image.name, missing)
        asked = topic.partition_data
        if len(asked) > 1:
            # A partition that is named twice counts once, with what was said last.
            asked = list({data.index: data for data in asked}.values())
        for data in asked:
            partition = None
            try:
                partition = find(name, data.index)
                if partition is None:
                    raise KafkaError(missing)
                if acks not in (1, -1, 0):
                    raise KafkaError(ErrorCode.INVALID_REQUIRED_ACKS)
                answer = _append(partition, data, request.transactional_id, context)
                if acks == -1 and partition.log.high_watermark < partition.log.log_end_offset:
                    waiting.append((partition, partition.log.log_end_offset, answer))
            except KafkaError as error:
                failed = True
                answer = _failure(data.index, error, partition)
            answers.append(answer)
        topics.append(TopicProduceResponse(name=name, topic_id=topic.topic_id, partition_responses=answers))
    if acks == 0:
        if failed:
            raise CloseConnection("a Produce request with acks=0 failed")
        return None
    response = ProduceResponse(responses=topics)
    return _when_replicated(response, waiting, request.timeout_ms, context) if waiting else response


def _append(
    partition: Partition, data: PartitionProduceData, transactional_id: str | None, context: RequestContext
) -> PartitionProduceResponse:
    records = data.records
    if records is None:
        raise NotOneBatchError(ErrorCode.INVALID_RECORD, "Produce requests must have records")
    if len(records) >= BATCH_OVERHEAD and records[_MAGIC_AT] == MAGIC:
        attributes = records[_ATTRIBUTES_LOW]
        if attributes & TRANSACTIONAL_FLAG:
            _refuse_transactional(transactional_id, context.api_version)
        if attributes & COMPRESSION_MASK == _ZSTD and context.api_version < _ZSTD_FROM:
            raise KafkaError(
                ErrorCode.UNSUPPORTED_COMPRESSION_TYPE,
                f"Produce requests with version {context.api_version} are not allowed to use ZStandard compression",
            )
    if partition.topic[:2] == "__" and context.client_id != ADMIN_CLIENT_ID:
        image = context.broker.catalogue.topic(partition.topic)
        if image is not None and image.is_internal:
            raise KafkaError(ErrorCode.INVALID_TOPIC_EXCEPTION, f"Cannot append to internal topic {partition.topic}")
    info = partition.append(records, context.now_ms)
    return PartitionProduceResponse(
        index=data.index,
        error_code=0,
        base_offset=info.base_offset,
        log_append_time_ms=info.log_append_time_ms,
        log_start_offset=info.log_start_offset,
        record_errors=[],
    )


def _refuse_transactional(transactional_id: str | None, version: int) -> None:
    if transactional_id is None:
        raise KafkaError(ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED)
    raise KafkaError(ErrorCode.TRANSACTION_ABORTABLE if version >= 11 else ErrorCode.INVALID_TXN_STATE)


def _failure(index: int, error: KafkaError, partition: Partition | None) -> PartitionProduceResponse:
    record_errors = error.record_errors if isinstance(error, RecordsRejected) else ()
    # Kafka tells the log's start where records were looked at and refused, and for no other error.
    refused = error.code in _RECORDS_REFUSED and not isinstance(error, NotOneBatchError)
    return PartitionProduceResponse(
        index=index,
        error_code=error.code,
        base_offset=-1,
        log_start_offset=partition.log.log_start_offset if refused and partition is not None else -1,
        record_errors=[
            BatchIndexAndErrorMessage(batch_index=batch_index, batch_index_error_message=message)
            for batch_index, message in record_errors
        ],
        error_message=error.message,
    )


def _when_replicated(
    response: ProduceResponse,
    waiting: list[tuple[Partition, int, PartitionProduceResponse]],
    timeout_ms: int,
    context: RequestContext,
) -> Pending[ProduceResponse]:
    """The response once every partition's high watermark has passed its batch, or the timeout has."""
    pending: Pending[ProduceResponse] = Pending()
    open_answers = {id(answer): answer for _, _, answer in waiting}

    def settle(answer: PartitionProduceResponse, error: KafkaError | None) -> None:
        if open_answers.pop(id(answer), None) is not None and error is not None:
            answer.error_code = error.code
        if not open_answers and not pending.done:
            timer.cancel()
            pending.complete(response)

    def time_out() -> None:
        for answer in list(open_answers.values()):
            settle(answer, KafkaError(ErrorCode.REQUEST_TIMED_OUT))

    timer = context.broker.timers.call_at(context.now_ms + timeout_ms, time_out)
    for partition, offset, answer in waiting:
        partition.when_high_watermark(offset, partial(settle, answer))
    return pending
