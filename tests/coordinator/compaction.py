"""Compaction as a plain model: of a log's head only the last record of each key stays, where it stood.

It goes no further than the first open transaction; records of aborted transactions do not count and go; a transaction's
marker goes with its last record. Source: org.apache.kafka.storage.internals.log.Cleaner, CleanedTransactionMetadata.
"""

from __future__ import annotations

from typing import Any

from klamm.coordinator.classic_group import ClassicGroup
from klamm.coordinator.consumer_group import ConsumerGroup
from klamm.coordinator.shard import Shard

from .bench import NO_PRODUCER, Marker, Stored, durable, replay_entry
from .consumer_bench import durable_consumer

Entry = Stored | Marker
#: (offset, entry): the offsets have gaps.
Compacted = list[tuple[int, Entry]]


def compact(log: list[Entry], cut: int, *, keep_tombstones: bool) -> Compacted:
    """The log with what is below `cut` compacted."""
    open_since: dict[int, int] = {}
    transactions: dict[int, tuple[int, bool]] = {}  # offset of a record -> offset of its marker, committed
    pending: dict[int, list[int]] = {}
    for offset, entry in enumerate(log):
        if isinstance(entry, Marker):
            open_since.pop(entry.producer_id, None)
            for at in pending.pop(entry.producer_id, ()):
                transactions[at] = offset, entry.commit
        elif entry.producer_id != NO_PRODUCER:
            open_since.setdefault(entry.producer_id, offset)
            pending.setdefault(entry.producer_id, []).append(offset)
    # Records below the cut whose marker is above it are not touched: the transaction was open when the cleaner came.
    cut = min([cut, *open_since.values(), *(at for at, (marker, _) in transactions.items() if at < cut <= marker)])
    last: dict[bytes, int] = {}
    for offset, entry in enumerate(log[:cut]):
        if isinstance(entry, Stored) and (entry.producer_id == NO_PRODUCER or transactions[offset][1]):
            last[entry.key] = offset
    stays = {
        offset
        for offset in last.values()
        if keep_tombstones or log[offset].value is not None  # type: ignore[union-attr]
    }
    markers = {transactions[offset][0] for offset in stays if offset in transactions}
    head = [(offset, log[offset]) for offset in range(cut) if offset in stays or offset in markers]
    return head + [(offset, log[offset]) for offset in range(cut, len(log))]


def whole(log: list[Entry]) -> Compacted:
    return list(enumerate(log))


def load(shard: Shard, log: Compacted) -> Shard:
    for offset, entry in log:
        replay_entry(shard, entry, offset)
    return shard


def known(shard: Shard) -> dict[str, Any]:
    """What a shard knows, for comparison. A group that only kept offsets and keeps none is not there after a start:
    its name was in records that are gone (in Kafka too)."""
    groups: dict[str, Any] = {}
    for group_id, group in shard.groups.items():
        if isinstance(group, ConsumerGroup):
            groups[group_id] = durable_consumer(group)
        elif isinstance(group, ClassicGroup):
            nobody = not group.members and group.protocol_type is None and group.generation == 0
            if not nobody:
                groups[group_id] = durable(group)
            elif group_id in shard.offsets.groups or shard.offsets.pending.has_group(group_id):
                groups[group_id] = "offsets"
    return {
        "groups": groups,
        "offsets": shard.offsets.groups,
        "pending": {producer: held for producer, held in shard.offsets.pending.by_producer.items() if held},
    }
