"""Producer ids, and the transactions that producers with a transactional id make (KIP-98).

Partitions are added to a transaction by name and commits keep the epoch, as clients did before KIP-890: every broker
takes that.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple, TypeVar

from ...wire.declare import Message
from ...wire.errors import RETRIABLE, ErrorCode
from ...wire.messages.add_partitions_to_txn import (
    AddPartitionsToTxnRequest,
    AddPartitionsToTxnResponse,
    AddPartitionsToTxnTopic,
)
from ...wire.messages.end_txn import EndTxnRequest, EndTxnResponse
from ...wire.messages.init_producer_id import InitProducerIdRequest, InitProducerIdResponse
from .client import TRANSACTION, Client
from .errors import check

R = TypeVar("R", bound=Message)

_NO_TIMEOUT_MS: Final = 2**31 - 1
_ADD_PARTITIONS_VERSION: Final = 3
_END_VERSION: Final = 4
#: CONCURRENT_TRANSACTIONS: the markers of the one before are still being written.
_AGAIN: Final = RETRIABLE | {ErrorCode.CONCURRENT_TRANSACTIONS}


class ProducerId(NamedTuple):
    """What a batch carries of its producer."""

    id: int
    epoch: int


def init_producer_id(
    client: Client, transactional_id: str | None = None, transaction_timeout_ms: int = _NO_TIMEOUT_MS
) -> ProducerId:
    """A new id, or that of a transactional id with its next epoch, which aborts what was open. Raises ClientError."""
    request = InitProducerIdRequest(transactional_id=transactional_id, transaction_timeout_ms=transaction_timeout_ms)

    def ask() -> ProducerId:
        if transactional_id is None:
            answer = client.any(request, InitProducerIdResponse)
        else:
            answer = _ask(client, transactional_id, request, InitProducerIdResponse, lambda found: found.error_code)
        check(answer.error_code)
        return ProducerId(answer.producer_id, answer.producer_epoch)

    return client.until(ask, _AGAIN)


def add_partitions(
    client: Client, transactional_id: str, producer: ProducerId, topic: str, partitions: list[int]
) -> None:
    """Puts these partitions into the transaction, which begins with the first. Raises ClientError."""
    request = AddPartitionsToTxnRequest(
        v3_and_below_transactional_id=transactional_id,
        v3_and_below_producer_id=producer.id,
        v3_and_below_producer_epoch=producer.epoch,
        v3_and_below_topics=[AddPartitionsToTxnTopic(name=topic, partitions=partitions)],
    )

    def error_of(answer: AddPartitionsToTxnResponse) -> int:
        rows = (row for topic in answer.results_by_topic_v3_and_below for row in topic.results_by_partition)
        return next((row.partition_error_code for row in rows if row.partition_error_code), 0)

    def ask() -> None:
        answer = _ask(client, transactional_id, request, AddPartitionsToTxnResponse, error_of, _ADD_PARTITIONS_VERSION)
        check(error_of(answer))

    client.until(ask, _AGAIN)


def end_transaction(client: Client, transactional_id: str, producer: ProducerId, *, commit: bool) -> None:
    """Commits or aborts. Raises ClientError."""
    request = EndTxnRequest(
        transactional_id=transactional_id, producer_id=producer.id, producer_epoch=producer.epoch, committed=commit
    )

    def ask() -> None:
        answer = _ask(client, transactional_id, request, EndTxnResponse, lambda found: found.error_code, _END_VERSION)
        check(answer.error_code)

    client.until(ask, _AGAIN)


def _ask(
    client: Client,
    transactional_id: str,
    request: Message,
    response: type[R],
    error_of: Callable[[R], int],
    highest: int | None = None,
) -> R:
    return client.by_coordinator(transactional_id, request, response, error_of, key_type=TRANSACTION, highest=highest)
