"""What the tools look at: topics, groups of both protocols with a known lag, and a transaction that is open."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from ..support import Broker, wait_until

WAIT_S = 30.0
TRANSACTION_TIMEOUT_MS = 900_000
RECORDS, COMMITTED = 60, 5
#: Records of `orders` that a group of `GROUPS` has not committed: in each partition, and in the three together.
PARTITION_LAG, LAG = 15, 45
#: Groups with one member, by protocol.
GROUPS = {"classic": "classic", "modern": "consumer"}
#: A group without members: it has committed 0, 1 and 2.
IDLE, IDLE_LAG = "idle", 57


@contextmanager
def filled(broker: Broker) -> Iterator[None]:
    """Fills `broker`; both members stay alive, and the transaction open, until the end of the block."""
    address = {"bootstrap.servers": broker.bootstrap_servers}
    admin = AdminClient(address)
    topics = [
        NewTopic("orders", 3, 1, config={"retention.ms": "7200000"}),
        NewTopic("compacted", 1, 1, config={"cleanup.policy": "compact"}),
        NewTopic("paid", 1, 1),
    ]
    for future in admin.create_topics(topics).values():
        future.result(WAIT_S)

    producer = Producer(address)
    for number in range(RECORDS):
        producer.produce(
            "orders", f"value {number}", key=f"key {number % 7}", partition=number % 3, headers={"h": b"x"}
        )
    assert producer.flush(WAIT_S) == 0

    # Longer than any test: the coordinator must not end it first.
    payments = Producer({**address, "transactional.id": "payments", "transaction.timeout.ms": TRANSACTION_TIMEOUT_MS})
    payments.init_transactions(WAIT_S)
    for value in ("done", "open"):
        payments.begin_transaction()
        payments.produce("paid", value)
        assert payments.flush(WAIT_S) == 0
        if value == "done":
            payments.commit_transaction(WAIT_S)

    idle = Consumer({**address, "group.id": IDLE})
    idle.commit(offsets=[TopicPartition("orders", number, number) for number in range(3)], asynchronous=False)
    idle.close()

    members = [_member(broker, group, protocol) for group, protocol in GROUPS.items()]
    ended = threading.Event()

    def keep_alive() -> None:
        while not ended.is_set():
            for member in members:
                member.poll(0.1)

    thread = threading.Thread(target=keep_alive, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(WAIT_S)
        for member in members:
            member.close()
        payments.abort_transaction(WAIT_S)


def _member(broker: Broker, group: str, protocol: str) -> Consumer:
    member = Consumer(
        {
            "bootstrap.servers": broker.bootstrap_servers,
            "group.id": group,
            "client.id": f"{group}-app",
            "group.protocol": protocol,
            "enable.auto.commit": False,
        }
    )
    member.subscribe(["orders"])
    wait_until(lambda: member.poll(0.1) is None and len(member.assignment()) == 3, WAIT_S, f"{group}'s assignment")
    member.commit(offsets=[TopicPartition("orders", number, COMMITTED) for number in range(3)], asynchronous=False)
    return member
