"""EndTxn: in which state and at which epoch a transaction may be committed or aborted, by both protocol versions.

Version 1 keeps the epoch: the same EndTxn once more is answered as the first was. From version 2 on (EndTxn v5) the
epoch is bumped, so a retry is known by the epoch before the current one, and an abort of nothing bumps it too, which
a client uses that does not know whether its records arrived. The rows are those of the table in Kafka's
TransactionCoordinator. Source: TransactionCoordinator.endTransaction, endTransactionWithTV1.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

from ..wire.errors import ErrorCode
from .transaction_state import EXHAUSTED_EPOCH, PREPARED, SETTLED, Transaction, TransactionState


class Verdict(Enum):
    """END: write a decision; AGAIN: it was done before, and the answer is the same; all else are errors."""

    END = "end"
    AGAIN = "again"
    CONCURRENT = ErrorCode.CONCURRENT_TRANSACTIONS
    INVALID = ErrorCode.INVALID_TXN_STATE


_S: Final = TransactionState
_END, _AGAIN, _CONCURRENT, _INVALID = Verdict.END, Verdict.AGAIN, Verdict.CONCURRENT, Verdict.INVALID

#: state -> (abort, commit)
_VERSION_1: Final = {
    _S.EMPTY: (_INVALID, _INVALID),
    _S.ONGOING: (_END, _END),
    _S.PREPARE_COMMIT: (_INVALID, _CONCURRENT),
    _S.PREPARE_ABORT: (_CONCURRENT, _INVALID),
    _S.COMPLETE_COMMIT: (_INVALID, _AGAIN),
    _S.COMPLETE_ABORT: (_AGAIN, _INVALID),
}

#: state -> (abort retried, abort, commit retried, commit)
_VERSION_2: Final = {
    _S.EMPTY: (_INVALID, _END, _INVALID, _INVALID),
    _S.ONGOING: (_END, _END, _END, _END),
    _S.PREPARE_COMMIT: (_INVALID, _INVALID, _CONCURRENT, _CONCURRENT),
    _S.PREPARE_ABORT: (_CONCURRENT, _CONCURRENT, _INVALID, _INVALID),
    _S.COMPLETE_COMMIT: (_INVALID, _END, _AGAIN, _INVALID),
    _S.COMPLETE_ABORT: (_AGAIN, _END, _INVALID, _INVALID),
}


def judge_version_1(found: Transaction, producer_id: int, producer_epoch: int, commit: bool) -> Verdict | ErrorCode:
    if found.producer_id != producer_id:
        return ErrorCode.INVALID_PRODUCER_ID_MAPPING
    if found.producer_epoch != producer_epoch:
        return ErrorCode.PRODUCER_FENCED
    return _VERSION_1[found.state][commit]


def judge_version_2(found: Transaction, producer_id: int, producer_epoch: int, commit: bool) -> Verdict | ErrorCode:
    retried_bump = found.producer_epoch == producer_epoch + 1
    # The bump used up the last epoch, so the transaction's end brought a new producer id.
    retried_rotation = (
        found.previous_producer_id == producer_id and producer_epoch == EXHAUSTED_EPOCH and found.producer_epoch == 0
    )
    if found.producer_id != producer_id and not retried_rotation:
        return ErrorCode.INVALID_PRODUCER_ID_MAPPING
    is_current = found.producer_epoch == producer_epoch
    if found.state in PREPARED:
        is_valid = retried_bump
    elif found.state in SETTLED and found.state is not TransactionState.EMPTY:
        is_valid = is_current or retried_bump or retried_rotation
    else:
        is_valid = is_current
    if not is_valid:
        return ErrorCode.PRODUCER_FENCED
    is_retry = retried_bump or retried_rotation
    return _VERSION_2[found.state][2 * commit + (not is_retry)]
