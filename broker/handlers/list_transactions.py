"""ListTransactions v0-2 (KIP-664, KIP-994, KIP-1152): the transactional ids that this broker coordinates.

Filters by state and producer id, from v1 by how long a transaction has been going on, from v2 by a pattern (RE2, held
to the whole id). States that nobody knows are named in the answer.
Source: kafka.coordinator.transaction.TransactionStateManager.listTransactionStates.

Left out: authorization.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from ...coordinator.consumer_regex import compile_regex
from ...coordinator.transaction_events import Listed, ListTransactions
from ...coordinator.transaction_state import TransactionState
from ...storage.pending import Pending
from ...wire.errors import ErrorCode, KafkaError
from ...wire.messages.list_transactions import (
    ListTransactionsRequest,
    ListTransactionsResponse,
)
from ...wire.messages.list_transactions import TransactionState as TransactionRow
from ..context import RequestContext
from ..coordinators import gather

_STATES: Final = {state.label: state for state in TransactionState}


def handle(
    request: ListTransactionsRequest, context: RequestContext
) -> ListTransactionsResponse | Pending[ListTransactionsResponse]:
    try:
        matches = _matcher(request.transactional_id_pattern)
    except KafkaError as error:
        return ListTransactionsResponse(error_code=error.code)
    transactions = context.broker.transactions
    known = frozenset(_STATES[name] for name in request.state_filters if name in _STATES)
    unknown = list(dict.fromkeys(name for name in request.state_filters if name not in _STATES))
    if request.state_filters and not known:
        return ListTransactionsResponse(unknown_state_filters=unknown)
    event = ListTransactions(known, frozenset(request.producer_id_filters), request.duration_filter, matches)
    return gather(
        [transactions.submit_to(index, event) for index in transactions.partitions()],
        lambda results: _response(unknown, results),
    )


def _matcher(pattern: str | None) -> Callable[[str], bool]:
    """Raises KafkaError(INVALID_REGULAR_EXPRESSION)."""
    if not pattern:
        return lambda _: True
    compiled = compile_regex(pattern)
    return lambda transactional_id: compiled.fullmatch(transactional_id) is not None


def _response(unknown: list[str], results: list[Listed]) -> ListTransactionsResponse:
    loading = any(result.error is ErrorCode.COORDINATOR_LOAD_IN_PROGRESS for result in results)
    return ListTransactionsResponse(
        error_code=ErrorCode.COORDINATOR_LOAD_IN_PROGRESS if loading else ErrorCode.NONE,
        unknown_state_filters=unknown,
        transaction_states=[]
        if loading
        else [
            TransactionRow(
                transactional_id=transactional_id,
                producer_id=found.producer_id,
                transaction_state=found.state.label,
            )
            for result in results
            for transactional_id, found in result.transactions
        ],
    )
