"""Produce v3-13 (KIP-98, KIP-110, KIP-467, KIP-951, KIP-516).

A batch is checked and appended unread (`storage/log_append.py`). acks=1 and acks=0 end there; acks=all waits for the
high watermark, and so does acks=1 where that waits for the device (flush.messages=1). acks=0 has no answer: an error
closes the connection. From v7 zstd is allowed, from v8 errors name their records, from v10 NOT_LEADER_OR_FOLLOWER
carries the leader, from v13 topics are named by id. Versions 0-2 are advertised and refused (KAFKA-18659).
Source: kafka.server.KafkaApis.handleProduceRequest, ReplicaManager.appendRecords.

The first transactional batch of a producer in a partition is held until the coordinator has said that the partition
is in the transaction: to v10 INVALID_TXN_STATE if not, v11 TRANSACTION_ABORTABLE, from v12 the partition is added. What
keeps the coordinator from saying so is NOT_ENOUGH_REPLICAS, which every client tries again.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final

from ...coordinator.transaction_state import TopicPartition
from ...storage.checks import NotOneBatchError, RecordsRejected
from ...storage.pending import Pending
from ...wire.batches import BATCH_OVERHEAD, COMPRESSION_MASK, MAGIC, TRANSACTIONAL_FLAG, parse_header
from ...wire.errors import ErrorCode, KafkaError
from ...wire.messages.produce import (
    BatchIndexAndErrorMessage,
    PartitionProduceData,
    PartitionProduceResponse,
    ProduceRequest,
    ProduceResponse,
    TopicProduceResponse,
)
from ..context import RequestContext
from ..outgoing import CloseConnection
from ..partition import ATTRIBUTES_LOW, Partition
from ..verification import Errors, ProducerBatch, Support, verify

#: __admin_client may write to internal topics (Kafka's AdminUtils.ADMIN_CLIENT_ID).
ADMIN_CLIENT_ID: Final = "__admin_client"
#: With which Kafka tells the log's start: what the append itself says of records and producers, but not that they are
#: too large or damaged (ReplicaManager.appendRecordsToLeader).
_START_TOLD: Final = frozenset(
    {
        ErrorCode.INVALID_RECORD,
        ErrorCode.INVALID_TIMESTAMP,
        ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER,
        ErrorCode.INVALID_PRODUCER_EPOCH,
        ErrorCode.INVALID_TXN_STATE,
        ErrorCode.NOT_ENOUGH_REPLICAS,
    }
)
#: Errors that Kafka answers without a message.
_UNEXPLAINED: Final = frozenset(
    {
        ErrorCode.MESSAGE_TOO_LARGE,
        ErrorCode.RECORD_LIST_TOO_LARGE,
        ErrorCode.KAFKA_STORAGE_ERROR,
        ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER,
        ErrorCode.INVALID_PRODUCER_EPOCH,
    }
)
_ZSTD: Final = 4
_ZSTD_FROM: Final = 7
#: Where a batch's magic stands.
_MAGIC_AT: Final = 16
_TOPIC_IDS_FROM: Final = 13
#: A coordinator that cannot say yet. Old clients give up on some of these.
_TRY_AGAIN: Final = frozenset(
    {
        ErrorCode.COORDINATOR_LOAD_IN_PROGRESS,
        ErrorCode.COORDINATOR_NOT_AVAILABLE,
        ErrorCode.NOT_COORDINATOR,
    }
)


Answer = ProduceResponse | Pending[ProduceResponse] | None


def handle(request: ProduceRequest, context: RequestContext) -> ProduceResponse | Pending[Any] | None:
    if context.broker.partitions.unopened:
        attempt: Callable[[], Answer] = partial(_handle_opened, request, context)
        return context.broker.warmer.when_warm(attempt)
    return _handle(request, context)


def _handle_opened(request: ProduceRequest, context: RequestContext) -> Answer:
    """Logs from before this start are brought into memory before the first of them is opened. Raises ColdRead."""
    by_id = context.api_version >= _TOPIC_IDS_FROM
    keys = []
    for topic in request.topic_data:
        image = context.broker.catalogue.topic_by_id(topic.topic_id) if by_id else None
        name = image.name if image is not None else topic.name
        keys += [(name, data.index) for data in topic.partition_data]
    context.broker.partitions.warm_up(keys)
    return _handle(request, context)


def _handle(request: ProduceRequest, context: RequestContext) -> Answer:
    if request.transactional_id is None:
        return _produce(request, context, {})
    return _produce_verified(request, request.transactional_id, context)


def _produce_verified(
    request: ProduceRequest, transactional_id: str, context: RequestContext
) -> ProduceResponse | Pending[ProduceResponse] | None:
    """Ask the coordinator first, for all partitions in one go."""
    support = Support(min(max(context.api_version - 10, 0), 2))
    if support is not Support.ADD_PARTITION and not context.broker.config.get(
        "transaction.partition.verification.enable"
    ):
        return _produce(request, context, {})
    asked = verify(context.broker, transactional_id, _batches(request, context), support, context.now_ms)
    if not isinstance(asked, Pending):
        return _produce(request, context, asked)
    produced: Pending[ProduceResponse] = Pending()

    def answered(errors: Pending[Errors]) -> None:
        try:
            response = _produce(request, context, errors.result())
        except CloseConnection as error:
            produced.fail(error)
            return
        if isinstance(response, Pending):
            response.add_callback(lambda done: produced.complete(done.result()))
        else:
            produced.complete(response)  # type: ignore[arg-type]  # None where no answer is due

    asked.add_callback(answered)
    return produced


def _batches(request: ProduceRequest, context: RequestContext) -> dict[TopicPartition, tuple[Partition, ProducerBatch]]:
    """The transactional batches by partition, as far as they can be read and the partitions are led here."""
    broker = context.broker
    found = {}
    for topic in request.topic_data:
        name = topic.name
        if context.api_version >= _TOPIC_IDS_FROM:
            image = broker.catalogue.topic_by_id(topic.topic_id)
            name = "" if image is None else image.name
        for data in topic.partition_data:
            records = data.records
            if records is None or len(records) < BATCH_OVERHEAD or records[_MAGIC_AT] != MAGIC:
                continue
            header = parse_header(records)
            if header.is_transactional:
                try:
                    partition = broker.partitions.get(name, data.index)
                except KafkaError:
                    continue  # the append says it
                if partition is not None:
                    batch = ProducerBatch(header.producer_id, header.producer_epoch, header.base_sequence)
                    found[name, data.index] = partition, batch
    return found


def _produce(
    request: ProduceRequest, context: RequestContext, refused: Errors
) -> ProduceResponse | Pending[ProduceResponse] | None:
    """Append; `refused`: what the coordinator has said of transactional batches."""
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
                if refused and (error_code := refused.get((name, data.index), ErrorCode.NONE)):
                    partition = None  # the append was not tried
                    raise _unverified(error_code)
                answer, end = _append(partition, data, request.transactional_id, context)
                if acks and partition.log.high_watermark < end:
                    waiting.append((partition, end, answer))
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
) -> tuple[PartitionProduceResponse, int]:
    """The answer, and the offset after the batch, which is an earlier one's for a duplicate."""
    records = data.records
    if records is None:
        raise NotOneBatchError(ErrorCode.INVALID_RECORD, "Produce requests must have records")
    if len(records) >= BATCH_OVERHEAD and records[_MAGIC_AT] == MAGIC:
        attributes = records[ATTRIBUTES_LOW]
        if attributes & TRANSACTIONAL_FLAG and transactional_id is None:
            raise KafkaError(ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED)
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
    answer = PartitionProduceResponse(
        index=data.index,
        error_code=0,
        base_offset=info.base_offset,
        log_append_time_ms=info.log_append_time_ms,
        log_start_offset=info.log_start_offset,
        record_errors=[],
    )
    return answer, info.last_offset + 1


def _unverified(error: ErrorCode) -> KafkaError:
    if error is ErrorCode.INVALID_TXN_STATE:
        return KafkaError(error, "Partition was not added to the transaction")
    if error in _TRY_AGAIN:
        return KafkaError(
            ErrorCode.NOT_ENOUGH_REPLICAS,
            f"Unable to verify the partition has been added to the transaction. Underlying error: {error.name}",
        )
    return KafkaError(error)


def _failure(index: int, error: KafkaError, partition: Partition | None) -> PartitionProduceResponse:
    record_errors = error.record_errors if isinstance(error, RecordsRejected) else ()
    start_told = error.code in _START_TOLD and not isinstance(error, NotOneBatchError)
    return PartitionProduceResponse(
        index=index,
        error_code=error.code,
        base_offset=-1,
        log_start_offset=partition.log.log_start_offset if start_told and partition is not None else -1,
        record_errors=[
            BatchIndexAndErrorMessage(batch_index=batch_index, batch_index_error_message=message)
            for batch_index, message in record_errors
        ],
        error_message=error.message if error.code not in _UNEXPLAINED else None,
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
