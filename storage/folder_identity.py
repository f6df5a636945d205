"""Whose a folder of log.dirs is: its lock, and its identity in meta.properties.

Source: org.apache.kafka.common.utils.FileLock, MetaPropertiesEnsemble.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable
from typing import NamedTuple

from . import checkpoints
from .files import Files, read_file, replace_file, write_all


class FolderLockedError(Exception):
    """Another process uses the data folder. `pid` is its process id, None when it did not leave one."""

    def __init__(self, path: str, pid: int | None) -> None:
        super().__init__(f"{path} is in use by {'another process' if pid is None else f'process {pid}'}")
        self.pid = pid


class WrongFolderError(Exception):
    """meta.properties says that the folder belongs to another node or cluster."""


class Identity(NamedTuple):
    """`directory_id`: 16 bytes."""

    cluster_id: str
    directory_id: bytes


def take_lock(files: Files, path: str) -> int:
    """flock keeps out another klamm, in this process too; lockf keeps out Kafka, whose JVM uses POSIX locks."""
    fd = os.open(os.path.join(path, checkpoints.LOCK), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        owner = os.pread(fd, 20, 0).strip()
        os.close(fd)
        if not isinstance(error, BlockingIOError | PermissionError):
            raise
        raise FolderLockedError(path, int(owner) if owner.isdigit() else None) from None
    os.ftruncate(fd, 0)
    write_all(files, fd, b"%d\n" % os.getpid(), 0)
    return fd


def identify(files: Files, path: str, node_id: int, cluster_id: str | None, new_uuid: Callable[[], bytes]) -> Identity:
    """What meta.properties says; it is written if there is none. `cluster_id`: see `DataFolder`. Raises OSError,
    WrongFolderError."""
    file = os.path.join(path, checkpoints.META_PROPERTIES)
    data = read_file(files, file)
    if data is None:
        made = Identity(cluster_id or checkpoints.encode_uuid(new_uuid()), new_uuid())
        properties = checkpoints.identity(node_id, *made)
        replace_file(files, file, checkpoints.encode_properties(properties), sync=True)
        return made
    properties = checkpoints.decode_properties(data)
    if properties.get("version") != "1" or "cluster.id" not in properties:
        raise WrongFolderError(f"{file} is damaged or of another version")
    if properties.get("node.id") != str(node_id):
        raise WrongFolderError(
            f"Stored node id {properties.get('node.id')} doesn't match previous node id {node_id} in {file}. If you "
            "moved your data, make sure your configured node id matches. If you intend to create a new node, you "
            "should remove all data in your data directories."
        )
    found = properties["cluster.id"]
    if cluster_id is not None and cluster_id != found:
        raise WrongFolderError(f"Invalid cluster.id in: {file}. Expected {cluster_id}, but read {found}")
    try:
        return Identity(found, checkpoints.decode_uuid(properties.get("directory.id", "")))
    except checkpoints.CheckpointError as error:
        raise WrongFolderError(f"{file}: {error}") from None
