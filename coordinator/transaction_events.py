"""What goes into one step of a transaction shard and what comes out of it.

Requests of clients are turned into these by their handlers, since one AddPartitionsToTxn may speak of transactions of
several shards, and TransactionalIds of Produce and TxnOffsetCommit are asked about without a request of their own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from ..wire.errors import ErrorCode
from .transaction_state import TopicPartition, Transaction, TransactionRecord, TransactionState


class InitProducer(NamedTuple):
    """InitProducerId. `producer_id` and `producer_epoch` are what the client has (KIP-360), or both -1."""

    transactional_id: str
    timeout_ms: int
    producer_id: int = -1
    producer_epoch: int = -1


class AddPartitions(NamedTuple):
    """AddPartitionsToTxn, AddOffsetsToTxn, or Produce v12 and TxnOffsetCommit v5, which add what they write to.

    `client_version`: the client's transaction.version.
    """

    transactional_id: str
    producer_id: int
    producer_epoch: int
    partitions: frozenset[TopicPartition]
    client_version: int


class VerifyPartitions(NamedTuple):
    """Are these partitions in the transaction that this producer has open? (KIP-890, part 1)"""

    transactional_id: str
    producer_id: int
    producer_epoch: int
    partitions: frozenset[TopicPartition]


class EndTransaction(NamedTuple):
    """EndTxn. `client_version`: 2 from EndTxn v5 on, else 0."""

    transactional_id: str
    producer_id: int
    producer_epoch: int
    commit: bool
    client_version: int


class DescribeTransaction(NamedTuple):
    transactional_id: str


class ListTransactions(NamedTuple):
    """Of one shard, those that pass all filters; an empty set, or a duration below 0, filters nothing. `matches`: is
    the transactional id asked for?"""

    states: frozenset[TransactionState]
    producer_ids: frozenset[int]
    longer_than_ms: int
    matches: Callable[[str], bool]


Event = InitProducer | AddPartitions | VerifyPartitions | EndTransaction | DescribeTransaction | ListTransactions


class ProducerResult(NamedTuple):
    """To InitProducer and EndTransaction: the producer id and epoch to go on with; -1 where there is an error, and to
    an EndTxn before v5."""

    error: ErrorCode
    producer_id: int = -1
    producer_epoch: int = -1


class PartitionErrors(NamedTuple):
    """To AddPartitions (the same for all) and VerifyPartitions."""

    errors: dict[TopicPartition, ErrorCode]


class Described(NamedTuple):
    error: ErrorCode
    transaction: Transaction | None = None


class Listed(NamedTuple):
    error: ErrorCode
    transactions: list[tuple[str, Transaction]]


Result = ProducerResult | PartitionErrors | Described | Listed


class Asked(NamedTuple):
    """An event and whom to answer: `token` is the caller's."""

    token: Any
    event: Event


class Answer(NamedTuple):
    asked: Asked
    result: Result


class Markers(NamedTuple):
    """End the transaction in these partitions. Tell the shard of each that is done, or that is no more.

    `client_version`: the transaction.version by which the marker is checked.
    """

    transactional_id: str
    producer_id: int
    producer_epoch: int
    commit: bool
    partitions: frozenset[TopicPartition]
    client_version: int


class TransactionEffects(NamedTuple):
    """`records` are to be appended as one batch and replayed at once. `answers` may be given, and `markers` written,
    once the high watermark has passed the log's end as it is after that append: a marker must not be seen for a
    decision that may yet be lost."""

    records: list[TransactionRecord]
    answers: list[Answer]
    markers: list[Markers]


def refusal(event: Event, error: ErrorCode) -> Result:
    """What `event` is answered when the shard as a whole fails it."""
    if isinstance(event, (AddPartitions, VerifyPartitions)):
        return PartitionErrors(dict.fromkeys(event.partitions, error))
    if isinstance(event, DescribeTransaction):
        return Described(error)
    if isinstance(event, ListTransactions):
        return Listed(error, [])
    return ProducerResult(error)
