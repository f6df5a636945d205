"""InitProducerId v0-5 (KIP-98, KIP-360, KIP-890): a producer id for an idempotent producer.

Without a TransactionalId every request gets a new id at epoch 0, whatever id, epoch and timeout it names; an id
without its epoch, or the other way round, is INVALID_REQUEST. Kafka answers COORDINATOR_LOAD_IN_PROGRESS while it
fetches a block of ids; here the block is there at once. Source: TransactionCoordinator.handleInitProducerId.

Left out: transactions come with their coordinator. Until then a TransactionalId is checked as far as Kafka checks it
before it asks the coordinator's state, and then answered as by a broker whose coordinator is not available:
COORDINATOR_NOT_AVAILABLE. v6 (KIP-939) is not stable in 4.3.1.
"""

from __future__ import annotations

from ...wire.errors import ErrorCode
from ...wire.messages.init_producer_id import InitProducerIdRequest, InitProducerIdResponse
from ..context import RequestContext


def handle(request: InitProducerIdRequest, context: RequestContext) -> InitProducerIdResponse:
    if (request.producer_id == -1) != (request.producer_epoch == -1):
        return _failure(ErrorCode.INVALID_REQUEST)
    transactional_id = request.transactional_id
    if transactional_id is None:
        return InitProducerIdResponse(producer_id=context.broker.producer_ids.next_id(), producer_epoch=0)
    if not transactional_id:
        return _failure(ErrorCode.INVALID_REQUEST)
    if not 0 < request.transaction_timeout_ms <= context.broker.config.get("transaction.max.timeout.ms"):
        return _failure(ErrorCode.INVALID_TRANSACTION_TIMEOUT)
    return _failure(ErrorCode.COORDINATOR_NOT_AVAILABLE)


def _failure(code: ErrorCode) -> InitProducerIdResponse:
    return InitProducerIdResponse(error_code=code, producer_id=-1, producer_epoch=-1)
