"""The small text files of a data folder and of a partition: what stands in them, not where they lie.

All of Kafka's checkpoints are `version`, number of lines, then one line an entry:
`recovery-point-offset-checkpoint`, `log-start-offset-checkpoint`, `replication-offset-checkpoint` and
`cleaner-offset-checkpoint` hold
`topic partition offset`, `leader-epoch-checkpoint` holds `epoch start-offset`. `meta.properties` is a Java properties
file, `partition.metadata` two lines. Source: CheckpointFile, PartitionMetadataFile, MetaProperties,
CleanShutdownFileHandler of Apache Kafka.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping

RECOVERY_POINTS = "recovery-point-offset-checkpoint"
LOG_START_OFFSETS = "log-start-offset-checkpoint"
HIGH_WATERMARKS = "replication-offset-checkpoint"
FIRST_DIRTY_OFFSETS = "cleaner-offset-checkpoint"
LEADER_EPOCHS = "leader-epoch-checkpoint"
PARTITION_METADATA = "partition.metadata"
META_PROPERTIES = "meta.properties"
CLEAN_SHUTDOWN = ".kafka_cleanshutdown"
LOCK = ".lock"
#: Klamm's own: in the log that takes the place of one in another folder, the directory id of that.
MOVED_FROM = "klamm.moved-from"
#: Directory ids up to here stand for something else than a folder: unassigned, lost, migrating (DirectoryId).
RESERVED_IDS = 100


class CheckpointError(ValueError):
    """A checkpoint's text is not what it should be."""


def encode_checkpoint(rows: Iterable[tuple[object, ...]]) -> bytes:
    lines = [" ".join(map(str, row)) for row in rows]
    return "\n".join(["0", str(len(lines)), *lines, ""]).encode()


def _rows(data: bytes, columns: int) -> list[list[str]]:
    try:
        lines = data.decode().split("\n")
        if int(lines[0]) != 0:
            raise CheckpointError(f"unknown version {lines[0]}")
        if lines[-1]:
            raise CheckpointError("its last line is cut: a number may lack digits")
        rows = [line.split() for line in lines[2 : 2 + int(lines[1])]]
        if len(rows) != int(lines[1]) or any(len(row) != columns for row in rows):
            raise CheckpointError("it ends in its middle")
    except (ValueError, IndexError) as error:
        raise CheckpointError(f"damaged checkpoint: {error}") from None
    return rows


def decode_offsets(data: bytes) -> dict[tuple[str, int], int]:
    """{(topic, partition): offset}. Raises CheckpointError."""
    try:
        return {(topic, int(partition)): int(offset) for topic, partition, offset in _rows(data, 3)}
    except ValueError as error:
        raise CheckpointError(f"damaged checkpoint: {error}") from None


def encode_offsets(offsets: Mapping[tuple[str, int], int]) -> bytes:
    return encode_checkpoint((topic, partition, offset) for (topic, partition), offset in offsets.items())


def decode_epochs(data: bytes) -> list[tuple[int, int]]:
    """[(epoch, start offset)]. Raises CheckpointError."""
    try:
        return [(int(epoch), int(start)) for epoch, start in _rows(data, 2)]
    except ValueError as error:
        raise CheckpointError(f"damaged checkpoint: {error}") from None


def encode_uuid(value: bytes) -> str:
    """16 bytes as Kafka writes them: base64 for URLs, without padding."""
    return base64.urlsafe_b64encode(value).decode().rstrip("=")


def decode_uuid(text: str) -> bytes:
    """Raises CheckpointError."""
    try:
        value = base64.urlsafe_b64decode(text + "==")
    except ValueError:
        raise CheckpointError(f"no uuid: {text}") from None
    if len(value) != 16:
        raise CheckpointError(f"no uuid: {text}")
    return value


def encode_partition_metadata(topic_id: bytes) -> bytes:
    return f"version: 0\ntopic_id: {encode_uuid(topic_id)}".encode()


def decode_partition_metadata(data: bytes) -> bytes:
    """The topic id. Raises CheckpointError."""
    fields = dict(line.partition(": ")[::2] for line in data.decode(errors="replace").splitlines())
    if fields.get("version") != "0" or "topic_id" not in fields:
        raise CheckpointError("damaged partition.metadata")
    return decode_uuid(fields["topic_id"])


def identity(node_id: int, cluster_id: str, directory_id: bytes) -> dict[str, str]:
    """What meta.properties of a new data folder says; `directory_id`: 16 bytes."""
    return {
        "version": "1",
        "node.id": str(node_id),
        "cluster.id": cluster_id,
        "directory.id": encode_uuid(directory_id),
    }


def encode_properties(properties: Mapping[str, str]) -> bytes:
    return "".join(f"{key}={value}\n" for key, value in properties.items()).encode()


def decode_properties(data: bytes) -> dict[str, str]:
    lines = data.decode(errors="replace").splitlines()
    pairs = [line.partition("=") for line in lines if line.strip() and not line.lstrip().startswith(("#", "!"))]
    return {key.strip(): value.strip() for key, _, value in pairs}


def encode_clean_shutdown(broker_epoch: int) -> bytes:
    return json.dumps({"version": 0, "brokerEpoch": broker_epoch}, separators=(",", ":")).encode()
