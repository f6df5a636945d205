"""What runs over kills: producers that stamp their records, a group of one, and the account of it at the end.

KLAMM_KILL_SEED repeats a run's choices (the kernel's scheduling is not among them), KLAMM_KILLS is their number in each
test; `make crashes` takes 50.
"""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Callable, Sequence

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from ..support import Broker, unique, wait_until
from .checker import Acknowledged, Committed, Logged, Read, Stamp, check

SEED = int(os.environ.get("KLAMM_KILL_SEED", "0")) or random.SystemRandom().randrange(1, 10**9)
PARTITIONS = 3
PRODUCERS = 2
# A new member waits for the session of one whose LeaveGroup was lost in a kill.
BROKER_CONFIG = {"group.min.session.timeout.ms": "500"}
# log_level 0: a refused connection is nothing to tell here.
QUICK = {"reconnect.backoff.ms": 20, "reconnect.backoff.max.ms": 200, "retry.backoff.ms": 20, "log_level": 0}
MAX_WAITING = 400  # records a producer has sent and not yet heard of


def kills(usual: int) -> int:
    """How many a test makes."""
    return int(os.environ.get("KLAMM_KILLS", usual))


class Load(threading.Thread):
    """A producer; `acknowledged`, `aborted`, `undecided` (transactions) and `refused` grow with what it is told."""

    #: At most so many acknowledged records between two kills.
    stride = 2000

    def __init__(self, broker: Broker, topic: str, number: int, rng: random.Random) -> None:
        super().__init__(daemon=True)
        self._topic, self._number, self._rng = topic, number, rng
        # No record gives up: only the broker's word decides what is acknowledged.
        patience = {"linger.ms": 2, "message.timeout.ms": 300_000}
        self._settings = {"bootstrap.servers": broker.bootstrap_servers, **patience, **QUICK}
        self.acknowledged: list[Acknowledged] = []
        self.aborted: list[Stamp] = []
        self.undecided: list[list[Stamp]] = []
        self.refused: list[str] = []
        self.ending = threading.Event()

    def _produce(self, producer: Producer, stamp: Stamp, told: Callable[[KafkaError | None, Message], None]) -> None:
        value = ",".join(map(str, stamp)).ljust(200, ".").encode()
        producer.produce(self._topic, value, partition=stamp.partition, on_delivery=told)


class IdempotentLoad(Load):
    """Record by record."""

    def run(self) -> None:
        producer = Producer({**self._settings, "enable.idempotence": True})
        sequence = 0
        while not self.ending.is_set():
            if len(producer) < MAX_WAITING:
                for partition in range(PARTITIONS):
                    stamp = Stamp(self._number, partition, sequence)
                    self._produce(producer, stamp, self._told(stamp))
                sequence += 1
            producer.poll(0.002)
        if producer.flush(60):
            self.refused.append("records were not answered within 60 s of the last start")

    def _told(self, stamp: Stamp) -> Callable[[KafkaError | None, Message], None]:
        def on_delivery(error: KafkaError | None, message: Message) -> None:
            if error:
                self.refused.append(f"{stamp}: {error}")
            else:
                self.acknowledged.append(Acknowledged(stamp, message.offset()))

        return on_delivery


class TransactionalLoad(Load):
    """Transactions of a few records in each partition, every fifth or so of them aborted.

    One whose end nobody told the producer (it had to begin anew) is undecided: all of it counts, or nothing.
    """

    stride = 400

    def run(self) -> None:
        try:
            producer, sequence = self._begin_anew(), 0
            while not self.ending.is_set():
                stamps = [
                    Stamp(self._number, partition, sequence + n) for n in range(3) for partition in range(PARTITIONS)
                ]
                sequence += 3
                if not self._transaction(producer, stamps):
                    self.undecided.append(stamps)
                    producer = self._begin_anew()
        except KafkaException as error:
            self.refused.append(f"producer {self._number}: {error}")

    def _begin_anew(self) -> Producer:
        producer = Producer(
            {
                **self._settings,
                "transactional.id": f"{self._topic}-{self._number}",
                "transaction.timeout.ms": self._settings["message.timeout.ms"],
            }
        )
        _until_done(producer.init_transactions)
        return producer

    def _transaction(self, producer: Producer, stamps: list[Stamp]) -> bool:
        """False if the producer cannot go on, and does not know what became of the transaction."""
        offsets: dict[Stamp, int] = {}
        try:
            producer.begin_transaction()
            for stamp in stamps:
                self._produce(producer, stamp, _note_offset(offsets, stamp))
            producer.flush(60)
            if self._rng.random() < 0.2:
                _until_done(producer.abort_transaction)
                self.aborted += stamps
            else:
                _until_done(producer.commit_transaction)
                self.acknowledged += [Acknowledged(stamp, offset) for stamp, offset in offsets.items()]
        except KafkaException as failure:
            if not failure.args[0].txn_requires_abort():
                return False
            try:
                _until_done(producer.abort_transaction)
            except KafkaException:
                return False
            self.aborted += stamps
        return True


