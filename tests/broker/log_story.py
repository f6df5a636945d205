"""The random life of one partition, and all that a client can see of it: the same seed tells every broker the same.

A story is told as lines: each step with its answer, and now and then everything that Fetch, ListOffsets and
DescribeProducers say, at every offset. The files in log_stories/ are what a real Kafka told (written by
compat_tests/behaviours/record_log_stories.py). The steps are drawn from the seed and from earlier answers, so a broker
that answers otherwise tells another story from there on.

What depends on the clock or on a cluster's numbering is told as words: `now`, and producers by their names. A line that
ends in `?` is not compared: Kafka looks for a time in the first segment only that may hold it, and finds nothing where
that segment's records have no timestamps or were deleted; klamm looks on. A few seeds tell of a batch that was refused
and began a segment in Kafka all the same: they are of no use here.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from compat_tests.support import Broker
from klamm.wire.batches import iter_batches
from klamm.wire.errors import ErrorCode
from klamm.wire.messages.delete_records import DeleteRecordsPartition, DeleteRecordsRequest, DeleteRecordsTopic
from klamm.wire.messages.describe_configs import DescribeConfigsRequest, DescribeConfigsResource
from klamm.wire.messages.describe_producers import DescribeProducersRequest, TopicRequest
from klamm.wire.messages.fetch import FetchPartition, FetchRequest, FetchTopic
from klamm.wire.messages.incremental_alter_configs import (
    AlterableConfig,
    AlterConfigsResource,
    IncrementalAlterConfigsRequest,
)
from klamm.wire.messages.list_offsets import ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic
from klamm.wire.records import Record, batch_records, decode_end_txn_marker, encode_batch

from .raw_client import RawClient, wait_for, wait_for_coordinators
from .steps import create_topic, produce
from .transactions import V1_END, V1_PRODUCE, V2_END, V2_PRODUCE, TransactionalProducer

FOLDER: Final = Path(__file__).with_name("log_stories")
CONFIG: Final = {
    "log.retention.check.interval.ms": "150",
    "log.initial.task.delay.ms": "100",
    "log.cleaner.backoff.ms": "100",
    "offsets.topic.num.partitions": "1",
    "transaction.state.log.num.partitions": "1",
}
HOUR_MS: Final = 3_600_000
#: Records are of the time around BEGIN_MS, and some of the far future; what lies between the two bounds is `now`.
BEGIN_MS: Final = 1_704_067_200_000
FUTURE_MS: Final = 2_600_000_000_000
NOW_FROM_MS, NOW_TO_MS = BEGIN_MS + 10_000 * HOUR_MS, FUTURE_MS - 10_000 * HOUR_MS
FOR_EVER: Final = str(2**63 - 1)
TOPIC: Final = "story"
STEPS: Final = 30
SETTLES_S: Final = 60.0
#: How often each kind of step is drawn.
WEIGHTS: Final = {
    "plain": 10,
    "idempotent": 10,
    "again": 2,
    "gap": 1,
    "new epoch": 1,
    "old epoch": 1,
    "transaction": 5,
    "begin": 2,
    "end": 3,
    "outside of its transaction": 1,
    "delete records": 2,
    "config": 3,
    "retention": 1,
}


def at(timestamp_ms: int) -> int | str:
    return "now" if NOW_FROM_MS < timestamp_ms < NOW_TO_MS else timestamp_ms


class LogStory:
    """One topic of one partition on a broker of its own. `told`: the lines so far. `written`: those that are awaited
    where something takes its time; None: what stands still for a while is taken."""

    def __init__(self, broker: Broker, seed: int, written: list[str] | None, pause_s: float) -> None:
        """`pause_s`: waited after a change of configs, which Kafka's broker hears of later than the answer."""
        self.broker, self.written, self.pause_s = broker, written, pause_s
        self.chance = random.Random(seed)
        self.told: list[str] = []
        self.client = RawClient(broker.bootstrap_servers)
        self.transactional: dict[str, TransactionalProducer] = {}
        #: Names of open transactions; is it of the first version?
        self.open: dict[str, bool] = {}
        #: Of idempotent producers: epoch, next sequence, (first sequence, records) of their batches.
        self.batches: dict[int, tuple[int, int, list[tuple[int, list[Record]]]]] = {}
        self.names: dict[int, str] = {}
        self.times: set[int] = set()
        self.clock_ms = BEGIN_MS
        configs = {"retention.ms": "-1", "message.timestamp.after.max.ms": FOR_EVER, "segment.ms": str(HOUR_MS)}
        configs["internal.segment.bytes"] = self.chance.choice(["700", "2000", "100000"])
        configs["index.interval.bytes"] = self.chance.choice(["0", "100", "4096"])
        configs["message.timestamp.type"] = self.chance.choice(["CreateTime", "CreateTime", "LogAppendTime"])
        create_topic(broker.bootstrap_servers, configs, name=TOPIC)
        self.tell("created", configs)

    def tell(self, what: str, *told: object) -> None:
        self.told.append(f"{what}: {' '.join(map(str, told))}")

    def run(self) -> list[str]:
        """The whole story."""
        try:
            for _ in range(STEPS):
                self.step()
            self.look("half-way")
            self.restart()
            self.look("after a restart")
            for _ in range(STEPS):
                self.step()
            self.look("then")
            self.compact()
        finally:
            self.client.close()
        return self.told

    # --- steps ----------------------------------------------------------------------------------------------------

    def step(self) -> None:
        (kind,) = self.chance.choices(list(WEIGHTS), list(WEIGHTS.values()))
        if kind == "plain":
            self.send(kind, self.records())
        elif kind in ("idempotent", "gap", "new epoch", "old epoch"):
            self.send_idempotent(kind)
        elif kind == "again" and self.batches:
            producer = self.chance.choice(sorted(self.batches))
            epoch, _, sent = self.batches[producer]
            sequence, records = self.chance.choice(sent)
            self.send(kind, records, producer_id=producer, producer_epoch=epoch, base_sequence=sequence)
        elif kind in ("transaction", "begin"):
            self.transaction(kind == "transaction")
        elif kind == "end" and self.open:
            self.end(self.chance.choice(sorted(self.open)), self.chance.random() < 0.5)
        elif kind == "outside of its transaction" and self.open:
            producer_of = self.transactional[self.chance.choice(sorted(self.open))]
            sequence = producer_of.sequences[TOPIC, producer_of.id, producer_of.epoch]
            self.send(
                kind,
                self.records(),
                producer_id=producer_of.id,
                producer_epoch=producer_of.epoch,
                base_sequence=sequence,
            )
        elif kind == "delete records":
            self.delete_records()
        elif kind == "config":
            self.change_config()
        elif kind == "retention":
            self.retain()

    def records(self) -> list[Record]:
        chance, records = self.chance, []
        for _ in range(chance.choice([1, 1, 2, 3, 5])):
            self.clock_ms += chance.choice([0, 1, 1000, 60_000, HOUR_MS // 6])
            timestamp_ms = chance.choices([self.clock_ms, -1, self.clock_ms - HOUR_MS, 0, FUTURE_MS], [80, 8, 8, 2, 2])[
                0
            ]
            self.times.add(timestamp_ms)
            key, value = b"key-%d" % chance.randrange(5), chance.choice([b"v", b"x" * chance.randrange(200), None, b""])
            records.append(Record(key, value, (("h", b"1"),) if chance.random() < 0.3 else (), timestamp_ms))
        return records

    def send(self, kind: str, records: list[Record], **header: Any) -> bool:
        data = encode_batch(records, codec=self.chance.randrange(5), **header)
        answer = produce(self.client, TOPIC, data, version=self.chance.choice([7, 9, 12]))
        self.tell(kind, [at(record.timestamp_ms) for record in records], *self.answered(answer))
        return answer.error_code == ErrorCode.NONE  # type: ignore[no-any-return]

    @staticmethod
    def answered(answer: Any) -> tuple[object, ...]:
        refused = [error.batch_index for error in answer.record_errors]
        error = ErrorCode(answer.error_code).name
        return error, answer.base_offset, at(answer.log_append_time_ms), answer.log_start_offset, refused

    def send_idempotent(self, kind: str) -> None:
        producer = self.chance.choice([9_000_001, 9_000_002, 9_000_003])
        known = self.batches.get(producer)
        epoch, sequence, sent = known or (1, self.chance.choice([0, 0, 2**31 - 2]), [])
        if kind == "gap":
            sequence += 3
        elif kind == "new epoch":
            epoch, sequence, sent = epoch + 1, self.chance.choice([0, 0, 3]), []
        elif kind == "old epoch":
            epoch -= 1
        records = self.records()
        if self.send(kind, records, producer_id=producer, producer_epoch=epoch, base_sequence=sequence):
            following = (sequence + len(records)) & 0x7FFFFFFF
            self.batches[producer] = epoch, following, [*sent, (sequence, records)][-7:]

    def transaction(self, whole: bool) -> None:
        name = self.chance.choice(["T1", "T2", "T3"])
        if name not in self.transactional:
            self.transactional[name] = TransactionalProducer(self.client, name).init(600_000)
            self.names[self.transactional[name].id] = name
        producer = self.transactional[name]
        old = self.open.setdefault(name, self.chance.random() < 0.4)
        if old:
            self.tell(f"{name} adds", producer.add(TOPIC))
        for _ in range(self.chance.choice([1, 1, 2])):
            values = [b"%d" % self.chance.randrange(100) for _ in range(self.chance.choice([1, 2]))]
            answer = producer.send(TOPIC, *values, version=V1_PRODUCE if old else V2_PRODUCE)
            self.tell(f"{name} sends", *self.answered(answer))
        if whole:
            self.end(name, self.chance.random() < 0.5)

    def end(self, name: str, commit: bool) -> None:
        producer = self.transactional[name]
        producer.end(commit, V1_END if self.open.pop(name) else V2_END)
        # The answer comes before the markers.
        producer.wait_until("CompleteCommit" if commit else "CompleteAbort")
        self.tell(f"{name} ends", "commit" if commit else "abort")

    def delete_records(self) -> None:
        start, end = self.offset_of(-2)[1], self.offset_of(-1)[1]
        offset = self.chance.choice([self.chance.randint(start, min(end, start + 5)), start - 1, end + 1])
        asked = DeleteRecordsTopic(name=TOPIC, partitions=[DeleteRecordsPartition(partition_index=0, offset=offset)])
        answer = self.client.request(DeleteRecordsRequest(topics=[asked], timeout_ms=10_000), 2)
        row = answer.topics[0].partitions[0]
        self.tell("delete records", offset, ErrorCode(row.error_code).name, row.low_watermark)

    def change_config(self) -> None:
        name, values = self.chance.choice(
            [
                ("segment.ms", [str(HOUR_MS), str(HOUR_MS // 10), str(100 * HOUR_MS)]),
                ("internal.segment.bytes", ["500", "1000", "5000"]),
                ("index.interval.bytes", ["0", "50", "4096"]),
                ("compression.type", ["producer", "gzip", "uncompressed", "zstd", "lz4", "snappy"]),
                ("message.timestamp.after.max.ms", [FOR_EVER, str(HOUR_MS)]),
                ("message.timestamp.before.max.ms", [FOR_EVER, str(200_000 * HOUR_MS)]),
                ("message.timestamp.type", ["CreateTime", "LogAppendTime"]),
                ("max.message.bytes", ["150", "100000"]),
            ]
        )
        self.configure(name, self.chance.choice(values))

    def configure(self, name: str, value: str, shown: str | None = None) -> None:
        change = AlterConfigsResource(
            resource_type=2,
            resource_name=TOPIC,
            configs=[AlterableConfig(name=name, config_operation=0, value=value)],
        )
        answer = self.client.request(IncrementalAlterConfigsRequest(resources=[change], validate_only=False), 1)
        self.tell(name, shown or value, ErrorCode(answer.responses[0].error_code).name)
        asked = DescribeConfigsRequest(resources=[DescribeConfigsResource(resource_type=2, resource_name=TOPIC)])

        def known() -> bool:
            configs = {row.name: row.value for row in self.client.request(asked, 4).results[0].configs}
            return configs.get(name, value) == value  # one that is internal is not told

        wait_for(known, f"{name}={value}")
        time.sleep(self.pause_s)

    def retain(self) -> None:
        """Until the old is gone; then nothing more goes."""
        if self.chance.random() < 0.5:
            self.configure("retention.bytes", self.chance.choice(["300", "1000"]))
        else:
            oldest_ms = self.clock_ms - self.chance.choice([0, 1, 3]) * HOUR_MS
            self.configure("retention.ms", str(time.time_ns() // 1_000_000 - oldest_ms), f"to {oldest_ms}")
        self.settle("the log begins", lambda: self.offset_of(-2)[1])
        self.configure("retention.bytes", "-1")
        self.configure("retention.ms", "-1")

    def restart(self) -> None:
        self.client.close()
        self.broker.restart()
        self.client = RawClient(self.broker.bootstrap_servers)
        for producer in self.transactional.values():
            producer.client = self.client
        wait_for_coordinators(self.broker.bootstrap_servers)

    def compact(self) -> None:
        """All but the last segment. Told are the records alone: when a marker may go depends on how often the cleaner
        has passed."""
        for name in sorted(self.open):
            self.end(name, commit=True)
        for name, value in (
            ("message.timestamp.type", "CreateTime"),
            ("message.timestamp.after.max.ms", FOR_EVER),
            ("message.timestamp.before.max.ms", FOR_EVER),
            ("max.message.bytes", "100000"),
            ("segment.ms", str(HOUR_MS)),
            ("min.cleanable.dirty.ratio", "0.01"),
            ("cleanup.policy", "compact"),
        ):
            self.configure(name, value)
        for hours in (10_000_000, 10_000_010):
            self.send("last", [Record(b"last", b"v", (), FUTURE_MS + hours * HOUR_MS)])
        rows = self.settle("offsets after the compaction", lambda: [row[0] for row in self.stored() if len(row) > 2])
        for row in self.stored():
            if row[0] in rows:
                self.tell("record", *row)

    def settle(self, what: str, look: Callable[[], Any]) -> Any:
        """Tells what there is when it is as written, or, while a story is being written, when it stands still."""
        number = len(self.told)
        awaited = self.written[number] if self.written and number < len(self.written) else None
        found, since = look(), time.monotonic()
        begin = since
        while time.monotonic() - begin < SETTLES_S:
            if f"{what}: {found}" == awaited or (awaited is None and time.monotonic() - since > 4):
                break
            time.sleep(0.02)
            before, found = found, look()
            if before != found:
                since = time.monotonic()
        self.tell(what, found)
        return found

    # --- what can be seen -----------------------------------------------------------------------------------------

    def offset_of(self, timestamp_ms: int, committed: bool = False) -> tuple[str, int, int]:
        asked = ListOffsetsTopic(
            name=TOPIC, partitions=[ListOffsetsPartition(partition_index=0, timestamp=timestamp_ms)]
        )
        request = ListOffsetsRequest(replica_id=-1, isolation_level=int(committed), topics=[asked], timeout_ms=5000)
        row = self.client.request(request, 11).topics[0].partitions[0]
        return ErrorCode(row.error_code).name, row.offset, row.timestamp

    def fetch(self, offset: int, committed: bool = False, max_bytes: int = 10_000_000) -> Any:
        asked = FetchPartition(partition=0, fetch_offset=offset, partition_max_bytes=max_bytes)
        request = FetchRequest(
            max_wait_ms=0,
            min_bytes=0,
            isolation_level=int(committed),
            topics=[FetchTopic(topic=TOPIC, partitions=[asked])],
        )
        return self.client.request(request, 12).responses[0].partitions[0]

    def batches_from(self, offset: int) -> list[tuple[Any, list[tuple[Any, ...]]]]:
        """(header, rows of records) up to the log's end."""
        found = []
        while data := bytes(self.fetch(offset).records or b""):
            for position, header in iter_batches(data):
                rows: list[tuple[Any, ...]] = []
                for record in batch_records(data[position : position + header.size_bytes]):
                    if header.is_control:
                        marker = decode_end_txn_marker(record)
                        rows.append((record.offset, "commit" if marker and marker[0] else "abort"))
                    else:
                        value = record.value if record.value is None else len(record.value)
                        rows.append((record.offset, record.timestamp_ms, record.key, value, len(record.headers)))
                found.append((header, rows))
                offset = header.last_offset + 1
        return found

    def stored(self) -> list[tuple[Any, ...]]:
        start = self.offset_of(-2)[1]
        rows = [row for _, rows in self.batches_from(start) for row in rows if row[0] >= start]
        return [(row[0], at(row[1]), *row[2:]) if len(row) > 2 else row for row in rows]

    def look(self, when: str) -> None:
        self.tell("look", when)
        start, end = self.offset_of(-2)[1], self.offset_of(-1)[1]
        batches = self.batches_from(start)
        for header, rows in batches:
            self.tell(
                "batch",
                f"{header.base_offset}-{header.last_offset}",
                f"attributes {header.attributes}",
                self.names.get(header.producer_id, header.producer_id),
                header.producer_epoch,
                header.base_sequence,
                at(header.max_timestamp_ms),
                [(row[0], at(row[1]), *row[2:]) if len(row) > 2 else row for row in rows],
            )
        for offset in range(start - 1, end + 2):
            for committed in (False, True):
                self.look_from(offset, committed)
        self.look_at_times(batches, start, end)
        request = DescribeProducersRequest(topics=[TopicRequest(name=TOPIC, partition_indexes=[0])])
        producers = self.client.request(request, 0).topics[0].partitions[0].active_producers
        for row in sorted(producers, key=lambda row: row.producer_id):
            name = self.names.get(row.producer_id, row.producer_id)
            open_from = row.current_txn_start_offset
            self.tell("producer", name, row.producer_epoch, row.last_sequence, at(row.last_timestamp), open_from)

    def look_from(self, offset: int, committed: bool) -> None:
        answer = self.fetch(offset, committed)
        offsets = [(header.base_offset, header.last_offset) for _, header in iter_batches(bytes(answer.records or b""))]
        aborted = answer.aborted_transactions
        self.tell(
            "fetch",
            offset,
            "committed" if committed else "all",
            ErrorCode(answer.error_code).name,
            (answer.log_start_offset, answer.last_stable_offset, answer.high_watermark),
            f"{len(offsets)} batches {offsets[0][0]}-{offsets[-1][1]}" if offsets else "no batch",
            aborted and sorted((self.names[row.producer_id], row.first_offset) for row in aborted),
        )

    def look_at_times(self, batches: list[tuple[Any, list[tuple[Any, ...]]]], start: int, end: int) -> None:
        records = [
            (row[0], row[1] if len(row) > 2 else header.max_timestamp_ms) for header, rows in batches for row in rows
        ]
        for timestamp_ms in sorted(
            {-5, -4, -3, -2, -1} | {told_ms + more for told_ms in self.times for more in (0, 1)}
        ):
            for committed in (False, True):
                error, offset, found_ms = self.offset_of(timestamp_ms, committed)
                question = f"{timestamp_ms} {'committed' if committed else 'all'}"
                known = [one for one in records if one[1] >= timestamp_ms and one[0] >= start]
                passed_over = timestamp_ms >= 0 and offset < 0 and known
                if passed_over or (timestamp_ms == -3 and offset < start) or self.is_doubtful(f"time: {question} "):
                    self.tell("time", question, "?")
                else:
                    # Several may have the newest millisecond.
                    is_newest = timestamp_ms == -3 and at(found_ms) == "now"
                    self.tell("time", question, error, "newest" if is_newest else offset, at(found_ms))

    def is_doubtful(self, line: str) -> bool:
        """Did Kafka find nothing here, where there is something?"""
        number = len(self.told)
        return self.written is not None and self.written[number : number + 1] == [line + "?"]


def play(path: Path, broker: Broker, pause_s: float = 0) -> tuple[list[str], list[str]]:
    """What is written, and what the broker tells."""
    written = path.read_text().splitlines()
    return written, LogStory(broker, int(path.stem), written, pause_s).run()
