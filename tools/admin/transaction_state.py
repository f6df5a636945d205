"""What brokers know of transactions: those of coordinators, those of producers in partitions, and which fit (KIP-664).

Source: org.apache.kafka.clients.admin.internals (ListTransactionsHandler, DescribeTransactionsHandler,
DescribeProducersHandler, AbortTransactionHandler) and TransactionsCommand.FindHangingTransactionsCommand.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

from ...wire.errors import RETRIABLE, ErrorCode
from ...wire.messages.describe_producers import (
    DescribeProducersRequest,
    DescribeProducersResponse,
    ProducerState,
    TopicRequest,
)
from ...wire.messages.describe_transactions import (
    DescribeTransactionsRequest,
    DescribeTransactionsResponse,
    TransactionState,
)
from ...wire.messages.list_transactions import ListTransactionsRequest, ListTransactionsResponse
from ...wire.messages.write_txn_markers import (
    WritableTxnMarker,
    WritableTxnMarkerTopic,
    WriteTxnMarkersRequest,
    WriteTxnMarkersResponse,
)
from ..client import Client, ClientError, ServerError
from ..client.client import TRANSACTION
from ..client.errors import check

Key = tuple[str, int]
#: (transactional id, coordinator, producer id, state)
Listed = tuple[str, int, int, str]

#: So many partitions go into one question to a broker.
_PARTITIONS_AT_ONCE: Final = 500
_MOVED: Final = RETRIABLE - {ErrorCode.UNKNOWN_TOPIC_OR_PARTITION}


def list_transactions(
    client: Client, duration_ms: int = -1, pattern: str | None = None, producer_ids: Collection[int] = ()
) -> list[Listed]:
    """Transactions of every coordinator, sorted. `duration_ms` < 0: of any age. Raises ClientError."""
    client.metadata([])
    request = ListTransactionsRequest(
        producer_id_filters=sorted(producer_ids), duration_filter=duration_ms, transactional_id_pattern=pattern
    )
    found: list[Listed] = []
    for node_id in sorted(client.nodes):

        def ask(node_id: int = node_id) -> ListTransactionsResponse:
            answer = client.node(node_id, request, ListTransactionsResponse)
            check(answer.error_code)
            return answer

        answer = client.until(ask, (ErrorCode.COORDINATOR_LOAD_IN_PROGRESS, ErrorCode.COORDINATOR_NOT_AVAILABLE))
        found += [
            (row.transactional_id, node_id, row.producer_id, row.transaction_state) for row in answer.transaction_states
        ]
    return sorted(found)


def describe_transaction(client: Client, transactional_id: str) -> tuple[int, TransactionState]:
    """(its coordinator, what that knows). Raises ClientError; of an id that nobody knows in Kafka's words."""
    answer = client.by_coordinator(
        transactional_id,
        DescribeTransactionsRequest(transactional_ids=[transactional_id]),
        DescribeTransactionsResponse,
        lambda found: found.transaction_states[0].error_code,
        key_type=TRANSACTION,
    )
    row = answer.transaction_states[0]
    if row.error_code == ErrorCode.TRANSACTIONAL_ID_NOT_FOUND:
        raise ServerError(
            row.error_code,
            f"DescribeTransactions request for transactionalId `{transactional_id}` failed because the ID could not be"
            " found",
        )
    check(row.error_code)
    return client.coordinator(transactional_id, TRANSACTION), row


def describe_producers(client: Client, keys: Sequence[Key], broker_id: int | None) -> dict[Key, list[ProducerState]]:
    """Partition -> its active producers, as its leader or the replica on `broker_id` knows them. Raises ClientError."""

    def ask() -> dict[Key, list[ProducerState]]:
        by_node = client.leaders(keys) if broker_id is None else {broker_id: list(keys)}
        found: dict[Key, list[ProducerState]] = {}
        for node_id, partitions in by_node.items():
            for begin in range(0, len(partitions), _PARTITIONS_AT_ONCE):
                topics: dict[str, list[int]] = {}
                for topic, index in partitions[begin : begin + _PARTITIONS_AT_ONCE]:
                    topics.setdefault(topic, []).append(index)
                rows = [TopicRequest(name=name, partition_indexes=indexes) for name, indexes in topics.items()]
                answer = client.node(node_id, DescribeProducersRequest(topics=rows), DescribeProducersResponse)
                for answered in answer.topics:
                    for row in answered.partitions:
                        check(row.error_code, row.error_message)
                        found[answered.name, row.partition_index] = row.active_producers
        return found

    return client.until(ask, _MOVED) if keys else {}


def write_abort_marker(client: Client, key: Key, producer_id: int, epoch: int, coordinator_epoch: int) -> None:
    """Has the partition's leader write the marker that ends the producer's transaction. Raises ClientError."""
    marker = WritableTxnMarker(
        producer_id=producer_id,
        producer_epoch=epoch,
        transaction_result=False,
        topics=[WritableTxnMarkerTopic(name=key[0], partition_indexes=[key[1]])],
        coordinator_epoch=coordinator_epoch,
    )

    def ask() -> None:
        (node_id,) = client.leaders([key])
        answer = client.node(node_id, WriteTxnMarkersRequest(markers=[marker]), WriteTxnMarkersResponse)
        check(answer.markers[0].topics[0].partitions[0].error_code)

    client.until(ask, _MOVED)


def partitions_to_search(client: Client, topic: str | None, partition: int | None, broker_id: int | None) -> list[Key]:
    """The partitions that --topic, --partition and --broker-id speak of. Raises ClientError."""
    if topic is not None and partition is not None:
        return [(topic, partition)]
    found: list[Key] = []
    for row in client.metadata(None if topic is None else [topic]).topics:
        if topic is not None:
            check(row.error_code)
        found += [
            (row.name or "", part.partition_index)
            for part in row.partitions
            if broker_id is None or broker_id in part.replica_nodes
        ]
    return sorted(found)


def find_hanging(
    client: Client, keys: Sequence[Key], broker_id: int | None, before_ms: int
) -> list[tuple[Key, ProducerState]]:
    """Open transactions whose last record is older than `before_ms` and which no coordinator will end."""
    candidates = [
        (key, row)
        for key, rows in describe_producers(client, keys, broker_id).items()
        for row in rows
        if row.current_txn_start_offset >= 0 and row.last_timestamp < before_ms
    ]
    if not candidates:
        return []
    wanted = {row.producer_id for _, row in candidates}
    names = {
        producer_id: name
        for name, _, producer_id, _ in list_transactions(client, producer_ids=wanted)
        if producer_id in wanted
    }
    # What its coordinator still has in hand will get its marker.
    in_hand = {producer_id: _partitions(client, name) for producer_id, name in names.items()}
    return [(key, row) for key, row in candidates if key not in in_hand.get(row.producer_id, ())]


def _partitions(client: Client, transactional_id: str) -> set[Key]:
    try:
        _, row = describe_transaction(client, transactional_id)
    except ClientError as error:
        if isinstance(error, ServerError) and error.code == ErrorCode.TRANSACTIONAL_ID_NOT_FOUND:
            return set()
        raise
    return {(topic.topic, index) for topic in row.topics for index in topic.partitions}
