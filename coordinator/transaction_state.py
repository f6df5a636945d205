"""What a transaction coordinator knows of one transactional id, and its record in `__transaction_state`.

A key is the int16 record type 0 and the body at version 0; a value is an int16 version and the body; no value is a
tombstone. Kafka 4.3.1 writes value v1 (v0 while transaction.version is 0), and reads both.
Source: org.apache.kafka.coordinator.transaction.TransactionMetadata, TransactionState, TransactionLog.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, NamedTuple

from ..wire.batches import NO_PRODUCER_EPOCH, NO_PRODUCER_ID
from ..wire.codec import DecodeError, decode, encode
from ..wire.log_records.transaction import PartitionsSchema, TransactionLogKey, TransactionLogValue

#: From this transaction.version on every transaction has an epoch of its own (KIP-890, part 2).
EPOCH_BUMP_FROM: Final = 2
#: The last epoch but one is the last that a client gets, so that it can always be fenced.
EXHAUSTED_EPOCH: Final = 32766
MAX_EPOCH: Final = 32767

_INT16: Final = struct.Struct(">h")

#: (topic, partition)
TopicPartition = tuple[str, int]


class TransactionState(IntEnum):
    """By the numbers that stand in the log. Kafka passes through DEAD and PREPARE_EPOCH_FENCE in memory only; here an
    id that expires, and a transaction whose producer is fenced, change in one step."""

    EMPTY = 0
    ONGOING = 1
    PREPARE_COMMIT = 2
    PREPARE_ABORT = 3
    COMPLETE_COMMIT = 4
    COMPLETE_ABORT = 5
    DEAD = 6
    PREPARE_EPOCH_FENCE = 7

    @property
    def label(self) -> str:
        """As DescribeTransactions and ListTransactions say it."""
        return "".join(word.capitalize() for word in self.name.split("_"))


#: Where a state may come from.
PREVIOUS_STATES: Final[Mapping[TransactionState, frozenset[TransactionState | None]]] = {
    TransactionState.EMPTY: frozenset(
        {None, TransactionState.EMPTY, TransactionState.COMPLETE_COMMIT, TransactionState.COMPLETE_ABORT}
    ),
    TransactionState.ONGOING: frozenset(
        {
            TransactionState.ONGOING,
            TransactionState.EMPTY,
            TransactionState.COMPLETE_COMMIT,
            TransactionState.COMPLETE_ABORT,
        }
    ),
    TransactionState.PREPARE_COMMIT: frozenset({TransactionState.ONGOING}),
    TransactionState.PREPARE_ABORT: frozenset(
        {
            TransactionState.ONGOING,
            TransactionState.EMPTY,
            TransactionState.COMPLETE_COMMIT,
            TransactionState.COMPLETE_ABORT,
        }
    ),
    TransactionState.COMPLETE_COMMIT: frozenset({TransactionState.PREPARE_COMMIT}),
    TransactionState.COMPLETE_ABORT: frozenset({TransactionState.PREPARE_ABORT}),
}

#: A transactional id in one of these may expire, and an InitProducerId has nothing to abort.
SETTLED: Final = frozenset({TransactionState.EMPTY, TransactionState.COMPLETE_COMMIT, TransactionState.COMPLETE_ABORT})
PREPARED: Final = frozenset({TransactionState.PREPARE_COMMIT, TransactionState.PREPARE_ABORT})


@dataclass(frozen=True, slots=True)
class Transaction:
    """One transactional id. Times in epoch ms, -1: none.

    `previous_producer_id`: of the state before; `next_producer_id`: takes over once the transaction is complete, where
    the epochs of `producer_id` are used up; `last_producer_epoch`: the epoch before the last bump, by which a retry of
    InitProducerId is known. It is not in the log, in Kafka neither: no retry outlives its coordinator.
    `client_version`: the transaction.version of the client that began or ended the transaction.
    """

    producer_id: int
    producer_epoch: int
    timeout_ms: int
    state: TransactionState
    last_update_ms: int
    previous_producer_id: int = NO_PRODUCER_ID
    next_producer_id: int = NO_PRODUCER_ID
    last_producer_epoch: int = NO_PRODUCER_EPOCH
    partitions: frozenset[TopicPartition] = frozenset()
    start_ms: int = -1
    client_version: int = 0

    @property
    def epoch_is_exhausted(self) -> bool:
        return self.producer_epoch >= EXHAUSTED_EPOCH

    @property
    def is_committing(self) -> bool:
        return self.state in (TransactionState.PREPARE_COMMIT, TransactionState.COMPLETE_COMMIT)


class TransactionRecord(NamedTuple):
    """`transaction` None is a tombstone: the id has expired."""

    transactional_id: str
    transaction: Transaction | None


def to_bytes(record: TransactionRecord, value_version: int) -> tuple[bytes, bytes | None]:
    """Key and value as they stand in the log."""
    key = _INT16.pack(0) + encode(TransactionLogKey(transactional_id=record.transactional_id), 0)
    found = record.transaction
    if found is None:
        return key, None
    topics: dict[str, list[int]] = {}
    for topic, index in sorted(found.partitions):
        topics.setdefault(topic, []).append(index)
    value = TransactionLogValue(
        producer_id=found.producer_id,
        producer_epoch=found.producer_epoch,
        transaction_timeout_ms=found.timeout_ms,
        transaction_status=found.state,
        transaction_partitions=None
        if found.state is TransactionState.EMPTY
        else [PartitionsSchema(topic=topic, partition_ids=indexes) for topic, indexes in topics.items()],
        transaction_last_update_timestamp_ms=found.last_update_ms,
        transaction_start_timestamp_ms=found.start_ms,
    )
    if value_version >= 1:
        value.previous_producer_id = found.previous_producer_id
        value.next_producer_id = found.next_producer_id
        value.client_transaction_version = found.client_version
    return key, _INT16.pack(value_version) + encode(value, value_version)


def from_bytes(key: bytes, value: bytes | None) -> TransactionRecord | None:
    """The record, or None for one of a type or version that is not known (Kafka passes over those too).

    Raises DecodeError for damaged bytes.
    """
    if len(key) < 2 or (value is not None and len(value) < 2):
        raise DecodeError("TransactionLogKey", 0, "", 0, "shorter than its type or version")
    if _INT16.unpack_from(key)[0] != TransactionLogKey.API_KEY:
        return None
    transactional_id = decode(TransactionLogKey, 0, key[2:]).transactional_id
    if value is None:
        return TransactionRecord(transactional_id, None)
    (version,) = _INT16.unpack_from(value)
    if version not in TransactionLogValue.VERSIONS:
        return None
    found = decode(TransactionLogValue, version, value[2:])
    try:
        state = TransactionState(found.transaction_status)
    except ValueError:
        raise DecodeError("TransactionLogValue", version, "transaction_status", 0, "no such state") from None
    transaction = Transaction(
        producer_id=found.producer_id,
        producer_epoch=found.producer_epoch,
        timeout_ms=found.transaction_timeout_ms,
        state=state,
        last_update_ms=found.transaction_last_update_timestamp_ms,
        previous_producer_id=found.previous_producer_id,
        next_producer_id=found.next_producer_id,
        partitions=frozenset(
            (row.topic, index) for row in found.transaction_partitions or () for index in row.partition_ids
        ),
        start_ms=found.transaction_start_timestamp_ms,
        client_version=found.client_transaction_version,
    )
    return TransactionRecord(transactional_id, transaction)
