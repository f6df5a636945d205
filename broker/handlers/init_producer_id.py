"""InitProducerId v0-5 (KIP-98, KIP-360, KIP-890): a producer id for an idempotent or transactional producer.

Without a TransactionalId every request gets a new id at epoch 0, whatever id, epoch and timeout it names; an id
without its epoch, or the other way round, is INVALID_REQUEST. Kafka answers COORDINATOR_LOAD_IN_PROGRESS while it
fetches a block of ids; here the block is there at once, unless the metadata log's disk is full.

With a TransactionalId its coordinator bumps the epoch, which fences the producers before; a transaction that is open is
aborted first, and the client is told CONCURRENT_TRANSACTIONS until that is done. From v3 on a producer may name the id
and epoch it has, to go on after an error. Up to v3 a fenced producer is told INVALID_PRODUCER_EPOCH.
Source: TransactionCoordinator.handleInitProducerId.

Left out: authorization; v6 (KIP-939), which is not stable in 4.3.1.
"""

from __future__ import annotations

import logging
from typing import Final

from ...coordinator.transaction_events import InitProducer, ProducerResult
from ...storage.pending import Pending
from ...wire.errors import ErrorCode, KafkaError
from ...wire.messages.init_producer_id import InitProducerIdRequest, InitProducerIdResponse
from ..context import RequestContext
from ..coordinators import gather

log = logging.getLogger("klamm.producer_ids")

_FENCED_FROM: Final = 4


def handle(
    request: InitProducerIdRequest, context: RequestContext
) -> InitProducerIdResponse | Pending[InitProducerIdResponse]:
    if (request.producer_id == -1) != (request.producer_epoch == -1):
        return _failure(ErrorCode.INVALID_REQUEST)
    transactional_id = request.transactional_id
    if transactional_id is None:
        try:
            return InitProducerIdResponse(producer_id=context.broker.producer_ids.next_id(), producer_epoch=0)
        except KafkaError as error:
            return _no_id(error)
    if not transactional_id:
        return _failure(ErrorCode.INVALID_REQUEST)
    if not 0 < request.transaction_timeout_ms <= context.broker.config.get("transaction.max.timeout.ms"):
        return _failure(ErrorCode.INVALID_TRANSACTION_TIMEOUT)
    event = InitProducer(transactional_id, request.transaction_timeout_ms, request.producer_id, request.producer_epoch)

    def answer(results: list[ProducerResult]) -> InitProducerIdResponse:
        error, producer_id, producer_epoch = results[0]
        if error is ErrorCode.PRODUCER_FENCED and context.api_version < _FENCED_FROM:
            error = ErrorCode.INVALID_PRODUCER_EPOCH
        return InitProducerIdResponse(error_code=error, producer_id=producer_id, producer_epoch=producer_epoch)

    try:
        return gather([context.broker.transactions.submit(transactional_id, event)], answer)
    except KafkaError as error:
        return _no_id(error)


def _no_id(error: KafkaError) -> InitProducerIdResponse:
    """A block of ids could not be reserved: as in Kafka, whose broker then asks its controller again."""
    log.warning("there is no producer id: %s", error)
    return _failure(ErrorCode.COORDINATOR_LOAD_IN_PROGRESS)


def _failure(code: ErrorCode) -> InitProducerIdResponse:
    return InitProducerIdResponse(error_code=code, producer_id=-1, producer_epoch=-1)
