"""Stories of transactions over a socket: what producers ask and what the broker answers, line by line.

    init alice                                   a command: what somebody does
    ----
    NONE <1> epoch=0                             what it was answered; producer ids in the order of their coming

Told to klamm and to a real Kafka: `python -m tests.broker.transaction_story HOST:PORT` writes the answers of the broker
there into the files. Topics, groups and transactional ids have names of their own in every run.

    topic NAME...       init NAME [timeout= id= epoch= version= transactional=no as=OTHER]       until NAME STATE
    add NAME TOPIC... [version=]      send NAME TOPIC VALUE... [version=]     end NAME commit|abort [version=]
    offsets NAME GROUP TOPIC=OFFSET [version=]     fetch GROUP TOPIC [stable=yes]
    markers TOPIC COUNT     read TOPIC
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from compat_tests.support import unique
from klamm.wire.batches import iter_batches
from klamm.wire.errors import ErrorCode
from klamm.wire.messages.init_producer_id import InitProducerIdRequest
from klamm.wire.messages.offset_fetch import OffsetFetchRequest, OffsetFetchRequestGroup, OffsetFetchRequestTopics
from klamm.wire.records import CONTROL_COMMIT, decode_end_txn_marker, iter_records

from .raw_client import RawClient, wait_for
from .steps import create_topic, fetch
from .transactions import GROUP, TransactionalProducer, find_coordinator

FOLDER = Path(__file__).parent / "transaction_stories"
READ_COMMITTED = 1

_PASSING = {
    ErrorCode.COORDINATOR_NOT_AVAILABLE,
    ErrorCode.COORDINATOR_LOAD_IN_PROGRESS,
    ErrorCode.NOT_COORDINATOR,
}


class TransactionStory:
    def __init__(self, address: str) -> None:
        self.address = address
        self.client = RawClient(address)
        self.producers: dict[str, TransactionalProducer] = {}
        self.names: dict[str, str] = {}
        self.ids: dict[int, str] = {}

    def close(self) -> None:
        self.client.close()

    def run(self, command: str) -> str:
        verb, *words = command.split()
        options = dict(word.split("=", 1) for word in words if "=" in word and verb != "offsets")
        names = [word for word in words if "=" not in word or verb == "offsets"]
        told: str = getattr(self, "do_" + verb)(names, options)
        return told

    def _id(self, producer_id: int) -> str:
        return self.ids.setdefault(producer_id, f"<{len(self.ids) + 1}>")

    def _name(self, name: str) -> str:
        """What a topic or group is called in this run; a topic that was not made has no partitions."""
        return self.names.setdefault(name, unique(name))

    def _producer(self, name: str) -> TransactionalProducer:
        if name not in self.producers:
            self.producers[name] = TransactionalProducer(self.client)
        return self.producers[name]

    # --- commands -----------------------------------------------------------------------------------------------------

    def do_topic(self, names: list[str], options: dict[str, str]) -> str:
        for name in names:
            self.names[name] = create_topic(self.address)[0]
        return ""

    def do_init(self, names: list[str], options: dict[str, str]) -> str:
        producer = self._producer(names[0])
        if "as" in options:
            producer.transactional_id = self._producer(options["as"]).transactional_id
        request = InitProducerIdRequest(
            transactional_id=producer.transactional_id, transaction_timeout_ms=int(options.get("timeout", 60_000))
        )
        if "transactional" in options:
            request.transactional_id = None if options["transactional"] == "no" else ""
        if "id" in options:
            request.producer_id = producer.id if options["id"] == "own" else int(options["id"])
        if "epoch" in options:
            own = options["epoch"].startswith("own")
            request.producer_epoch = producer.epoch + int(options["epoch"][3:] or 0) if own else int(options["epoch"])
        answers: list[Any] = []

        def settled() -> bool:
            answers.append(self.client.request(request, int(options.get("version", 5))))
            return answers[-1].error_code not in _PASSING

        wait_for(settled, "a coordinator")
        answer = answers[-1]
        if answer.error_code:
            return ErrorCode(answer.error_code).name
        if request.transactional_id:
            producer.id, producer.epoch = answer.producer_id, answer.producer_epoch
        return f"NONE {self._id(answer.producer_id)} epoch={answer.producer_epoch}"

    def do_until(self, names: list[str], options: dict[str, str]) -> str:
        self._producer(names[0]).wait_until(names[1])
        return ""

    def do_add(self, names: list[str], options: dict[str, str]) -> str:
        """In the order of the topics as the command names them."""
        name, *topics = names
        asked = {topic: self._name(topic) for topic in topics}
        errors = self._producer(name).add(*asked.values(), version=int(options.get("version", 3)))
        by_name = dict(zip(sorted(asked.values()), errors, strict=True))
        return " ".join(f"{topic} {ErrorCode(by_name[asked[topic]]).name}" for topic in topics)

    def do_send(self, names: list[str], options: dict[str, str]) -> str:
        name, topic, *values = names
        version = int(options.get("version", 12))
        answer = self._producer(name).send(self._name(topic), *map(str.encode, values), version=version)
        return ErrorCode(answer.error_code).name

    def do_end(self, names: list[str], options: dict[str, str]) -> str:
        producer, version = self._producer(names[0]), int(options.get("version", 5))
        answer = producer.ask_end(names[1] == "commit", version)
        if answer.error_code or version < 5:
            return ErrorCode(answer.error_code).name
        producer.id, producer.epoch = answer.producer_id, answer.producer_epoch
        return f"NONE {self._id(answer.producer_id)} epoch={answer.producer_epoch}"

    def do_offsets(self, names: list[str], options: dict[str, str]) -> str:
        name, group, *rows = names
        find_coordinator(self.client, self._name(group), GROUP)
        offsets = [(self._name(topic), int(offset)) for topic, offset in (row.split("=") for row in rows)]
        errors = self._producer(name).commit_offsets(self._name(group), offsets)
        return " ".join(ErrorCode(code).name for code in errors)

    def do_fetch(self, names: list[str], options: dict[str, str]) -> str:
        group, topic = names
        rows = [OffsetFetchRequestTopics(name=self._name(topic), partition_indexes=[0])]
        asked = OffsetFetchRequestGroup(group_id=self._name(group), topics=rows)
        request = OffsetFetchRequest(groups=[asked], require_stable="stable" in options)
        row = self.client.request(request, 8).groups[0].topics[0].partitions[0]
        return f"{ErrorCode(row.error_code).name} {row.committed_offset}"

    def do_markers(self, names: list[str], options: dict[str, str]) -> str:
        """Once so many are there; the coordinator's epoch is its leader's, which no story can know."""
        topic, count = names
        wait_for(lambda: len(self._markers(topic)) >= int(count), f"{count} markers")
        return "\n".join(self._markers(topic))

    def _markers(self, topic: str) -> list[str]:
        told = []
        for header, records in self._batches(topic):
            if header.is_control:
                marker = decode_end_txn_marker(records[0])
                assert marker is not None
                word = "commit" if marker[0] == CONTROL_COMMIT else "abort"
                has_epoch = "with" if marker[1] >= 0 else "without"
                value = (records[0].value or b"")[:2].hex()
                told.append(
                    f"{word} {self._id(header.producer_id)} epoch={header.producer_epoch} version={value} "
                    f"{has_epoch} a coordinator's epoch"
                )
        return told

    def do_read(self, names: list[str], options: dict[str, str]) -> str:
        """As a read_committed consumer, from the start."""
        answer = fetch(self.client, self._name(names[0]), isolation_level=READ_COMMITTED)
        aborted = sorted((row.first_offset, row.producer_id) for row in answer.aborted_transactions or ())
        within: set[int] = set()
        values: list[str] = []
        for header, records in self._batches(names[0], answer.records):
            within |= {producer_id for offset, producer_id in aborted if offset == header.base_offset}
            if header.is_control:
                within.discard(header.producer_id)
            elif header.producer_id not in within:
                values += [(record.value or b"").decode() for record in records]
        return " ".join(values) or "(nothing)"

    def _batches(self, topic: str, records: Any = None) -> list[tuple[Any, list[Any]]]:
        data = bytes(fetch(self.client, self._name(topic)).records if records is None else records)
        return [
            (header, list(iter_records(data[position : position + header.size_bytes])))
            for position, header in iter_batches(data)
        ]


def play(path: Path, address: str) -> tuple[str, str]:
    """(the file as it is, as the broker at `address` would have it)."""
    text = path.read_text(encoding="utf-8")
    story = TransactionStory(address)
    played = []
    try:
        for block in text.strip("\n").split("\n\n"):
            commands, _, _ = block.partition("\n----")
            lines = [line for line in commands.splitlines() if line and not line.startswith("#")]
            told = [line for line in map(story.run, lines) if line]
            played.append("\n".join([commands, "----", *told]) if lines else block)
    finally:
        story.close()
    return text, "\n\n".join(played) + "\n"


if __name__ == "__main__":
    for written in sorted(FOLDER.glob("*.txt")):
        written.write_text(play(written, sys.argv[1])[1], encoding="utf-8")
