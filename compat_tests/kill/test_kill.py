"""kill -9 at random points under load: what was acknowledged is in the log once and in order, commits hold.

Two idempotent producers write to three partitions, a group of one reads, commits synchronously after each batch, and
is replaced now and then by a new member. KLAMM_KILL_SEED repeats a run's choices (the kernel's scheduling is not among
them), KLAMM_KILLS changes their number.
"""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Callable

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from ..support import Broker, unique, wait_until
from .checker import Acknowledged, Committed, Logged, Read, Stamp, check

KILLS = int(os.environ.get("KLAMM_KILLS", "20"))
SEED = int(os.environ.get("KLAMM_KILL_SEED", "0")) or random.SystemRandom().randrange(1, 10**9)
PARTITIONS = 3
PRODUCERS = 2
# A new member waits for the session of one whose LeaveGroup was lost in a kill.
BROKER_CONFIG = {"group.min.session.timeout.ms": "500"}
# log_level 0: a refused connection is nothing to tell here.
QUICK = {"reconnect.backoff.ms": 20, "reconnect.backoff.max.ms": 200, "retry.backoff.ms": 20, "log_level": 0}
MAX_WAITING = 400  # records a producer has sent and not yet heard of


class Load(threading.Thread):
    """One idempotent producer; `acknowledged` and `refused` grow with what the broker tells it."""

    def __init__(self, broker: Broker, topic: str, number: int) -> None:
        super().__init__(daemon=True)
        self._topic, self._number = topic, number
        settings = {"bootstrap.servers": broker.bootstrap_servers, "enable.idempotence": True, **QUICK}
        # No record gives up: only the broker's word decides what is acknowledged.
        self._producer = Producer({**settings, "linger.ms": 2, "message.timeout.ms": 300_000})
        self.acknowledged: list[Acknowledged] = []
        self.refused: list[str] = []
        self.ending = threading.Event()

    def run(self) -> None:
        sequence = 0
        while not self.ending.is_set():
            if len(self._producer) < MAX_WAITING:
                for partition in range(PARTITIONS):
                    stamp = Stamp(self._number, partition, sequence)
                    value = ",".join(map(str, stamp)).ljust(200, ".").encode()
                    self._producer.produce(self._topic, value, partition=partition, on_delivery=self._told(stamp))
                sequence += 1
            self._producer.poll(0.002)
        if self._producer.flush(60):
            self.refused.append("records were not answered within 60 s of the last start")

    def _told(self, stamp: Stamp) -> Callable[[KafkaError | None, Message], None]:
        def on_delivery(error: KafkaError | None, message: Message) -> None:
            if error:
                self.refused.append(f"{stamp}: {error}")
            else:
                self.acknowledged.append(Acknowledged(stamp, message.offset()))

        return on_delivery


class Group(threading.Thread):
    """A group of one that commits after each batch; `events` is what it saw, in order."""

    def __init__(self, broker: Broker, topic: str, rng: random.Random) -> None:
        super().__init__(daemon=True)
        self._topic, self._rng = topic, rng
        self._settings = {
            "bootstrap.servers": broker.bootstrap_servers,
            "group.id": unique("kill-group"),
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "session.timeout.ms": 1500,
            "heartbeat.interval.ms": 200,
            "fetch.wait.max.ms": 50,
            **QUICK,
        }
        self.events: list[Read | Committed] = []
        self.read: set[Read] = set()
        self.members = 0
        self.error: BaseException | None = None
        self.ending = threading.Event()

    def run(self) -> None:
        try:
            while not self.ending.is_set():
                self._one_member(self._rng.randrange(3, 30))
        except BaseException as error:  # shown by the test: a thread has nobody to raise to
            self.error = error

    def _one_member(self, commits: int) -> None:
        self.members += 1
        consumer = Consumer(self._settings)
        consumer.subscribe([self._topic])
        while commits and not self.ending.is_set():
            messages = [message for message in consumer.consume(100, timeout=0.05) if not message.error()]
            reads = [Read(message.partition(), message.offset()) for message in messages]
            self.events += reads
            self.read.update(reads)
            if messages:
                commits -= self._commit(consumer)
        consumer.close()

    def _commit(self, consumer: Consumer) -> bool:
        try:
            answered = consumer.commit(asynchronous=False)
        except KafkaException:
            return False  # no answer, no promise: the position may or may not stand
        self.events += [Committed(part.partition, part.offset) for part in answered if not part.error]
        return True


def whole_log(broker: Broker, topic: str) -> list[Logged]:
    settings = {"bootstrap.servers": broker.bootstrap_servers, "group.id": "unused", "enable.partition.eof": True}
    reader = Consumer({**settings, "auto.offset.reset": "error"})
    reader.assign([TopicPartition(topic, partition, 0) for partition in range(PARTITIONS)])
    log: list[Logged] = []
    ends = 0
    deadline = time.monotonic() + 60
    while ends < PARTITIONS:
        assert time.monotonic() < deadline, "the log could not be read within 60 s"
        for message in reader.consume(1000, timeout=0.2):
            error = message.error()
            if not error:
                stamp = Stamp(*map(int, message.value().rstrip(b".").split(b",")))
                log.append(Logged(message.partition(), message.offset(), stamp))
            elif error.code() == KafkaError._PARTITION_EOF:
                ends += 1
            else:
                raise KafkaException(error)
    reader.close()
    return log


@pytest.mark.bounded(240)
def test_promises_hold_over_kills(broker: Broker) -> None:
    print(f"KLAMM_KILL_SEED={SEED} KLAMM_KILLS={KILLS}")
    rng = random.Random(SEED)
    topic = unique("kill")
    admin = AdminClient({"bootstrap.servers": broker.bootstrap_servers, **QUICK})
    # The smallest segment Kafka allows: some kills meet a log that has just rolled.
    new = NewTopic(topic, PARTITIONS, 1, config={"segment.bytes": str(1024 * 1024)})
    admin.create_topics([new])[topic].result(30)
    loads = [Load(broker, topic, number) for number in range(PRODUCERS)]
    group = Group(broker, topic, random.Random(SEED + 1))
    threads: list[Load | Group] = [*loads, group]

    def acknowledged() -> int:
        return sum(len(load.acknowledged) for load in loads)

    try:
        for thread in threads:
            thread.start()
        for _ in range(KILLS):
            # Every fourth kill or so meets a broker that has hardly started.
            target = acknowledged() + rng.choice((0, 1, rng.randrange(2000), rng.randrange(2000)))
            wait_until(lambda target=target: acknowledged() >= target, 60, f"{target} acknowledged records")
            time.sleep(rng.random() * 0.05)  # not to wait for something, but to hit any moment between two answers
            broker.kill()
            broker.start()
        for load in loads:
            load.ending.set()
            load.join(90)
        told = [one for load in loads for one in load.acknowledged]
        expected = {Read(one.stamp.partition, one.offset) for one in told}
        wait_until(lambda: group.error or expected <= group.read, 60, "the group to read every acknowledged record")
    finally:
        for thread in threads:
            thread.ending.set()
        for thread in threads:
            thread.join(90)
    log = whole_log(broker, topic)
    report = check(told, log, group.events)
    commits = sum(isinstance(event, Committed) for event in group.events)
    story = (
        f"{KILLS} kills, {len(told)} acknowledged, {len(log)} in the log, {commits} commits, {group.members} members"
    )
    print(f"{story}: {report}")
    assert report.clean, f"KLAMM_KILL_SEED={SEED}: {report}"
    assert [refusal for load in loads for refusal in load.refused] == []
    assert group.error is None
    assert len(told) > 10 * KILLS
    assert commits > KILLS
