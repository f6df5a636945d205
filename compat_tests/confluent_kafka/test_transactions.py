"""librdkafka's transactions: all or nothing for readers of committed records, exactly once through a processor that is
killed with its broker."""

from __future__ import annotations

import os
import random
import threading
from collections import Counter

import pytest
from confluent_kafka import Consumer, KafkaException, Message, Producer, TopicPartition

from ..support import Broker, unique, wait_until
from .clients import WAIT_S, consumer, create_topic, producer, whole_log

KILLS = int(os.environ.get("KLAMM_KILLS", "6"))
SEED = int(os.environ.get("KLAMM_KILL_SEED", "0")) or random.SystemRandom().randrange(1, 10**9)
# What finds a broker that returns at once. By default librdkafka forgets all brokers when none answers and begins with
# the bootstrap address again; a send_offsets_to_transaction that was under way then waits for ever (FINDINGS.md).
QUICK = {
    "reconnect_backoff_ms": 20,
    "reconnect_backoff_max_ms": 200,
    "retry_backoff_ms": 20,
    "metadata_recovery_strategy": "none",
}
PARTITIONS = 3
RECORDS = 2000


def values(messages: list[Message]) -> list[bytes]:
    return sorted(message.value() for message in messages)


def committed_values(broker: Broker, topic: str) -> list[bytes]:
    return values(whole_log(broker, topic, PARTITIONS, isolation_level="read_committed"))


def transaction(sender: Producer, topic: str, label: str, *, commit: bool) -> list[bytes]:
    """A record to each partition, in one transaction."""
    sender.begin_transaction()
    written = [f"{label}-{number}".encode() for number in range(PARTITIONS)]
    for number, value in enumerate(written):
        sender.produce(topic, value, partition=number)
    if commit:
        sender.commit_transaction(WAIT_S)
    else:
        sender.flush(WAIT_S)
        sender.abort_transaction(WAIT_S)
    return written


def test_committed_and_aborted_transactions(broker: Broker) -> None:
    topic = create_topic(broker, unique("transactions"), PARTITIONS)
    sender = producer(broker, transactional_id=unique("tx"))
    sender.init_transactions(WAIT_S)
    kept, dropped = [], []
    for number in range(10):
        commit = number % 3 != 1
        (kept if commit else dropped).extend(transaction(sender, topic, f"{number}", commit=commit))
    assert committed_values(broker, topic) == sorted(kept)
    everything = whole_log(broker, topic, PARTITIONS, isolation_level="read_uncommitted")
    assert values(everything) == sorted([*kept, *dropped])


def test_an_open_transaction_is_not_read_and_its_producer_is_fenced(broker: Broker) -> None:
    topic = create_topic(broker, unique("transactions"), PARTITIONS)
    name = unique("tx")
    first = producer(broker, transactional_id=name)
    first.init_transactions(WAIT_S)
    kept = transaction(first, topic, "kept", commit=True)
    first.begin_transaction()
    first.produce(topic, b"open", partition=0)
    assert first.flush(WAIT_S) == 0
    assert committed_values(broker, topic) == sorted(kept)
    second = producer(broker, transactional_id=name)
    second.init_transactions(WAIT_S)
    with pytest.raises(KafkaException) as caught:
        first.commit_transaction(WAIT_S)
    assert caught.value.args[0].fatal()
    kept += transaction(second, topic, "second", commit=True)
    assert committed_values(broker, topic) == sorted(kept)


def test_transactions_outlive_the_broker(broker: Broker) -> None:
    topic = create_topic(broker, unique("transactions"), PARTITIONS)
    sender = producer(broker, transactional_id=unique("tx"), **QUICK)
    sender.init_transactions(WAIT_S)
    kept = transaction(sender, topic, "before", commit=True)
    transaction(sender, topic, "dropped", commit=False)
    sender.begin_transaction()
    sender.produce(topic, b"over the kill", partition=0)
    assert sender.flush(WAIT_S) == 0
    broker.kill()
    broker.start()
    assert committed_values(broker, topic) == sorted(kept)
    sender.produce(topic, b"after the kill", partition=1)
    sender.commit_transaction(WAIT_S)
    kept += [b"over the kill", b"after the kill"]
    assert committed_values(broker, topic) == sorted(kept)


