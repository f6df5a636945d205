"""Checks of a whole data folder: identity, checkpoints against logs, partition.metadata against the cluster's metadata.

Source of the files' meaning: kafka.log.LogManager, OffsetCheckpointFile, MetaPropertiesEnsemble.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection, Mapping
from typing import Final

from . import checkpoints
from .folder_names import PARTITION_FOLDER
from .segment import LOG_SUFFIX
from .verify_metadata import METADATA_TOPIC, KnownTopics, check_topic, read_topics
from .verify_partition import LEFTOVER_SUFFIXES, Checker, LogRange, verify_partition

_CHECKPOINTS: Final = (
    checkpoints.RECOVERY_POINTS,
    checkpoints.LOG_START_OFFSETS,
    checkpoints.HIGH_WATERMARKS,
    checkpoints.FIRST_DIRTY_OFFSETS,
)
_OTHER_FILES: Final = (
    checkpoints.META_PROPERTIES,
    checkpoints.CLEAN_SHUTDOWN,
    checkpoints.LOCK,
    "bootstrap.checkpoint",
)
_RAFT_SNAPSHOT: Final = re.compile(r"\d{20}-\d{10}\.checkpoint")
#: What a folder is renamed to before it is removed, moved, or when the cluster does not know it.
_LEFTOVER_FOLDERS: Final = {"-delete": "is being deleted", "-future": "is being moved", "-stray": "belongs to no topic"}

Partitions = Mapping[tuple[str, int], str]
Offsets = dict[tuple[str, int], int]


def is_data_folder(names: Collection[str]) -> bool:
    """By the names of what is in it."""
    return checkpoints.META_PROPERTIES in names or checkpoints.RECOVERY_POINTS in names


def verify_alone(checker: Checker, path: str) -> None:
    """Checks one partition's folder; of its data folder only the log start offset is asked."""
    key = PARTITION_FOLDER.fullmatch(os.path.basename(path))
    parent = os.path.dirname(path)
    starts: Offsets = {}
    data = checker.read(parent, "../", checkpoints.LOG_START_OFFSETS)
    if data:
        try:
            starts = checkpoints.decode_offsets(data)
        except checkpoints.CheckpointError as error:
            checker.findings.add(f"../{checkpoints.LOG_START_OFFSETS}", "checkpoint-format", str(error))
    start = starts.get((key[1], int(key[2])), 0) if key else 0
    _topic_id(checker, path, "")
    verify_partition(checker, path, "", start)


def verify_folder(checker: Checker, path: str, on_progress: Callable[[int, int], None]) -> None:
    """Checks a data folder with all of its partitions; `on_progress(done, total)` before each of them."""
    partitions = _check_names(checker, path)
    node_id, directory_id = _identity(checker, path)
    found = {name: _offsets(checker, path, name) for name in _CHECKPOINTS}
    topics = _known_topics(checker, os.path.join(path, f"{METADATA_TOPIC}-0"))
    ranges: dict[tuple[str, int], LogRange] = {}
    for done, ((topic, partition), folder) in enumerate(partitions.items()):
        on_progress(done, len(partitions))
        inside = os.path.join(path, folder)
        if topic == METADATA_TOPIC and _is_formatted_only(checker, inside):
            continue
        topic_id = _topic_id(checker, inside, f"{folder}/")
        if topic_id is not None and topics is not None and topic != METADATA_TOPIC:
            shown = f"{folder}/{checkpoints.PARTITION_METADATA}"
            check_topic(shown, topic, partition, topic_id, topics, node_id, directory_id, checker.findings)
        start = found[checkpoints.LOG_START_OFFSETS].get((topic, partition), 0)
        ranges[topic, partition] = verify_partition(checker, inside, f"{folder}/", start)
    for name, offsets in found.items():
        _check_offsets(checker, name, offsets, ranges)


def _is_formatted_only(checker: Checker, folder: str) -> bool:
    """Whether the metadata log's folder has only what `storage format --standalone` gave it, the quorum's voters."""
    names = checker.files.names(folder)
    return bool(names) and all(_RAFT_SNAPSHOT.fullmatch(name) for name in names)


