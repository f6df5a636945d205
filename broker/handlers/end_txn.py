"""EndTxn v0-5 (KIP-98, KIP-890): commit or abort a producer's transaction.

Answered when the decision is in the coordinator's log; the markers follow. From v5 on (transactions v2) the epoch is
bumped and the answer has the producer id and epoch to go on with. Up to v1 a fenced producer is told
INVALID_PRODUCER_EPOCH. In which state what is allowed: coordinator/transaction_end.py.
Source: kafka.server.KafkaApis.handleEndTxnRequest.

Left out: authorization.
"""

from __future__ import annotations

from typing import Final

from ...coordinator.transaction_events import EndTransaction, ProducerResult
from ...coordinator.transaction_state import EPOCH_BUMP_FROM
from ...storage.pending import Pending
from ...wire.errors import ErrorCode
from ...wire.messages.end_txn import EndTxnRequest, EndTxnResponse
from ..context import RequestContext
from ..coordinators import gather

_EPOCH_BUMP_FROM_VERSION: Final = 5
_FENCED_FROM: Final = 2


def handle(request: EndTxnRequest, context: RequestContext) -> EndTxnResponse | Pending[EndTxnResponse]:
    transactional_id = request.transactional_id
    if not transactional_id:
        return EndTxnResponse(error_code=ErrorCode.INVALID_REQUEST)
    version = EPOCH_BUMP_FROM if context.api_version >= _EPOCH_BUMP_FROM_VERSION else 0
    event = EndTransaction(transactional_id, request.producer_id, request.producer_epoch, request.committed, version)

    def answer(results: list[ProducerResult]) -> EndTxnResponse:
        error, producer_id, producer_epoch = results[0]
        if error is ErrorCode.PRODUCER_FENCED and context.api_version < _FENCED_FROM:
            error = ErrorCode.INVALID_PRODUCER_EPOCH
        return EndTxnResponse(error_code=error, producer_id=producer_id, producer_epoch=producer_epoch)

    return gather([context.broker.transactions.submit(transactional_id, event)], answer)
