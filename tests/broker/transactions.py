"""A transactional producer with no manners: each step as one raw request, in whatever version it is told."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from compat_tests.support import unique
from klamm.wire.errors import ErrorCode
from klamm.wire.messages.add_offsets_to_txn import AddOffsetsToTxnRequest
from klamm.wire.messages.add_partitions_to_txn import (
    AddPartitionsToTxnRequest,
    AddPartitionsToTxnTopic,
    AddPartitionsToTxnTransaction,
)
from klamm.wire.messages.describe_transactions import DescribeTransactionsRequest
from klamm.wire.messages.end_txn import EndTxnRequest
from klamm.wire.messages.find_coordinator import FindCoordinatorRequest
from klamm.wire.messages.init_producer_id import InitProducerIdRequest
from klamm.wire.messages.txn_offset_commit import (
    TxnOffsetCommitRequest,
    TxnOffsetCommitRequestPartition,
    TxnOffsetCommitRequestTopic,
)

from .raw_client import RawClient, wait_for
from .steps import batch, produce

#: The last versions of transactions v1, and the first of v2.
V1_END, V2_END = 4, 5
V1_PRODUCE, V2_PRODUCE = 11, 12
GROUP, TRANSACTION = 0, 1

_COME_AGAIN = (
    ErrorCode.CONCURRENT_TRANSACTIONS,
    ErrorCode.COORDINATOR_NOT_AVAILABLE,
    ErrorCode.COORDINATOR_LOAD_IN_PROGRESS,
    ErrorCode.NOT_COORDINATOR,
)


def find_coordinator(client: RawClient, key: str, key_type: int) -> None:
    """Returns when there is one."""

    def found() -> bool:
        answer = client.request(FindCoordinatorRequest(coordinator_keys=[key], key_type=key_type), 4)
        return answer.coordinators[0].error_code == ErrorCode.NONE  # type: ignore[no-any-return]

    wait_for(found, f"a coordinator of {key}")


class TransactionalProducer:
    """`id` and `epoch` are those of the last answer that had some."""

    def __init__(self, client: RawClient, transactional_id: str | None = None) -> None:
        self.client = client
        self.transactional_id = transactional_id or unique("tx")
        self.id = self.epoch = -1
        self.sequences: dict[tuple[str, int, int], int] = {}
        find_coordinator(client, self.transactional_id, TRANSACTION)

    def ask_init(self, timeout_ms: int = 60_000, version: int = 5, **more: Any) -> Any:
        request = InitProducerIdRequest(
            transactional_id=self.transactional_id, transaction_timeout_ms=timeout_ms, **more
        )
        return self.client.request(request, version)

    def init(self, timeout_ms: int = 60_000) -> TransactionalProducer:
        answers: list[Any] = []

        def done() -> bool:
            answers.append(self.ask_init(timeout_ms))
            assert answers[-1].error_code in (ErrorCode.NONE, *_COME_AGAIN), answers[-1]
            return answers[-1].error_code == ErrorCode.NONE  # type: ignore[no-any-return]

        wait_for(done, "a producer id")
        self.id, self.epoch = answers[-1].producer_id, answers[-1].producer_epoch
        return self

    def add(self, *topics: str, version: int = 3, partition: int = 0, epoch: int | None = None) -> list[int]:
        """AddPartitionsToTxn of one partition a topic: the errors in the order of names."""
        rows = [AddPartitionsToTxnTopic(name=name, partitions=[partition]) for name in topics]
        request = AddPartitionsToTxnRequest(
            v3_and_below_transactional_id=self.transactional_id,
            v3_and_below_producer_id=self.id,
            v3_and_below_producer_epoch=self.epoch if epoch is None else epoch,
            v3_and_below_topics=rows,
        )
        errors: list[int] = []

        def settled() -> bool:
            answer = self.client.request(request, version)
            named = sorted(answer.results_by_topic_v3_and_below, key=lambda row: row.name)
            errors[:] = [row.results_by_partition[0].partition_error_code for row in named]
            return ErrorCode.CONCURRENT_TRANSACTIONS not in errors

        wait_for(settled, "the transaction before to be complete")
        return errors

    def add_batched(self, topic: str, *, verify_only: bool = False, version: int = 5) -> int:
        request = AddPartitionsToTxnRequest(
            transactions=[
                AddPartitionsToTxnTransaction(
                    transactional_id=self.transactional_id,
                    producer_id=self.id,
                    producer_epoch=self.epoch,
                    verify_only=verify_only,
                    topics=[AddPartitionsToTxnTopic(name=topic, partitions=[0])],
                )
            ]
        )
        (result,) = self.client.request(request, version).results_by_transaction
        code: int = result.topic_results[0].results_by_partition[0].partition_error_code
        return code

    def send(
        self,
        topic: str,
        *values: bytes,
        version: int = V2_PRODUCE,
        transactional: bool = True,
        epoch: int | None = None,
        sequence: int | None = None,
    ) -> Any:
        """Produce to partition 0, again while the transaction before is being completed; the answer."""
        epoch = self.epoch if epoch is None else epoch
        key = topic, self.id, epoch
        first = self.sequences.get(key, 0) if sequence is None else sequence
        records = batch(
            *values, producer_id=self.id, producer_epoch=epoch, base_sequence=first, transactional=transactional
        )
        answers: list[Any] = []

        def settled() -> bool:
            answers.append(
                produce(self.client, topic, records, version=version, transactional_id=self.transactional_id)
            )
            return answers[-1].error_code not in (ErrorCode.CONCURRENT_TRANSACTIONS, ErrorCode.NOT_ENOUGH_REPLICAS)

        wait_for(settled, "the transaction before to be complete")
        if answers[-1].error_code == ErrorCode.NONE and sequence is None:
            self.sequences[key] = first + len(values)
        return answers[-1]

    def sent(self, topic: str, *values: bytes, version: int = V2_PRODUCE) -> int:
        answer = self.send(topic, *values, version=version)
        assert answer.error_code == ErrorCode.NONE, answer
        base_offset: int = answer.base_offset
        return base_offset

    def ask_end(self, commit: bool, version: int = V2_END, epoch: int | None = None) -> Any:
        """EndTxn, again while the transaction before is being completed; the answer."""
        request = EndTxnRequest(
            transactional_id=self.transactional_id,
            producer_id=self.id,
            producer_epoch=self.epoch if epoch is None else epoch,
            committed=commit,
        )
        answers: list[Any] = []

        def settled() -> bool:
            answers.append(self.client.request(request, version))
            return answers[-1].error_code != ErrorCode.CONCURRENT_TRANSACTIONS  # type: ignore[no-any-return]

        wait_for(settled, "the transaction before to be complete")
        return answers[-1]

    def end(self, commit: bool, version: int = V2_END) -> None:
        answer = self.ask_end(commit, version)
        assert answer.error_code == ErrorCode.NONE, answer
        if version >= V2_END:
            self.id, self.epoch = answer.producer_id, answer.producer_epoch

    def state(self) -> Any:
        request = DescribeTransactionsRequest(transactional_ids=[self.transactional_id])
        return self.client.request(request, 0).transaction_states[0]

    def wait_until(self, state: str) -> None:
        wait_for(lambda: self.state().transaction_state == state, state)

    def add_offsets(self, group: str, version: int = 3, epoch: int | None = None) -> int:
        request = AddOffsetsToTxnRequest(
            transactional_id=self.transactional_id,
            producer_id=self.id,
            producer_epoch=self.epoch if epoch is None else epoch,
            group_id=group,
        )
        code: int = self.client.request(request, version).error_code
        return code

    def commit_offsets(
        self, group: str, offsets: Iterable[tuple[str, int]], version: int = 5, epoch: int | None = None
    ) -> list[int]:
        """TxnOffsetCommit for partition 0 of topics, again while a coordinator is not ready: their errors."""
        topics = [
            TxnOffsetCommitRequestTopic(
                name=name,
                partitions=[TxnOffsetCommitRequestPartition(partition_index=0, committed_offset=offset)],
            )
            for name, offset in offsets
        ]
        request = TxnOffsetCommitRequest(
            transactional_id=self.transactional_id,
            group_id=group,
            producer_id=self.id,
            producer_epoch=self.epoch if epoch is None else epoch,
            topics=topics,
        )
        errors: list[int] = []

        def settled() -> bool:
            answer = self.client.request(request, version)
            errors[:] = [row.error_code for topic in answer.topics for row in topic.partitions]
            return not any(code in _COME_AGAIN for code in errors)

        wait_for(settled, "the transaction before to be complete")
        return errors