def _check_names(checker: Checker, path: str) -> Partitions:
    """The partitions' folders by topic and partition, sorted."""
    partitions = {}
    folders = set(checker.files.folders(path))
    for name in sorted(checker.files.names(path)):
        if name in folders:
            suffix = next((suffix for suffix in _LEFTOVER_FOLDERS if name.endswith(suffix)), None)
            match = PARTITION_FOLDER.fullmatch(name)
            if suffix is not None:
                if not checker.moving:
                    checker.findings.add(f"{name}/", "leftover", f"a partition that {_LEFTOVER_FOLDERS[suffix]}")
            elif match:
                partitions[match[1], int(match[2])] = name
            else:
                checker.findings.add(f"{name}/", "unknown-file", "no partition has this name")
        elif name.endswith(LEFTOVER_SUFFIXES):
            if not checker.moving:
                checker.findings.add(name, "leftover", "was left behind by an end in the middle of work")
        elif name not in _CHECKPOINTS and name not in _OTHER_FILES:
            checker.findings.add(name, "unknown-file", "no file of a data folder has this name")
    return partitions


def _identity(checker: Checker, path: str) -> tuple[int | None, bytes | None]:
    """(node id, directory id) of meta.properties; None for what it does not say."""
    name, findings = checkpoints.META_PROPERTIES, checker.findings
    data = checker.read(path, "", name)
    if data is None:
        findings.add(name, "identity", "there is none")
        return None, None
    properties = checkpoints.decode_properties(data)
    if properties.get("version") != "1":
        findings.add(name, "identity", f"version {properties.get('version')}, not 1")
    if not properties.get("cluster.id"):
        findings.add(name, "identity", "has no cluster.id")
    node_id, directory_id = None, None
    if properties.get("node.id", "").isdecimal():
        node_id = int(properties["node.id"])
    else:
        findings.add(name, "identity", f"node.id {properties.get('node.id')}")
    try:
        directory_id = checkpoints.decode_uuid(properties.get("directory.id", ""))
    except checkpoints.CheckpointError as error:
        findings.add(name, "identity", f"directory.id: {error}")
    return node_id, directory_id


def _offsets(checker: Checker, path: str, name: str) -> Offsets:
    data = checker.read(path, "", name)
    try:
        return checkpoints.decode_offsets(data) if data else {}  # Kafka makes an empty file before it has offsets
    except checkpoints.CheckpointError as error:
        checker.findings.add(name, "checkpoint-format", str(error))
        return {}


def _check_offsets(checker: Checker, name: str, offsets: Offsets, ranges: Mapping[tuple[str, int], LogRange]) -> None:
    for (topic, partition), offset in offsets.items():
        found = ranges.get((topic, partition))
        if found is None:
            if not checker.moving:
                checker.findings.add(name, "checkpoint-partition", f"{topic}-{partition} has no folder")
        elif found.segments and not 0 <= offset <= found.log_end_offset and not checker.moving:
            checker.findings.add(
                name,
                "checkpoint-offset",
                f"{topic}-{partition} at offset {offset}, its log ends at {found.log_end_offset}",
            )


def _topic_id(checker: Checker, folder: str, shown: str) -> bytes | None:
    name = f"{shown}{checkpoints.PARTITION_METADATA}"
    data = checker.read(folder, shown, checkpoints.PARTITION_METADATA)
    if data is None:
        if not checker.moving:
            checker.findings.add(name, "topic-id-missing", "there is none")
        return None
    try:
        return checkpoints.decode_partition_metadata(data)
    except checkpoints.CheckpointError as error:
        checker.findings.add(name, "topic-id-format", str(error))
        return None


def _known_topics(checker: Checker, folder: str) -> KnownTopics | None:
    """What the metadata log says, from its newest snapshot on; None if the folder has no such log."""
    try:
        names = sorted(checker.files.names(folder))
    except OSError:
        return None
    topics = KnownTopics()
    snapshots = [name for name in names if _RAFT_SNAPSHOT.fullmatch(name)]
    for name in [*snapshots[-1:], *(name for name in names if name.endswith(LOG_SUFFIX))]:
        read_topics(topics, checker.read(folder, f"{METADATA_TOPIC}-0/", name) or b"")
    return topics if topics.ids or snapshots else None