class Processor(threading.Thread):
    """Reads a topic in a group, writes two records for each, and commits offsets and records in one transaction.

    After an error it aborts and goes back to what is committed; after a fatal one it begins anew, as a process would.
    `failed`: what ended it, other than `ending`.
    """

    def __init__(self, broker: Broker, source: str, target: str) -> None:
        super().__init__(daemon=True)
        self._broker, self._source, self._target = broker, source, target
        self._group, self._name = unique("processor"), unique("tx")
        self.ending = threading.Event()
        self.failed: BaseException | None = None
        self.transactions = self.restarts = 0
        self.processed: set[bytes] = set()

    def run(self) -> None:
        try:
            while not self.ending.is_set():
                self._live()
                self.restarts += 1
        except BaseException as error:
            self.failed = error

    def _live(self) -> None:
        """One producer and consumer, until a fatal error or the end."""
        sender = producer(self._broker, transactional_id=self._name, **QUICK)
        reader = consumer(
            self._broker,
            group_id=self._group,
            isolation_level="read_committed",
            enable_partition_eof=False,
            session_timeout_ms=6000,
            **QUICK,
        )
        try:
            sender.init_transactions(WAIT_S)
            reader.subscribe([self._source])
            while not self.ending.is_set():
                try:
                    self._one_transaction(sender, reader)
                except KafkaException as error:
                    if not self._recover(sender, reader, error):
                        return
        except KafkaException:
            return  # init_transactions in the midst of a kill, for one
        finally:
            reader.close()

    def _one_transaction(self, sender: Producer, reader: Consumer) -> None:
        messages = [message for message in reader.consume(50, 0.2) if not message.error()]
        if not messages:
            return
        sender.begin_transaction()
        for message in messages:
            for copy in (0, 1):
                sender.produce(self._target, b"%d:" % copy + message.value(), partition=copy)
        sender.send_offsets_to_transaction(
            reader.position(reader.assignment()), reader.consumer_group_metadata(), WAIT_S
        )
        sender.commit_transaction(WAIT_S)
        self.transactions += 1
        self.processed.update(message.value() for message in messages)

    def _recover(self, sender: Producer, reader: Consumer, error: KafkaException) -> bool:
        """Whether the same producer can go on."""
        reason = error.args[0]
        if reason.fatal():
            return False
        if reason.txn_requires_abort() or reason.retriable():
            sender.abort_transaction(WAIT_S)
        else:
            return False
        assigned = reader.assignment()
        for place in reader.committed(assigned, WAIT_S):
            offset = place.offset if place.offset >= 0 else 0
            reader.seek(TopicPartition(place.topic, place.partition, offset))
        return True


def wait_for_a_transaction(processor: Processor) -> None:
    so_far = processor.transactions
    wait_until(lambda: processor.failed or processor.transactions > so_far, 60, f"a transaction (seed {SEED})")


@pytest.mark.bounded(60 + 10 * KILLS)
def test_exactly_once_through_kills_of_the_broker(broker: Broker) -> None:
    rng = random.Random(SEED)
    source = create_topic(broker, unique("source"), PARTITIONS)
    target = create_topic(broker, unique("target"), PARTITIONS)
    processor = Processor(broker, source, target)
    processor.start()
    sent: list[bytes] = []
    feeder = producer(broker, enable_idempotence=True, message_timeout_ms=120_000, **QUICK)
    per_kill = RECORDS // (KILLS + 1)
    for kill in range(KILLS + 1):
        for number in range(per_kill):
            sent.append(b"%d" % (kill * per_kill + number))
            feeder.produce(source, sent[-1], partition=rng.randrange(PARTITIONS))
        feeder.poll(0)
        if kill < KILLS:
            wait_for_a_transaction(processor)
            threading.Event().wait(rng.random() * 0.2)  # not a wait for anything: the kill comes at a random moment
            broker.kill()
            broker.start()
    assert feeder.flush(60) == 0
    done = {b"%d:%s" % (copy, value) for value in sent for copy in (0, 1)}

    def seen() -> list[bytes]:
        return [message.value() for message in whole_log(broker, target, 2, isolation_level="read_committed")]

    wait_until(
        lambda: processor.failed or len(processor.processed) == len(sent) or set(seen()) >= done,
        120,
        f"all records to be processed (seed {SEED})",
    )
    processor.ending.set()
    processor.join(90)
    assert processor.failed is None, f"seed {SEED}"
    found = Counter(seen())
    lost = done - set(found)
    doubled = {value for value, count in found.items() if count > 1}
    partial = {value for value in sent if (b"0:" + value in found) != (b"1:" + value in found)}
    assert (len(lost), len(doubled), len(partial)) == (0, 0, 0), f"seed {SEED}"
    assert set(found) == done
