"""Kafka Streams with processing.guarantee=exactly_once_v2: exact counts, whatever ends in the middle.

The store's cache is off, so each word that comes makes one record: the counts of a word must be exactly 1, 2, 3, ... in
the order of the output's partition. A number that is missing was lost, one that comes twice was doubled.
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import Message, Producer, TopicPartition
from confluent_kafka.admin import ConfigResource, OffsetSpec

from ..confluent_kafka.clients import admin, consumer, create_topic, partitions, producer, whole_log
from ..java.jvm import Program
from ..support import Broker, unique, wait_until

HERE = Path(__file__).resolve().parent
PARTITIONS = 3
LINES = 600  # between two events; each of three words
WORDS = [f"word-{number}" for number in range(40)]
WAIT_S = 45.0
# A new instance waits for the session of one that was killed; the least that a broker allows is 6 s by default.
BROKER_CONFIG = {"group.min.session.timeout.ms": "500"}
QUICK = {"reconnect_backoff_ms": 20, "reconnect_backoff_max_ms": 200, "metadata_recovery_strategy": "none"}
SETTINGS = {
    "processing.guarantee": "exactly_once_v2",
    "num.stream.threads": "2",
    "statestore.cache.max.bytes": "0",
    "commit.interval.ms": "50",
    # Records of the repartition topic that are done with are deleted (DeleteRecords): every 30 s by default.
    "repartition.purge.interval.ms": "200",
    "replication.factor": "1",
    "consumer.session.timeout.ms": "1500",
    "consumer.heartbeat.interval.ms": "200",
    "consumer.auto.offset.reset": "earliest",
    "reconnect.backoff.max.ms": "200",
    # What a killed instance left open holds readers of committed records back for as long, at most.
    "producer.transaction.timeout.ms": "4000",
}


class WordCount:
    """The application and its topics; what is fed is counted here too."""

    def __init__(self, broker: Broker, folder: Path) -> None:
        self._broker, self._folder = broker, folder
        self.name = unique("wordcount")
        self.source = create_topic(broker, f"{self.name}-source", PARTITIONS)
        self.target = create_topic(broker, f"{self.name}-target", PARTITIONS)
        self.fed: Counter[str] = Counter()
        self._feeder: Producer = producer(broker, enable_idempotence=True, message_timeout_ms=120_000, **QUICK)
        self._reader = consumer(broker, isolation_level="read_committed", **QUICK)
        self._reader.assign(partitions(self.target, PARTITIONS))
        self._read = self._fed_before = 0
        self._chance = random.Random(1)
        self.programs: list[Program] = []

    def start(self, state: str = "state", **config: object) -> Program:
        """An instance that keeps its stores in the folder of this name. Settings with underscores for dots."""
        settings = {
            **SETTINGS,
            "bootstrap.servers": self._broker.bootstrap_servers,
            "application.id": self.name,
            "state.dir": str(self._folder / state),
            **{key.replace("_", "."): str(value) for key, value in config.items()},
        }
        arguments = [self.source, self.target, *(f"{key}={value}" for key, value in settings.items())]
        log = self._folder / f"instance-{len(self.programs)}.log"
        self.programs.append(Program(HERE, "klamm.compat.WordCount", log, arguments))
        return self.programs[-1]

    def feed(self) -> None:
        self._fed_before = self.fed.total()
        for number in range(LINES):
            words = self._chance.choices(WORDS, k=3)
            self.fed.update(words)
            self._feeder.produce(self.source, " ".join(words).encode(), partition=number % PARTITIONS)
        self._feeder.poll(0)

    def wait_for(self, records: int, what: str) -> None:
        """Waits until so many words of those that were fed last, and all before them, are counted and committed."""
        wanted = self._fed_before + records

        def enough() -> bool:
            self._read += sum(not message.error() for message in self._reader.consume(1000, 0.05))
            return self._read >= wanted or any(program.events_of("streams", "failed") for program in self.programs)

        wait_until(enough, WAIT_S, f"{records} records of the output {what}")
        self.refuse_failures()

    def refuse_failures(self) -> None:
        failures = [event for program in self.programs for event in program.events_of("streams", "failed")]
        assert failures == []

    def wait_for_all(self) -> None:
        assert self._feeder.flush(WAIT_S) == 0
        self.wait_for(self.fed.total() - self._fed_before, "at the end")

    def close(self) -> None:
        self._reader.close()
        for program in self.programs:
            program.close()


@pytest.fixture
def word_count(broker: Broker, tmp_path: Path) -> Iterator[WordCount]:
    application = WordCount(broker, tmp_path)
    yield application
    application.close()


def counts_by_word(messages: list[Message]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = defaultdict(list)
    for message in messages:
        found[message.key().decode()].append(int(message.value()))
    return dict(found)


def check(broker: Broker, application: WordCount) -> None:
    """Every word's counts are 1, 2, 3, ... up to as often as it was fed; and so are those of the changelog."""
    expected = {word: list(range(1, count + 1)) for word, count in application.fed.items()}
    messages = whole_log(broker, application.target, PARTITIONS, isolation_level="read_committed")
    assert counts_by_word(messages) == expected
    changelog = whole_log(broker, f"{application.name}-counts-changelog", PARTITIONS, isolation_level="read_committed")
    newest = {message.key().decode(): int.from_bytes(message.value()[-8:]) for message in changelog}
    assert newest == dict(application.fed)
    assert sum(newest.values()) == sum(application.fed.values())


