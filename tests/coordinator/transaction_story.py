"""Scenarios of transactions as text, told as `story.py` tells those of groups.

    init alice                           a command: what somebody does
    ----
    log 0: alice Empty 1000:0            what the coordinator wrote: state, producer id : epoch
    alice InitProducerId NONE 1000:0     what the client was told

A client's name is its transactional id, or NAME/ID; it goes on with the id and epoch it was told last.

    init NAME [timeout=MS known=ID:EPOCH]     add NAME PARTITION... [version=]      write NAME PARTITION
    end NAME commit|abort [version= as=ID:EPOCH]      describe NAME
    advance MS    hold    release    crash    fail ERROR    away PARTITION    back PARTITION    epoch NAME EPOCH
    new [version=]                            begin again with nothing
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from klamm.coordinator.transaction_events import (
    AddPartitions,
    Described,
    DescribeTransaction,
    EndTransaction,
    Event,
    InitProducer,
    PartitionErrors,
    ProducerResult,
    Result,
    TransactionEffects,
)
from klamm.coordinator.transaction_state import TopicPartition, Transaction, TransactionRecord, from_bytes
from klamm.wire.errors import ErrorCode, KafkaError

from .transaction_bench import TransactionBench


def partition(text: str) -> TopicPartition:
    topic, _, index = text.partition(":")
    return topic, int(index)


def tell_partitions(found: Transaction) -> str:
    return "".join(f" {topic}:{index}" for topic, index in sorted(found.partitions))


class TransactionStory:
    def __init__(self, version: int = 2) -> None:
        self.bench = TransactionBench(version)
        self.known: dict[str, tuple[int, int]] = {}
        self._asked: dict[int, tuple[str, str]] = {}
        self._logged = 0
        self._marked: dict[TopicPartition, int] = {}
        self._extra: list[str] = []

    def run(self, command: str) -> str:
        verb, *words = command.split()
        options = dict(word.split("=", 1) for word in words if "=" in word)
        getattr(self, "do_" + verb)([word for word in words if "=" not in word], options)
        return "".join(line + "\n" for line in self._news())

    def _ask(self, name: str, what: str, event: Event) -> None:
        self._asked[self.bench.ask(event)] = (name, what)

    def _identity(self, name: str, options: dict[str, str]) -> tuple[int, int]:
        if "as" in options:
            producer_id, _, epoch = options["as"].partition(":")
            return int(producer_id), int(epoch)
        return self.known[name]

    def do_new(self, words: list[str], options: dict[str, str]) -> None:
        self.__init__(int(options.get("version", 2)))  # type: ignore[misc]

    def do_init(self, words: list[str], options: dict[str, str]) -> None:
        (name,) = words
        known = (-1, -1)
        if "known" in options:
            known = self._identity(name, {"as": options["known"]})
        event = InitProducer(name.partition("/")[2] or name, int(options.get("timeout", 60_000)), *known)
        self._ask(name, "InitProducerId", event)

    def do_add(self, words: list[str], options: dict[str, str]) -> None:
        name, *partitions = words
        transactional_id = name.partition("/")[2] or name
        event = AddPartitions(
            transactional_id,
            *self._identity(name, options),
            frozenset(map(partition, partitions)),
            int(options.get("version", 2)),
        )
        self._ask(name, "AddPartitions", event)

    def do_write(self, words: list[str], options: dict[str, str]) -> None:
        name, where = words
        try:
            self.bench.partition(partition(where)).write(*self._identity(name, options), name)
        except KafkaError as error:
            self._extra.append(f"{name} Produce {where} {error.code.name}")

    def do_end(self, words: list[str], options: dict[str, str]) -> None:
        name, how = words
        transactional_id = name.partition("/")[2] or name
        version = int(options.get("version", 2))
        event = EndTransaction(transactional_id, *self._identity(name, options), how == "commit", version)
        self._ask(name, "EndTxn", event)

    def do_describe(self, words: list[str], options: dict[str, str]) -> None:
        (name,) = words
        self._ask(name, "Describe", DescribeTransaction(name.partition("/")[2] or name))

    def do_advance(self, words: list[str], options: dict[str, str]) -> None:
        self.bench.advance(int(words[0]))

    def do_hold(self, words: list[str], options: dict[str, str]) -> None:
        self.bench.held = True

    def do_release(self, words: list[str], options: dict[str, str]) -> None:
        self.bench.held = False
        self.bench.release(len(self.bench.log))

    def do_crash(self, words: list[str], options: dict[str, str]) -> None:
        self.bench.crash()
        self._logged = min(self._logged, len(self.bench.log))

    def do_fail(self, words: list[str], options: dict[str, str]) -> None:
        self.bench.fail_next = ErrorCode[words[0]]

    def do_epoch(self, words: list[str], options: dict[str, str]) -> None:
        """As if so many transactions had been."""
        name, epoch = words
        found = replace(self.bench.shard.transactions[name], producer_epoch=int(epoch))
        self.bench.apply(TransactionEffects([TransactionRecord(name, found)], [], []))
        self.known[name] = found.producer_id, found.producer_epoch

    def do_away(self, words: list[str], options: dict[str, str]) -> None:
        self.bench.partition(partition(words[0])).in_reach = False

    def do_back(self, words: list[str], options: dict[str, str]) -> None:
        self.bench.partition(partition(words[0])).in_reach = True
        self.bench.write_markers()

    # --- what comes of it -----------------------------------------------------------------------------------------

    def _news(self) -> list[str]:
        lines, self._extra = self._extra, []
        for offset in range(self._logged, len(self.bench.log)):
            record = from_bytes(*self.bench.log[offset])
            assert record is not None
            found = record.transaction
            told = "gone" if found is None else f"{found.state.label} {found.producer_id}:{found.producer_epoch}"
            told += "" if found is None else tell_partitions(found)
            lines.append(f"log {offset}: {record.transactional_id} {told}")
        self._logged = len(self.bench.log)
        for key, where in sorted(self.bench.partitions.items()):
            for word, producer_id, epoch, _ in where.log[self._marked.get(key, 0) :]:
                if word != "data":
                    lines.append(f"{key[0]}:{key[1]} {word} {producer_id}:{epoch}")
            self._marked[key] = len(where.log)
        for number in sorted(set(self._asked) & set(self.bench.answers)):
            name, what = self._asked.pop(number)
            lines.append(f"{name} {what} {self._tell(name, self.bench.answers[number])}")
        if self.bench.parked:
            lines.append(f"({len(self.bench.parked)} parked)")
        return lines

    def _tell(self, name: str, result: Result) -> str:
        if isinstance(result, PartitionErrors):
            return " ".join(f"{topic}:{index}={error.name}" for (topic, index), error in sorted(result.errors.items()))
        if isinstance(result, Described):
            found = result.transaction
            return result.error.name if found is None else f"{found.state.label}{tell_partitions(found)}"
        assert isinstance(result, ProducerResult)
        if result.producer_id < 0:
            return result.error.name
        self.known[name] = result.producer_id, result.producer_epoch
        return f"{result.error.name} {result.producer_id}:{result.producer_epoch}"


def play(path: Path) -> tuple[str, str]:
    """(the file as it is, as it should be): the same text when all is well."""
    text = path.read_text(encoding="utf-8")
    story = TransactionStory()
    played = []
    for block in text.strip("\n").split("\n\n"):
        commands, _, _ = block.partition("\n----")
        if all(not line or line.startswith("#") for line in commands.splitlines()):
            played.append(block.rstrip("\n"))
            continue
        told = "".join(story.run(line) for line in commands.splitlines() if line and not line.startswith("#"))
        played.append(f"{commands}\n----\n{told}".rstrip("\n"))
    return text, "\n\n".join(played) + "\n"
