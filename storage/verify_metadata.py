"""What `__cluster_metadata` says of topics and of the folders that partitions lie in, and checks against it. No I/O.

Only the five record types that matter for it are looked at. Source of the framing: AbstractApiMessageSerde.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from ..wire.batches import RecordError
from ..wire.codec import DecodeError, decode_from
from ..wire.declare import Message
from ..wire.log_records.metadata_topics import (
    PartitionChangeRecord,
    PartitionRecord,
    RemoveTopicRecord,
    TopicRecord,
)
from ..wire.records import iter_records
from .checkpoints import RESERVED_IDS, encode_uuid
from .verify_findings import Findings

METADATA_TOPIC: Final = "__cluster_metadata"

_KINDS: Final[dict[int, type[Message]]] = {
    found.API_KEY: found
    for found in (TopicRecord, PartitionRecord, PartitionChangeRecord, RemoveTopicRecord)
    if found.API_KEY is not None
}


@dataclass(slots=True)
class KnownTopics:
    """`ids`: topic id by name. `places`: (topic id, partition) -> replicas and the ids of their folders."""

    ids: dict[str, bytes] = field(default_factory=dict)
    places: dict[tuple[bytes, int], tuple[list[int], list[bytes]]] = field(default_factory=dict)

    def apply(self, record: Message) -> None:
        if isinstance(record, TopicRecord):
            self.ids[record.name] = record.topic_id
        elif isinstance(record, RemoveTopicRecord):
            self.ids = {name: topic_id for name, topic_id in self.ids.items() if topic_id != record.topic_id}
        elif isinstance(record, PartitionRecord):
            self.places[record.topic_id, record.partition_id] = (record.replicas, record.directories)
        elif isinstance(record, PartitionChangeRecord):
            key = (record.topic_id, record.partition_id)
            replicas, directories = self.places.get(key, ([], []))
            self.places[key] = (record.replicas or replicas, record.directories or directories)


def read_topics(topics: KnownTopics, batches: bytes) -> None:
    """Applies the records in those batches, as far as they can be read: the rest is another check's finding."""
    try:
        for record in iter_records(batches):
            value = record.value or b""
            if record.key is None and len(value) > 3 and value[0] == 1:
                kind = _KINDS.get(value[1])
                if kind is not None and value[2] in kind.VERSIONS:
                    topics.apply(decode_from(kind, value[2], value, 3)[0])
    except (RecordError, DecodeError):
        return


def check_topic(
    path: str,
    topic: str,
    partition: int,
    topic_id: bytes,
    topics: KnownTopics,
    node_id: int | None,
    directory_id: bytes | None,
    findings: Findings,
) -> None:
    """A partition's partition.metadata (at `path`) and folder against the cluster's metadata.

    `node_id` and `directory_id` are those of meta.properties, None if they are not known.
    """
    wanted = topics.ids.get(topic)
    if wanted is None:
        findings.add(path, "topic-unknown", f"{METADATA_TOPIC} has no topic {topic}")
        return
    if wanted != topic_id:
        findings.add(path, "topic-id", f"topic id {encode_uuid(topic_id)}, in {METADATA_TOPIC} {encode_uuid(wanted)}")
        return
    place = topics.places.get((topic_id, partition))
    if place is None:
        findings.add(path, "partition-unknown", f"{METADATA_TOPIC} has no partition {partition} of {topic}")
        return
    if node_id is None or directory_id is None:
        return
    replicas, directories = place
    if node_id not in replicas:
        findings.add(path, "partition-replica", f"node {node_id} is not among the replicas {replicas}")
    elif len(directories) == len(replicas):
        found = directories[replicas.index(node_id)]
        if found != directory_id and int.from_bytes(found, "big") > RESERVED_IDS:
            findings.add(
                path,
                "partition-directory",
                f"assigned to the folder {encode_uuid(found)}, this is {encode_uuid(directory_id)}",
            )
