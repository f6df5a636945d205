"""DescribeTransactions v0 (KIP-664): what the coordinator knows of transactional ids.

Of a transaction that is being ended only the partitions are named that have no marker yet.
Source: kafka.coordinator.transaction.TransactionCoordinator.handleDescribeTransactions.

Left out: authorization.
"""

from __future__ import annotations

from ...coordinator.transaction_events import Described, DescribeTransaction
from ...storage.pending import Pending
from ...wire.errors import ErrorCode
from ...wire.messages.describe_transactions import (
    DescribeTransactionsRequest,
    DescribeTransactionsResponse,
    TopicData,
    TransactionState,
)
from ..context import RequestContext
from ..coordinators import gather


def handle(
    request: DescribeTransactionsRequest, context: RequestContext
) -> DescribeTransactionsResponse | Pending[DescribeTransactionsResponse]:
    asked = request.transactional_ids
    return gather(
        [_ask(transactional_id, context) for transactional_id in asked],
        lambda results: DescribeTransactionsResponse(
            transaction_states=[_row(*pair) for pair in zip(asked, results, strict=True)]
        ),
    )


def _ask(transactional_id: str, context: RequestContext) -> Described | Pending[Described]:
    if not transactional_id:
        return Described(ErrorCode.INVALID_REQUEST)
    return context.broker.transactions.submit(  # type: ignore[no-any-return]
        transactional_id, DescribeTransaction(transactional_id)
    )


def _row(transactional_id: str, result: Described) -> TransactionState:
    found = result.transaction
    if found is None:
        return TransactionState(
            error_code=result.error,
            transactional_id=transactional_id,
            transaction_state="",
            transaction_timeout_ms=0,
            transaction_start_time_ms=0,
            producer_id=0,
            producer_epoch=0,
            topics=[],
        )
    topics: dict[str, list[int]] = {}
    for name, index in sorted(found.partitions):
        topics.setdefault(name, []).append(index)
    return TransactionState(
        error_code=ErrorCode.NONE,
        transactional_id=transactional_id,
        transaction_state=found.state.label,
        transaction_timeout_ms=found.timeout_ms,
        transaction_start_time_ms=found.start_ms,
        producer_id=found.producer_id,
        producer_epoch=found.producer_epoch,
        topics=[TopicData(topic=name, partitions=indexes) for name, indexes in topics.items()],
    )
