"""`klamm transactions` against a klamm process: what hangs is found and ended, what does not is left alone."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from klamm.tools.cli import main
from klamm.tools.client import Client, open_client
from klamm.tools.client.client import TRANSACTION
from klamm.wire.messages.add_partitions_to_txn import AddPartitionsToTxnRequest, AddPartitionsToTxnResponse
from klamm.wire.messages.add_partitions_to_txn import AddPartitionsToTxnTopic as TxnTopic
from klamm.wire.messages.init_producer_id import InitProducerIdRequest, InitProducerIdResponse
from klamm.wire.messages.produce import PartitionProduceData, ProduceRequest, ProduceResponse, TopicProduceData
from klamm.wire.records import Record, encode_batch

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def address(klamm: Callable[..., Any]) -> str:
    # Without verification a transactional batch may come from a producer id that no coordinator knows: it hangs.
    switch = ("--set", "transaction.partition.verification.enable=false")
    arguments = ("--port", 0, "--ephemeral", "--topic", "orders:2", *switch)
    return str(klamm("serve", "--host", "127.0.0.1", *arguments).listening())


@pytest.fixture
def client(address: str) -> Iterator[Client]:
    with open_client(address) as opened:
        yield opened


@pytest.fixture
def run(address: str, capsys: pytest.CaptureFixture[str]) -> Run:
    def call(*arguments: str) -> tuple[int, str, str]:
        code = main(["transactions", "--bootstrap-server", address, *arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


def produce(client: Client, producer_id: int, partition: int, timestamp_ms: int) -> None:
    """One transactional record from a producer of epoch 0."""
    batch = encode_batch(
        [Record(value=b"v", timestamp_ms=timestamp_ms)],
        producer_id=producer_id,
        producer_epoch=0,
        base_sequence=0,
        transactional=True,
    )
    rows = [TopicProduceData(name="orders", partition_data=[PartitionProduceData(index=partition, records=batch)])]
    request = ProduceRequest(transactional_id="t", acks=-1, timeout_ms=30_000, topic_data=rows)
    answer = client.any(request, ProduceResponse, highest=11)
    assert answer.responses[0].partition_responses[0].error_code == 0


def begin(client: Client, name: str) -> int:
    """A transaction of `name` with partition 0 in it; its producer id."""
    made = client.by_coordinator(
        name,
        InitProducerIdRequest(transactional_id=name, transaction_timeout_ms=60_000),
        InitProducerIdResponse,
        lambda found: found.error_code,
        key_type=TRANSACTION,
    )
    request = AddPartitionsToTxnRequest(
        v3_and_below_transactional_id=name,
        v3_and_below_producer_id=made.producer_id,
        v3_and_below_producer_epoch=made.producer_epoch,
        v3_and_below_topics=[TxnTopic(name="orders", partitions=[0])],
    )
    client.any(request, AddPartitionsToTxnResponse, highest=3)
    return made.producer_id


def test_a_transaction_is_listed_described_and_ended_by_force(run: Run, client: Client) -> None:
    assert run("list") == (0, "TransactionalId\tCoordinator\tProducerId\tTransactionState\t\n", "")
    producer_id = begin(client, "payments")
    (row,) = json.loads(run("list", "--json")[1])
    assert row == {
        "transactionalId": "payments",
        "coordinator": 1,
        "producerId": producer_id,
        "transactionState": "Ongoing",
    }
    assert json.loads(run("list", "--json", "--duration-filter", "3600000")[1]) == []
    assert len(json.loads(run("list", "--json", "--transactional-id-pattern", "pay.*")[1])) == 1
    described = json.loads(run("describe", "--transactional-id", "payments", "--json")[1])
    assert (described["transactionState"], described["topicPartitions"]) == ("Ongoing", ["orders-0"])
    assert described["transactionDurationMs"] >= 0
    assert run("describe", "--transactional-id", "payments")[1].splitlines()[1].split()[1:5] == [
        "payments",
        str(producer_id),
        "0",
        "Ongoing",
    ]
    assert run("forceTerminateTransaction", "--transactionalId", "payments") == (0, "", "")
    assert json.loads(run("list", "--json")[1])[0]["transactionState"] == "Empty"


def test_what_no_coordinator_knows_hangs_and_is_aborted(run: Run, client: Client) -> None:
    producer_id = begin(client, "payments")
    produce(client, producer_id, 0, timestamp_ms=1000)
    produce(client, producer_id + 7, 1, timestamp_ms=1000)
    found = json.loads(run("find-hanging", "--broker-id", "1", "--json")[1])
    assert [(row["partition"], row["producerId"], row["startOffset"]) for row in found] == [(1, producer_id + 7, 0)]
    assert "orders\t1" in run("find-hanging", "--topic", "orders")[1].replace(" ", "")
    assert run("describe-producers", "--topic", "orders", "--partition", "1")[1].splitlines()[1].split() == [
        str(producer_id + 7),
        "0",
        "-1",
        "0",
        "1000",
        "0",
    ]
    (row,) = json.loads(
        run("describe-producers", "--topic", "orders", "--partition", "0", "--broker-id", "1", "--json")[1]
    )
    assert (row["producerId"], row["currentTransactionStartOffset"]) == (producer_id, 0)
    assert run("abort", "--topic", "orders", "--partition", "1", "--start-offset", "0") == (0, "", "")
    assert json.loads(run("find-hanging", "--topic", "orders", "--partition", "1", "--json")[1]) == []
    assert run("describe-producers", "--topic", "orders", "--partition", "1")[1].split()[-1] == "None"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["describe", "--transactional-id", "x"], "Failed to describe transaction state of transactional-id `x`"),
        (
            ["describe-producers", "--topic", "no", "--partition", "0"],
            "Failed to describe producers for partition no-0 on",
        ),
        (["abort", "--topic", "orders", "--partition", "0"], "The transaction to abort must be identified either"),
        (["abort", "--topic", "orders", "--partition", "0", "--producer-id", "1"], "Missing required argument --prod"),
        (
            ["abort", "--topic", "orders", "--partition", "0", "--start-offset", "3"],
            "Could not find any open transactions",
        ),
        (["find-hanging"], "The `find-hanging` command requires either --topic or --broker-id"),
        (["find-hanging", "--broker-id", "1", "--partition", "0"], "The --partition argument requires --topic"),
        (["describe"], "usage: klamm transactions describe"),
    ],
)
def test_what_cannot_be_done_ends_with_1_and_kafkas_words(run: Run, arguments: list[str], message: str) -> None:
    code, out, err = run(*arguments)
    assert (code, out, err.startswith(message)) == (1, "", True), err