def _note_offset(offsets: dict[Stamp, int], stamp: Stamp) -> Callable[[KafkaError | None, Message], None]:
    def on_delivery(error: KafkaError | None, message: Message) -> None:
        if not error:
            offsets[stamp] = message.offset()

    return on_delivery


def _until_done(call: Callable[[float], object]) -> None:
    """Raises KafkaException for what no second try mends, or after two minutes."""
    deadline = time.monotonic() + 120
    while True:
        try:
            call(10)
            return
        except KafkaException as error:
            if not error.args[0].retriable() or time.monotonic() > deadline:
                raise


class Group(threading.Thread):
    """A group of one that commits after each batch; `events` is what it saw, in order."""

    def __init__(self, broker: Broker, topic: str, rng: random.Random) -> None:
        super().__init__(daemon=True)
        self._topic, self._rng = topic, rng
        # It reads committed records only: librdkafka's default.
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


def promises_hold_over_kills(broker: Broker, kind: type[Load], kills: int) -> None:
    """Raises AssertionError with what was lost, doubled or reordered."""
    print(f"KLAMM_KILL_SEED={SEED} KLAMM_KILLS={kills}")
    rng = random.Random(SEED)
    topic = unique("kill")
    admin = AdminClient({"bootstrap.servers": broker.bootstrap_servers, **QUICK})
    # The smallest segment Kafka allows: some kills meet a log that has just rolled.
    new = NewTopic(topic, PARTITIONS, 1, config={"segment.bytes": str(1024 * 1024)})
    admin.create_topics([new])[topic].result(30)
    loads = [kind(broker, topic, number, random.Random(SEED + 2 + number)) for number in range(PRODUCERS)]
    group = Group(broker, topic, random.Random(SEED + 1))
    threads: Sequence[Load | Group] = [*loads, group]

    def acknowledged() -> int:
        return sum(len(load.acknowledged) for load in loads)

    try:
        for thread in threads:
            thread.start()
        for _ in range(kills):
            # Every fourth kill or so meets a broker that has hardly started.
            target = acknowledged() + rng.choice((0, 1, rng.randrange(kind.stride), rng.randrange(kind.stride)))
            wait_until(
                lambda target=target: acknowledged() >= target or any(load.refused for load in loads),
                60,
                f"{target} acknowledged records",
            )
            time.sleep(rng.random() * 0.05)  # not to wait for something, but to hit any moment between two answers
            broker.kill()
            broker.start()
        for load in loads:
            load.ending.set()
            load.join(180)
        told = [one for load in loads for one in load.acknowledged]
        expected = {Read(one.stamp.partition, one.offset) for one in told}
        wait_until(lambda: group.error or expected <= group.read, 60, "the group to read every acknowledged record")
    finally:
        for thread in threads:
            thread.ending.set()
        for thread in threads:
            thread.join(180)
    log = whole_log(broker, topic)
    aborted = [stamp for load in loads for stamp in load.aborted]
    undecided = [stamps for load in loads for stamps in load.undecided]
    report = check(told, log, group.events, aborted, undecided)
    commits = sum(isinstance(event, Committed) for event in group.events)
    story = (
        f"{kills} kills, {len(told)} acknowledged, {len(aborted)} aborted, {len(undecided)} transactions undecided, "
        f"{len(log)} in the log, {commits} commits, {group.members} members"
    )
    print(f"{story}: {report}")
    assert report.clean, f"KLAMM_KILL_SEED={SEED}: {report}"
    assert [refusal for load in loads for refusal in load.refused] == []
    assert group.error is None
    assert len(told) > 10 * kills
    assert commits > kills
