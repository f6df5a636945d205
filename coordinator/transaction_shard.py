"""One shard of the transaction coordinator: the transactional ids of one partition of `__transaction_state`.

The caller drives it as it drives a group shard (`shard.py`), and does one thing more: once a decision (PrepareCommit,
PrepareAbort) is safe it writes the end markers that the effects name, and tells `markers_written` of each partition
that has one. When all have, the shard writes that the transaction is complete. A decision that is found in the log at
the start, or was made by `tick` for a producer that let its time pass, goes the same way, so that a transaction ends
after a crash at any point.

    Empty, Complete* --AddPartitions--> Ongoing --EndTxn--> Prepare* --markers--> Complete*

Source: kafka.coordinator.transaction.TransactionCoordinator, TransactionStateManager.

Left out: two-phase commit (KIP-939, `transaction.two.phase.commit.enable`), which is not stable in 4.3.1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Final

from ..wire.batches import NO_PRODUCER_EPOCH, NO_PRODUCER_ID
from ..wire.errors import ErrorCode, KafkaError
from .responses import error_of_log
from .timers import Deadlines
from .transaction_end import Verdict, judge_version_1, judge_version_2
from .transaction_events import (
    AddPartitions,
    Answer,
    Asked,
    Described,
    DescribeTransaction,
    EndTransaction,
    InitProducer,
    Listed,
    ListTransactions,
    Markers,
    PartitionErrors,
    ProducerResult,
    Result,
    TransactionEffects,
    VerifyPartitions,
    refusal,
)
from .transaction_state import (
    EPOCH_BUMP_FROM,
    EXHAUSTED_EPOCH,
    MAX_EPOCH,
    PREPARED,
    PREVIOUS_STATES,
    SETTLED,
    TopicPartition,
    Transaction,
    TransactionRecord,
    TransactionState,
)

#: When what the log has not taken is tried again.
RETRY_MS: Final = 100

_NOBODY: Final = Asked(None, DescribeTransaction(""))


@dataclass(frozen=True, slots=True)
class TransactionSettings:
    """`transaction_version`: the finalized level, by which the coordinator itself ends transactions."""

    transactional_id_expiration_ms: int = 604_800_000  # transactional.id.expiration.ms
    transaction_version: Callable[[], int] = lambda: EPOCH_BUMP_FROM


class TransactionShard:
    """`transactions`: by transactional id. `new_producer_id`: one that nobody has had; may raise KafkaError."""

    def __init__(self, settings: TransactionSettings, new_producer_id: Callable[[], int]) -> None:
        self.settings = settings
        self.transactions: dict[str, Transaction] = {}
        self._new_producer_id = new_producer_id
        #: Partitions that wait for a marker; only of decided transactions whose markers are being written.
        self._unmarked: dict[str, set[TopicPartition]] = {}
        self._deadlines: Deadlines[str] = Deadlines()

    # --- steps ----------------------------------------------------------------------------------------------------

    def handle(self, asked: Asked, now_ms: int) -> TransactionEffects:
        """An event, answered in these effects."""
        event = asked.event
        try:
            match event:
                case InitProducer():
                    return self._init_producer(asked, event, now_ms)
                case AddPartitions():
                    return self._add_partitions(asked, event, now_ms)
                case VerifyPartitions():
                    return _answer(asked, PartitionErrors(self._verify(event)))
                case EndTransaction():
                    return self._end(asked, event, now_ms)
                case DescribeTransaction():
                    return _answer(asked, self._describe(event))
                case ListTransactions():
                    return _answer(asked, Listed(ErrorCode.NONE, list(self._list(event, now_ms))))
        except KafkaError as error:
            return _answer(asked, refusal(event, error.code))

    def markers_written(
        self, markers: Markers, partitions: Iterable[TopicPartition], now_ms: int
    ) -> TransactionEffects:
        """These partitions have their marker, or are no more."""
        found = self.transactions.get(markers.transactional_id)
        unmarked = self._unmarked.get(markers.transactional_id)
        if (
            found is None
            or unmarked is None
            or found.state not in PREPARED
            or (found.producer_id, found.producer_epoch) != (markers.producer_id, markers.producer_epoch)
        ):
            return TransactionEffects([], [], [])
        unmarked.difference_update(partitions)
        return TransactionEffects([], [], []) if unmarked else self._complete(markers.transactional_id, now_ms)

    def next_deadline_ms(self) -> int | None:
        """Before this time `tick` does nothing; None: there is nothing to wait for."""
        return self._deadlines.next_deadline_ms()

    def tick(self, now_ms: int) -> Iterator[TransactionEffects]:
        """All that is due, one step at a time: each step's effects are to be applied before the next is asked for."""
        while (transactional_id := self._deadlines.pop_due(now_ms)) is not None:
            found = self.transactions[transactional_id]
            if found.state is TransactionState.ONGOING:
                yield self._fence(_NOBODY, transactional_id, found, now_ms)
            elif found.state in SETTLED:
                yield TransactionEffects([TransactionRecord(transactional_id, None)], [], [])
            elif not self._unmarked.get(transactional_id, True):
                yield self._complete(transactional_id, now_ms)

    def append_failed(self, effects: TransactionEffects, error: ErrorCode, now_ms: int) -> TransactionEffects:
        """The log has not taken `effects.records`, nothing of which was replayed: who asked gets an error, and what
        the shard does of itself is tried again. For a failure after which the log cannot be used, drop the shard."""
        for transactional_id, _ in effects.records:
            found = self.transactions.get(transactional_id)
            if found is not None:
                self._schedule(transactional_id, not_before_ms=now_ms + RETRY_MS)
            if found is None or found.state not in PREPARED:
                self._unmarked.pop(transactional_id, None)
        told = error_of_log(error)
        answers = [Answer(asked, refusal(asked.event, told)) for asked, _ in effects.answers]
        return TransactionEffects([], answers, [])

    def loaded(self, now_ms: int) -> TransactionEffects:
        """The whole log has been replayed: what was decided is carried out."""
        decided = [row for row in self.transactions.items() if row[1].state in PREPARED]
        return TransactionEffects(
            [], [], [self._markers(transactional_id, found) for transactional_id, found in decided]
        )

    # --- the log --------------------------------------------------------------------------------------------------

    def replay(self, record: TransactionRecord) -> None:
        """Take over one record of the log, in the log's order."""
        transactional_id, transaction = record
        if transaction is None or transaction.state is TransactionState.DEAD:
            self.transactions.pop(transactional_id, None)
            self._deadlines.cancel(transactional_id)
        else:
            self.transactions[transactional_id] = transaction
            self._schedule(transactional_id)
        if transaction is None or transaction.state not in PREPARED:
            self._unmarked.pop(transactional_id, None)

    def _schedule(self, transactional_id: str, not_before_ms: int = 0) -> None:
        found = self.transactions[transactional_id]
        if found.state is TransactionState.ONGOING:
            self._deadlines.set(transactional_id, max(found.start_ms + found.timeout_ms + 1, not_before_ms))
        elif found.state in SETTLED:
            expires_ms = found.last_update_ms + self.settings.transactional_id_expiration_ms
            self._deadlines.set(transactional_id, max(expires_ms, not_before_ms))
        elif not_before_ms:
            self._deadlines.set(transactional_id, not_before_ms)
        else:
            self._deadlines.cancel(transactional_id)

    # --- events ---------------------------------------------------------------------------------------------------

    def _init_producer(self, asked: Asked, event: InitProducer, now_ms: int) -> TransactionEffects:
        transactional_id, timeout_ms, producer_id, producer_epoch = event
        found = self.transactions.get(transactional_id)
        if found is None:
            found = Transaction(self._new_producer_id(), NO_PRODUCER_EPOCH, timeout_ms, TransactionState.EMPTY, now_ms)
        has_epoch = producer_epoch != NO_PRODUCER_EPOCH
        is_known = (
            not has_epoch
            or found.producer_epoch == NO_PRODUCER_EPOCH
            or producer_id == found.producer_id
            or (producer_id == found.previous_producer_id and producer_epoch >= EXHAUSTED_EPOCH)
        )
        if not is_known:
            raise KafkaError(ErrorCode.PRODUCER_FENCED)
        if found.state in PREPARED:
            raise KafkaError(ErrorCode.CONCURRENT_TRANSACTIONS)
        if found.state is TransactionState.ONGOING:
            # The client is told to come again; when the abort is complete it gets an epoch of its own.
            return self._fence(asked, transactional_id, found, now_ms)
        after = replace(
            found,
            **self._next_identity(found, producer_epoch if has_epoch else None),
            state=TransactionState.EMPTY,
            timeout_ms=timeout_ms,
            partitions=frozenset(),
            start_ms=-1,
            last_update_ms=now_ms,
            next_producer_id=NO_PRODUCER_ID,
            previous_producer_id=found.producer_id,
        )
        result = ProducerResult(ErrorCode.NONE, after.producer_id, after.producer_epoch)
        return self._change(asked, transactional_id, after, result)

    def _next_identity(self, found: Transaction, expected_epoch: int | None) -> dict[str, int]:
        """Producer id and epochs of a producer that begins. `expected_epoch`: what it has, None if it is new.

        Raises KafkaError(PRODUCER_FENCED).
        """
        epoch = found.producer_epoch
        if found.epoch_is_exhausted and expected_epoch in (None, epoch):
            last = NO_PRODUCER_EPOCH if expected_epoch is None else epoch
            return {"producer_id": self._new_producer_id(), "producer_epoch": 0, "last_producer_epoch": last}
        if expected_epoch is None:
            return {"producer_epoch": epoch + 1, "last_producer_epoch": NO_PRODUCER_EPOCH}
        if epoch in (NO_PRODUCER_EPOCH, expected_epoch):
            return {"producer_epoch": epoch + 1, "last_producer_epoch": epoch}
        if expected_epoch == found.last_producer_epoch:
            return {}  # the same request once more: the answer to the first one was lost (KIP-360)
        raise KafkaError(ErrorCode.PRODUCER_FENCED)

    def _add_partitions(self, asked: Asked, event: AddPartitions, now_ms: int) -> TransactionEffects:
        found = self._of_producer(event.transactional_id, event.producer_id, event.producer_epoch)
        if found.state in PREPARED:
            raise KafkaError(ErrorCode.CONCURRENT_TRANSACTIONS)
        result = PartitionErrors(dict.fromkeys(event.partitions, ErrorCode.NONE))
        is_ongoing = found.state is TransactionState.ONGOING
        if is_ongoing and event.partitions <= found.partitions:
            return _answer(asked, result)
        after = replace(
            found,
            state=TransactionState.ONGOING,
            partitions=found.partitions | event.partitions,
            start_ms=found.start_ms if is_ongoing else now_ms,
            last_update_ms=now_ms,
            client_version=event.client_version,
            previous_producer_id=found.producer_id,
        )
        return self._change(asked, event.transactional_id, after, result)

    def _verify(self, event: VerifyPartitions) -> dict[TopicPartition, ErrorCode]:
        found = self._of_producer(event.transactional_id, event.producer_id, event.producer_epoch)
        if found.state in PREPARED:
            raise KafkaError(ErrorCode.CONCURRENT_TRANSACTIONS)
        return {
            partition: ErrorCode.NONE if partition in found.partitions else ErrorCode.TRANSACTION_ABORTABLE
            for partition in event.partitions
        }

    def _of_producer(self, transactional_id: str, producer_id: int, producer_epoch: int) -> Transaction:
        """Raises KafkaError: INVALID_PRODUCER_ID_MAPPING, PRODUCER_FENCED."""
        found = self.transactions.get(transactional_id)
        if found is None or found.producer_id != producer_id:
            raise KafkaError(ErrorCode.INVALID_PRODUCER_ID_MAPPING)
        if found.producer_epoch != producer_epoch:
            raise KafkaError(ErrorCode.PRODUCER_FENCED)
        return found

    def _end(self, asked: Asked, event: EndTransaction, now_ms: int) -> TransactionEffects:
        transactional_id, producer_id, producer_epoch, commit, client_version = event
        found = self.transactions.get(transactional_id)
        if found is None:
            raise KafkaError(ErrorCode.INVALID_PRODUCER_ID_MAPPING)
        bumps = client_version >= EPOCH_BUMP_FROM
        verdict = (judge_version_2 if bumps else judge_version_1)(found, producer_id, producer_epoch, commit)
        if verdict is Verdict.END:
            return self._decide(asked, transactional_id, found, commit, client_version, now_ms)
        if verdict is Verdict.AGAIN:
            identity = (found.producer_id, found.producer_epoch) if bumps else ()
            return _answer(asked, ProducerResult(ErrorCode.NONE, *identity))
        raise KafkaError(verdict if isinstance(verdict, ErrorCode) else verdict.value)

    def _decide(
        self, asked: Asked, transactional_id: str, found: Transaction, commit: bool, client_version: int, now_ms: int
    ) -> TransactionEffects:
        bumps = client_version >= EPOCH_BUMP_FROM
        after = replace(
            found,
            state=TransactionState.PREPARE_COMMIT if commit else TransactionState.PREPARE_ABORT,
            # An abort of nothing (version 2) has no start of its own.
            start_ms=found.start_ms if found.state is TransactionState.ONGOING else now_ms,
            last_update_ms=now_ms,
            client_version=client_version,
            previous_producer_id=found.producer_id,
        )
        result = ProducerResult(ErrorCode.NONE)
        if bumps:
            after = replace(
                after,
                producer_epoch=min(found.producer_epoch + 1, MAX_EPOCH),
                last_producer_epoch=found.producer_epoch,
                next_producer_id=self._new_producer_id() if found.epoch_is_exhausted else NO_PRODUCER_ID,
            )
            # What the producer goes on with once the transaction is complete.
            rotates = after.next_producer_id != NO_PRODUCER_ID
            identity = (after.next_producer_id, 0) if rotates else (after.producer_id, after.producer_epoch)
            result = ProducerResult(ErrorCode.NONE, *identity)
        return self._change(asked, transactional_id, after, result)

    def _fence(self, asked: Asked, transactional_id: str, found: Transaction, now_ms: int) -> TransactionEffects:
        """Abort an open transaction under the next epoch, which no client ever gets: its producer is shut out."""
        version = self.settings.transaction_version()
        if version < EPOCH_BUMP_FROM:
            found = replace(
                found,
                producer_epoch=min(found.producer_epoch + 1, MAX_EPOCH),
                last_producer_epoch=NO_PRODUCER_EPOCH,
            )
        effects = self._decide(asked, transactional_id, found, False, version, now_ms)
        told = ProducerResult(ErrorCode.CONCURRENT_TRANSACTIONS)
        answers = [Answer(asked, told)] if asked is not _NOBODY else []
        return effects._replace(answers=answers)

    def _complete(self, transactional_id: str, now_ms: int) -> TransactionEffects:
        """All markers are written."""
        found = self.transactions[transactional_id]
        rotates = found.client_version >= EPOCH_BUMP_FROM and found.next_producer_id != NO_PRODUCER_ID
        after = replace(
            found,
            state=TransactionState.COMPLETE_COMMIT if found.is_committing else TransactionState.COMPLETE_ABORT,
            producer_id=found.next_producer_id if rotates else found.producer_id,
            producer_epoch=0 if rotates else found.producer_epoch,
            previous_producer_id=found.producer_id,
            next_producer_id=NO_PRODUCER_ID,
            partitions=frozenset(),
            last_update_ms=now_ms,
        )
        assert found.state in PREVIOUS_STATES[after.state]
        return TransactionEffects([TransactionRecord(transactional_id, after)], [], [])

    def _change(self, asked: Asked, transactional_id: str, after: Transaction, result: Result) -> TransactionEffects:
        before = self.transactions.get(transactional_id)
        assert (before.state if before else None) in PREVIOUS_STATES[after.state]
        markers = [self._markers(transactional_id, after)] if after.state in PREPARED else []
        return TransactionEffects([TransactionRecord(transactional_id, after)], [Answer(asked, result)], markers)

    def _markers(self, transactional_id: str, decided: Transaction) -> Markers:
        self._unmarked[transactional_id] = set(decided.partitions)
        return Markers(
            transactional_id,
            decided.producer_id,
            decided.producer_epoch,
            decided.is_committing,
            decided.partitions,
            decided.client_version,
        )

    # --- reading --------------------------------------------------------------------------------------------------

    def _describe(self, event: DescribeTransaction) -> Described:
        found = self.transactions.get(event.transactional_id)
        if found is None:
            return Described(ErrorCode.TRANSACTIONAL_ID_NOT_FOUND)
        unmarked = self._unmarked.get(event.transactional_id)
        return Described(ErrorCode.NONE, found if unmarked is None else replace(found, partitions=frozenset(unmarked)))

    def _list(self, event: ListTransactions, now_ms: int) -> Iterator[tuple[str, Transaction]]:
        for transactional_id, found in self.transactions.items():
            if (
                (not event.states or found.state in event.states)
                and (not event.producer_ids or found.producer_id in event.producer_ids)
                and (event.longer_than_ms < 0 or now_ms - found.start_ms > event.longer_than_ms)
                and event.matches(transactional_id)
            ):
                yield transactional_id, found


def _answer(asked: Asked, result: Result) -> TransactionEffects:
    return TransactionEffects([], [Answer(asked, result)], [])
