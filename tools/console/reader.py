"""Reads partitions one fetch at a time, as a consumer sees them: no control records, on request no aborted ones.

Left out: fetch sessions (KIP-227) and the nearest replica (KIP-392), which save what a console does not spend.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Mapping
from typing import Final

from ...wire.batches import MAGIC, batch_size, parse_header
from ...wire.declare import ZERO_UUID
from ...wire.errors import RETRIABLE, ErrorCode
from ...wire.messages.fetch import FetchPartition, FetchRequest, FetchResponse, FetchTopic, PartitionData
from ...wire.messages.list_offsets import (
    ListOffsetsPartition,
    ListOffsetsRequest,
    ListOffsetsResponse,
    ListOffsetsTopic,
)
from ...wire.records import batch_records, iter_records
from ..client import Client
from ..client.errors import check
from .formatters import Shown

Key = tuple[str, int]

LATEST: Final = -1
EARLIEST: Final = -2
READ_COMMITTED: Final = 1

#: What a fetch may meet while leaders move or a topic is being made: leaders are asked for again.
_MOVED: Final = RETRIABLE | {ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, ErrorCode.UNKNOWN_TOPIC_ID}


def list_offsets(
    client: Client, partitions: Collection[Key], timestamp: int, isolation_level: int = 0
) -> dict[Key, tuple[int, int]]:
    """(offset, timestamp) of each partition: EARLIEST, LATEST, or the first not before a timestamp in ms (-1: none).

    Raises ServerError.
    """

    def ask() -> dict[Key, tuple[int, int]]:
        found: dict[Key, tuple[int, int]] = {}
        for node_id, led in client.leaders(partitions).items():
            rows: dict[str, list[ListOffsetsPartition]] = {}
            for topic, partition in led:
                rows.setdefault(topic, []).append(ListOffsetsPartition(partition_index=partition, timestamp=timestamp))
            request = ListOffsetsRequest(
                replica_id=-1,
                isolation_level=isolation_level,
                topics=[ListOffsetsTopic(name=name, partitions=parts) for name, parts in rows.items()],
            )
            for answered in client.node(node_id, request, ListOffsetsResponse).topics:
                for row in answered.partitions:
                    check(row.error_code)
                    found[answered.name, row.partition_index] = (row.offset, row.timestamp)
        return found

    return client.until(ask, RETRIABLE - {ErrorCode.UNKNOWN_TOPIC_OR_PARTITION}) if partitions else {}


class Reader:
    """`positions`: the offset to read next in each assigned partition. `reset`: EARLIEST, LATEST, None to refuse.

    `max_bytes` of an answer and `partition_max_bytes` of a partition in it; a fetch waits for `min_bytes`.
    """

    def __init__(
        self,
        client: Client,
        *,
        isolation_level: int = 0,
        reset: int | None = LATEST,
        min_bytes: int = 1,
        max_bytes: int = 52_428_800,
        partition_max_bytes: int = 1_048_576,
    ) -> None:
        self.positions: dict[Key, int] = {}
        #: The leader epoch of what was read last (KIP-320), for commits.
        self.epochs: dict[Key, int] = {}
        self._client = client
        self._isolation_level = isolation_level
        self._reset = reset
        self._min_bytes = min_bytes
        self._max_bytes = max_bytes
        self._partition_max_bytes = partition_max_bytes
        self._leaders: dict[int, list[Key]] | None = None
        self._topic_ids: dict[str, bytes] = {}

    def assign(self, positions: Mapping[Key, int]) -> None:
        """Reads these partitions from now on; EARLIEST and LATEST stand for where the log begins and ends."""
        found = dict(positions)
        for symbol in (EARLIEST, LATEST):
            keys = [key for key, offset in found.items() if offset == symbol]
            for key, (offset, _) in list_offsets(self._client, keys, symbol, self._isolation_level).items():
                found[key] = offset
        self.positions = found
        self._leaders = None

    def poll(self, wait_ms: int) -> list[Shown]:
        """What is there, waiting for some at most `wait_ms`. Raises ServerError for what no waiting mends."""
        leaders = self._find_leaders()
        if not leaders:
            time.sleep(min(wait_ms, self._client.settings.retry_backoff_ms) / 1000)
            return []
        found: list[Shown] = []
        for node_id, keys in leaders.items():
            # A broker with nothing new must not keep the others waiting.
            share = 0 if found else wait_ms // len(leaders)
            deadline_s = self._client.deadline(share + self._client.settings.request_timeout_ms)
            answer = self._client.node(node_id, self._request(keys, share), FetchResponse, deadline_s=deadline_s)
            check(answer.error_code)
            names = {topic_id: name for name, topic_id in self._topic_ids.items()}
            for topic in answer.responses:
                name = topic.topic or names.get(topic.topic_id, "")
                for row in topic.partitions:
                    found += self._take((name, row.partition_index), row)
            # The partition that was first, and may have filled the answer, is last next time.
            keys.append(keys.pop(0))
        return found

    def _find_leaders(self) -> dict[int, list[Key]]:
        if self._leaders is None:
            answer = self._client.metadata(sorted({topic for topic, _ in self.positions}))
            self._leaders = {}
            for topic in answer.topics:
                self._topic_ids[topic.name or ""] = topic.topic_id
                for row in topic.partitions:
                    key = (topic.name or "", row.partition_index)
                    if key in self.positions and row.leader_id in self._client.nodes:
                        self._leaders.setdefault(row.leader_id, []).append(key)
        leaders = self._leaders
        if sum(map(len, leaders.values())) < len(self.positions):
            self._leaders = None
        return leaders

    def _request(self, keys: list[Key], wait_ms: int) -> FetchRequest:
        topics: dict[str, list[FetchPartition]] = {}
        for name, partition in keys:
            row = FetchPartition(
                partition=partition,
                fetch_offset=self.positions[name, partition],
                partition_max_bytes=self._partition_max_bytes,
            )
            topics.setdefault(name, []).append(row)
        return FetchRequest(
            replica_id=-1,
            max_wait_ms=wait_ms,
            min_bytes=self._min_bytes,
            max_bytes=self._max_bytes,
            isolation_level=self._isolation_level,
            topics=[
                FetchTopic(topic=name, topic_id=self._topic_ids.get(name, ZERO_UUID), partitions=rows)
                for name, rows in topics.items()
            ],
        )

    def _take(self, key: Key, row: PartitionData) -> Iterator[Shown]:
        if key not in self.positions:
            return
        if row.error_code == ErrorCode.OFFSET_OUT_OF_RANGE and self._reset is not None:
            found = list_offsets(self._client, [key], self._reset, self._isolation_level)
            self.positions[key] = found[key][0]
        elif row.error_code in _MOVED:
            self._leaders = None
            time.sleep(self._client.settings.retry_backoff_ms / 1000)
        else:
            check(row.error_code)
            yield from self._records(key, row)

    def _records(self, key: Key, row: PartitionData) -> Iterator[Shown]:
        """Records at or behind the position, which moves on behind each batch."""
        aborted = sorted((entry.first_offset, entry.producer_id) for entry in row.aborted_transactions or ())
        ended: set[int] = set()
        data = bytes(row.records or b"")
        begin = 0
        while (size := batch_size(data, begin)) is not None and begin + size <= len(data):
            batch = data[begin : begin + size]
            begin += size
            if batch[16] != MAGIC:
                for record in iter_records(batch):
                    if record.offset >= self.positions[key]:
                        self.positions[key] = record.offset + 1
                        yield Shown(*key, record)
                continue
            header = parse_header(batch)
            self.epochs[key] = header.partition_leader_epoch
            while aborted and aborted[0][0] <= header.last_offset:
                ended.add(aborted.pop(0)[1])
            if header.is_control:
                # Its marker ends the transaction: what the producer writes next belongs to another.
                ended.discard(header.producer_id)
            elif not (header.is_transactional and header.producer_id in ended):
                for record in batch_records(batch):
                    if record.offset >= self.positions[key]:
                        yield Shown(*key, record, header.is_log_append_time)
            self.positions[key] = max(self.positions[key], header.last_offset + 1)