def wait_for_restoration(program: Program) -> None:
    """Until it has made its stores again from the changelog."""
    program.wait_for(
        lambda: sum(event["count"] for event in program.events_of("streams", "restored")) > 0,
        "stores made again",
        WAIT_S,
    )


def kill_and_start(broker: Broker) -> None:
    broker.kill()
    broker.start()


@pytest.mark.bounded(120)
def test_exact_counts_over_kills_of_broker_and_application(broker: Broker, word_count: WordCount) -> None:
    first = word_count.start()
    word_count.feed()
    word_count.wait_for(LINES // 2, "of the first instance")
    kill_and_start(broker)
    word_count.feed()
    word_count.wait_for(LINES, "after the broker's end")

    # The application, killed in its work: its store is not to be trusted, and is made again from the changelog.
    word_count.feed()
    word_count.wait_for(10, "before the application's end")
    first.kill()
    second = word_count.start()
    wait_for_restoration(second)
    word_count.feed()
    word_count.wait_for(10, "of the second instance")

    # Both at once.
    word_count.feed()
    second.kill()
    kill_and_start(broker)
    third = word_count.start()
    wait_for_restoration(third)
    word_count.wait_for(LINES, "of the third instance")

    # In order, and on as another host would, with nothing but the topics.
    third.close()
    fourth = word_count.start("another-host")
    word_count.feed()
    word_count.wait_for_all()
    wait_for_restoration(fourth)
    fourth.close()
    word_count.refuse_failures()
    check(broker, word_count)


def test_another_instance_takes_over_from_one_that_is_killed(broker: Broker, word_count: WordCount) -> None:
    one = word_count.start("one", num_standby_replicas=1)
    word_count.feed()
    word_count.wait_for(10, "of one instance")
    other = word_count.start("other", num_standby_replicas=1)
    other.wait_for(lambda: running(other), "the other instance to run", WAIT_S)
    word_count.feed()
    word_count.wait_for(10, "of two instances")
    one.kill()
    word_count.feed()
    word_count.wait_for_all()
    other.close()
    word_count.refuse_failures()
    check(broker, word_count)


def running(program: Program) -> bool:
    return [event["state"] for event in program.events_of("streams", "state")][-1:] == ["RUNNING"]


def test_internal_topics(broker: Broker, word_count: WordCount) -> None:
    word_count.start()
    word_count.feed()
    word_count.wait_for_all()
    client = admin(broker)
    listed = client.list_topics(timeout=WAIT_S).topics
    internal = {name: len(topic.partitions) for name, topic in listed.items() if name.startswith(word_count.name)}
    repartition, changelog = (f"{word_count.name}-{name}" for name in ("words-repartition", "counts-changelog"))
    assert internal == dict.fromkeys([word_count.source, word_count.target, repartition, changelog], PARTITIONS)
    policies = {name: topic_config(broker, name, "cleanup.policy") for name in (repartition, changelog)}
    assert policies == {repartition: "delete", changelog: "compact"}
    # What has been read of the repartition topic is not kept: retention is switched off, and Streams deletes itself.
    assert topic_config(broker, repartition, "retention.ms") == "-1"
    first = {TopicPartition(repartition, number): OffsetSpec.earliest() for number in range(PARTITIONS)}

    def beginnings() -> list[int]:
        answers = client.list_offsets(first).values()
        return [answer.result(WAIT_S).offset for answer in answers]

    wait_until(lambda: min(beginnings()) > 0, WAIT_S, "deleted records of the repartition topic")


def topic_config(broker: Broker, topic: str, name: str) -> str:
    client = admin(broker)
    [answer] = client.describe_configs([ConfigResource(ConfigResource.Type.TOPIC, topic)]).values()
    return str(answer.result(WAIT_S)[name].value)
