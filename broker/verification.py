"""Is a partition in the transaction that a batch claims to be part of? (KIP-890)

Asked before the first transactional batch of a producer is appended to a partition; later ones follow it. Produce v12
and TxnOffsetCommit v5 add the partition to the transaction in the same step. Errors are told as the client's version
knows them. Source: kafka.server.AddPartitionsToTxnManager, ReplicaManager.maybeSendPartitionsToTransactionCoordinator.

Left out: a second try by the broker itself while the transaction before is being completed
(`add.partitions.to.txn.retry.backoff.ms`): here that is over before its EndTxn is answered.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from typing import TYPE_CHECKING, Final, NamedTuple

from ..coordinator.transaction_events import AddPartitions, PartitionErrors, VerifyPartitions
from ..coordinator.transaction_state import EPOCH_BUMP_FROM, TopicPartition
from ..storage.pending import Pending
from ..wire.errors import ErrorCode
from .coordinators import gather

if TYPE_CHECKING:
    from .broker import Broker
    from .partition import Partition

Errors = Mapping[TopicPartition, ErrorCode]


class Support(IntEnum):
    """What the client knows (TransactionSupportedOperation), by its version of Produce or TxnOffsetCommit."""

    DEFAULT_ERROR = 0
    #: TRANSACTION_ABORTABLE
    GENERIC_ERROR = 1
    ADD_PARTITION = 2


class ProducerBatch(NamedTuple):
    """What the header of a transactional batch says. `sequence` -1: none, as in a coordinator's."""

    producer_id: int
    producer_epoch: int
    sequence: int


#: Told as it is known to every producer: fenced for good is what InitProducerId and EndTxn say.
_TOLD: Final = {ErrorCode.PRODUCER_FENCED: ErrorCode.INVALID_PRODUCER_EPOCH}


def verify(
    broker: Broker,
    transactional_id: str,
    batches: Mapping[TopicPartition, tuple[Partition, ProducerBatch]],
    support: Support,
    now_ms: int,
) -> Errors | Pending[Errors]:
    """The error for each of the partitions; NONE for those that may be appended to now."""
    first_time = {
        key: batch
        for key, (partition, batch) in batches.items()
        if partition.log.producers.begin_verification(*batch, support is Support.ADD_PARTITION, now_ms)
    }
    if not first_time:
        return {}
    producers = {(batch.producer_id, batch.producer_epoch) for batch in first_time.values()}
    if len(producers) > 1:
        return dict.fromkeys(first_time, ErrorCode.INVALID_PRODUCER_ID_MAPPING)
    ((producer_id, producer_epoch),) = producers
    partitions = frozenset(first_time)
    if support is Support.ADD_PARTITION:
        event: AddPartitions | VerifyPartitions = AddPartitions(
            transactional_id, producer_id, producer_epoch, partitions, EPOCH_BUMP_FROM
        )
    else:
        event = VerifyPartitions(transactional_id, producer_id, producer_epoch, partitions)

    def settle(results: list[PartitionErrors]) -> Errors:
        return {
            key: _outcome(error, support, batches[key][0], first_time[key]) for key, error in results[0].errors.items()
        }

    return gather([broker.transactions.submit(transactional_id, event)], settle)


def _outcome(error: ErrorCode, support: Support, partition: Partition, batch: ProducerBatch) -> ErrorCode:
    if error is ErrorCode.NONE:
        # While the coordinator was asked, a marker may have ended the transaction.
        still = partition.log.producers.is_verifying(batch.producer_id, batch.producer_epoch)
        return ErrorCode.NONE if still else ErrorCode.INVALID_TXN_STATE
    if error is ErrorCode.TRANSACTION_ABORTABLE and support is Support.DEFAULT_ERROR:
        return ErrorCode.INVALID_TXN_STATE
    return _TOLD.get(error, error)
