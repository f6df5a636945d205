"""Which transactions' records are still there, as a walk along a log finds out: what their markers hang on.

Source: org.apache.kafka.storage.internals.log.CleanedTransactionMetadata.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from ..wire.batches import BatchHeader
from ..wire.records import CONTROL_ABORT, CONTROL_COMMIT, batch_records, decode_end_txn_marker
from .transactions import AbortedTransaction


class CleanedTransactions:
    """Told of all batches of a log in their order. `aborted`: the transactions that the walk may meet."""

    __slots__ = ("_aborted", "_committing", "_next", "_open_aborted", "_retain")

    def __init__(
        self,
        aborted: Iterable[AbortedTransaction],
        retain: Callable[[AbortedTransaction], object] = lambda _: None,
    ) -> None:
        """`retain` hears of each aborted transaction whose marker and some batch are there: it stays in the index."""
        self._aborted = sorted(aborted, key=lambda one: one.first_offset)
        self._next = 0
        #: By producer id: the transaction, and whether a batch of it was met.
        self._open_aborted: dict[int, tuple[AbortedTransaction, bool]] = {}
        self._committing: set[int] = set()
        self._retain = retain

    def on_batch(self, header: BatchHeader) -> bool:
        """A batch that is no marker: may it go because its transaction was aborted?"""
        self._begin_up_to(header.last_offset)
        if not header.is_transactional:
            return False
        found = self._open_aborted.get(header.producer_id)
        if found is None:
            self._committing.add(header.producer_id)
            return False
        self._open_aborted[header.producer_id] = found[0], True
        return True

    def on_marker(self, header: BatchHeader, batch: bytes | memoryview) -> bool:
        """A control batch: may it go because nothing is left of the transaction that it ends? Raises RecordError."""
        self._begin_up_to(header.last_offset)
        record = next(batch_records(batch), None)
        if record is None:
            return True  # it was emptied before
        marker = decode_end_txn_marker(record)
        if marker is None:
            return False  # of Raft
        if marker[0] == CONTROL_ABORT:
            found = self._open_aborted.pop(header.producer_id, None)
            if found is None or not found[1]:
                return True
            self._retain(found[0])
            return False
        if marker[0] == CONTROL_COMMIT and header.producer_id in self._committing:
            self._committing.discard(header.producer_id)
            return False
        return True

    def _begin_up_to(self, offset: int) -> None:
        while self._next < len(self._aborted) and self._aborted[self._next].first_offset <= offset:
            transaction = self._aborted[self._next]
            self._open_aborted.setdefault(transaction.producer_id, (transaction, False))
            self._next += 1
