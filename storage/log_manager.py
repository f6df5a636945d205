"""All of a broker's log.dirs: which of them are well, and which one a partition's log lies in (KIP-112, KIP-858).

Each folder is a `folder.DataFolder` with an identity, a lock, checkpoints and a mark of a clean stop of its own. One
that cannot be opened is offline, as is one that fails later; the partitions in it are out of reach until a start finds
it whole, and nobody makes them anew elsewhere. Source: kafka.log.LogManager, MetaPropertiesEnsemble.
"""

from __future__ import annotations

import contextlib
import os
import uuid
from collections.abc import Callable, Sequence
from typing import Final

from ..wire.errors import ErrorCode, KafkaError
from . import checkpoints
from .config import LogConfig
from .files import Files, read_file
from .folder import DataFolder
from .folder_identity import WrongFolderError
from .handles import HandleCache
from .log import Log
from .log_dir_health import NoRoomError
from .segment import LOG_SUFFIX

#: The metadata log is where metadata.log.dir says, not among a broker's logs.
METADATA_TOPIC: Final = "__cluster_metadata"


class DuplicateLogError(Exception):
    """A partition's log lies in two of log.dirs."""


class NoLogDirError(Exception):
    """The folder of the metadata log, or all of log.dirs, cannot be opened."""


class LogManager:
    """See `interface.LogEngine`. `paths`: log.dirs, absolute; `metadata_dir`: the folder of the metadata log, one of
    them or another; `cluster_id`: of all of them. Raises KafkaError(KAFKA_STORAGE_ERROR) when a disk fails."""

    def __init__(self, paths: Sequence[str], folders: Sequence[DataFolder], metadata_dir: DataFolder) -> None:
        """`folders`: those of `paths` that are open. Raises DuplicateLogError, WrongFolderError."""
        self.paths: Final = list(paths)
        self._every: Final = list(dict.fromkeys((*folders, metadata_dir)))
        self.metadata_dir: Final = metadata_dir
        self.cache: Final = metadata_dir.cache
        self.cluster_id: Final = metadata_dir.cluster_id
        self.directory_id: Final = metadata_dir.directory_id
        #: The last process closed the logs of all folders that are there.
        self.was_clean: Final = all(folder.was_clean for folder in self._every)
        #: Called when a folder has gone offline, in the middle of what some log was doing.
        self.on_failure: Callable[[DataFolder], None] = lambda _: None
        self._folders: Final = list(folders)
        self._where: dict[tuple[str, int], DataFolder] = {}
        self._undecided: list[tuple[tuple[str, int], DataFolder, DataFolder]] = []
        for folder in self._every:
            folder.on_failure = self._failed
            for key in folder.partitions():
                if key[0] == METADATA_TOPIC:
                    if folder is not metadata_dir:
                        raise WrongFolderError(
                            f"the metadata log lies in {folder.path}, and metadata.log.dir is {metadata_dir.path}"
                        )
                    continue
                other = self._where.get(key)
                self._where[key] = folder if other is None else self._one_of(key, other, folder)

    def _one_of(self, key: tuple[str, int], first: DataFolder, second: DataFolder) -> DataFolder:
        """Which of two logs of a partition counts. Raises DuplicateLogError where nothing tells, as Kafka does."""
        for kept, other in ((first, second), (second, first)):
            if size_bytes(kept, *key) > size_bytes(other, *key) == 0:
                other.delete(*key)  # what is left of a creation that went on elsewhere
                return kept
        if _moved_from(key, first) != second.directory_id and _moved_from(key, second) != first.directory_id:
            raise DuplicateLogError(_duplicate(key, first, second))
        self._undecided.append((key, first, second))
        return first

    def settle(self, directory_of: Callable[[str, int], bytes | None]) -> None:
        """Of a log whose movement was all but done the one counts that the catalogue names (16 bytes), or the copy
        where it names none (below metadata.version 17); the other one goes. Raises KafkaError."""
        for key, first, second in self._undecided:
            named = directory_of(*key)
            if named is not None and int.from_bytes(named, "big") <= checkpoints.RESERVED_IDS:
                copied = _moved_from(key, first) == second.directory_id
                named = (first if copied else second).directory_id
            if named not in (first.directory_id, second.directory_id):
                raise KafkaError(ErrorCode.KAFKA_STORAGE_ERROR, _duplicate(key, first, second))
            kept, other = (first, second) if named == first.directory_id else (second, first)
            other.delete(*key)
            self._where[key] = kept
        self._undecided.clear()

    # --- folders --------------------------------------------------------------------------------------------------

    @property
    def online(self) -> list[DataFolder]:
        """Those of log.dirs that are well, in their order."""
        return [folder for folder in self._folders if folder.health.offline is None]

    @property
    def _well(self) -> list[DataFolder]:
        return [folder for folder in self._every if folder.health.offline is None]

    @property
    def directory_ids(self) -> list[bytes]:
        """Of the folders that are well, 16 bytes each."""
        return [folder.directory_id for folder in self.online]

    def by_path(self, path: str) -> DataFolder | None:
        """The folder if it is well."""
        return next((folder for folder in self.online if folder.path == path), None)

    def _failed(self, folder: DataFolder) -> None:
        for key in folder.partitions():
            self._where.pop(key, None)
        self.on_failure(folder)

    def _next_folders(self) -> list[DataFolder]:
        """Those that a new log may lie in, the one with the fewest logs first (LogManager.nextLogDirs)."""
        count = dict.fromkeys(self.online, 0)
        if len(count) == 1:
            return list(count)
        for folder in self._where.values():
            count[folder] += 1
        return sorted(count, key=count.__getitem__)

    # --- partitions -----------------------------------------------------------------------------------------------

    def partitions(self) -> list[tuple[str, int]]:
        """(topic, partition) of every log in the folders that are well, sorted; not the metadata log."""
        return sorted(self._where)

    def folder_of(self, topic: str, partition: int) -> DataFolder | None:
        """Where the log lies; None if it is in no folder that is well."""
        return self._where.get((topic, partition))

    def open_logs(self) -> dict[tuple[str, int], Log]:
        """The logs that have been touched, the metadata log among them."""
        return {key: log for folder in self._well for key, log in folder.open_logs().items()}

    def create(self, topic: str, partition: int, topic_id: bytes, config: LogConfig, now_ms: int) -> Log:
        """The log, made where there are fewest if there is none. Raises KafkaError(INCONSISTENT_TOPIC_ID) if it is of
        another topic id. A folder that fails, or has no room, leaves it to the next one."""
        folder = self._where.get((topic, partition))
        if folder is not None:
            return folder.create(topic, partition, topic_id, config, now_ms)
        problem = KafkaError(ErrorCode.KAFKA_STORAGE_ERROR, "No log directory is online")
        for folder in self._next_folders():
            try:
                log = folder.create(topic, partition, topic_id, config, now_ms)
            except KafkaError as error:
                if folder.health.offline is None:
                    with contextlib.suppress(NoRoomError):
                        folder.delete(topic, partition)  # what is there of it, or it would be found twice
                    if folder.has(topic, partition):
                        raise
                problem = error
                continue
            self._where[topic, partition] = folder
            return log
        raise problem

    def open(self, topic: str, partition: int, config: LogConfig, now_ms: int) -> Log:
        """The log. Raises KafkaError: UNKNOWN_TOPIC_OR_PARTITION if it is in no folder that is well."""
        folder = self._where.get((topic, partition))
        if folder is None:
            raise KafkaError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, f"{topic}-{partition} is in none of log.dirs")
        return folder.open(topic, partition, config, now_ms)

    def delete(self, topic: str, partition: int) -> None:
        """Removes the log for good. Nothing if it is in no folder that is well."""
        folder = self._where.get((topic, partition))
        if folder is not None:
            try:
                folder.delete(topic, partition)
            finally:
                if not folder.has(topic, partition):
                    del self._where[topic, partition]

    def futures(self) -> list[tuple[str, int, DataFolder]]:
        """(topic, partition, where to) of the movements that the last process did not end."""
        return [(*key, folder) for folder in self.online for key in folder.futures]

    def moved(self, topic: str, partition: int, folder: DataFolder) -> None:
        """The log lies there now."""
        self._where[topic, partition] = folder

    @property
    def producer_expiration_ms(self) -> int:
        return self.metadata_dir.producer_expiration_ms

    @producer_expiration_ms.setter
    def producer_expiration_ms(self, value: int) -> None:
        for folder in self._every:
            folder.producer_expiration_ms = value

    # --- checkpoints and the end ----------------------------------------------------------------------------------

    def checkpoint(self) -> None:
        """Writes the checkpoints of all folders. Raises KafkaError, the first, when all have had their turn."""
        self._each(DataFolder.checkpoint, self._well)

    def checkpoint_compaction(self) -> None:
        """Writes how far compactions have come. Raises KafkaError."""
        self._each(DataFolder.checkpoint_compaction, self._well)

    def flush(self) -> None:
        """Every open log is on the device afterwards. Raises KafkaError."""
        self._each(DataFolder.flush, self._well)

    def close(self, *, sync: bool = True) -> None:
        """Closes all folders; see `DataFolder.close`. Raises KafkaError."""
        self._each(lambda folder: folder.close(sync=sync), self._every)

    def leave(self) -> None:
        """Gives all folders back as they were found: nothing was done in them."""
        for folder in self._every:
            folder.leave()

    def abandon(self) -> None:
        """Closes all files and gives the locks back, writing nothing."""
        for folder in self._every:
            folder.abandon()

    @staticmethod
    def _each(step: Callable[[DataFolder], None], folders: Sequence[DataFolder]) -> None:
        problem: KafkaError | None = None
        for folder in folders:
            try:
                step(folder)
            except KafkaError as error:
                problem = problem or error
        if problem is not None:
            raise problem


def open_log_dirs(
    paths: Sequence[str],
    *,
    node_id: int,
    metadata_log_dir: str | None = None,
    files: Files | None = None,
    open_files: int | None = None,
    new_uuid: Callable[[], bytes] = lambda: uuid.uuid4().bytes,
    on_offline: Callable[[str, str], None] = lambda path, reason: None,
) -> LogManager:
    """Opens, and makes if need be, all of log.dirs; they share `open_files` descriptors.

    `metadata_log_dir`: default the first of them. `on_offline(path, reason)`: one cannot be opened. Raises
    FolderLockedError, WrongFolderError, DuplicateLogError, NoLogDirError.
    """
    cache = HandleCache(files or Files(), open_files)
    unique = list(dict.fromkeys(os.path.abspath(path) for path in paths))
    metadata_path = os.path.abspath(metadata_log_dir or unique[0])
    every = unique if metadata_path in unique else [*unique, metadata_path]
    opened: dict[str, DataFolder] = {}
    cluster_id: str | None = None
    try:
        # Those that have an identity come first: new ones take their cluster id.
        for path in sorted(every, key=lambda path: not _has_identity(cache.files, path)):
            try:
                folder = DataFolder(path, node_id=node_id, cluster_id=cluster_id, cache=cache, new_uuid=new_uuid)
            except KafkaError as error:
                if path == metadata_path:
                    raise NoLogDirError(
                        f"Encountered I/O error in metadata log directory {path}. Cannot continue. {error.message}"
                    ) from error
                on_offline(path, error.message or str(error))
                continue
            cluster_id = folder.cluster_id
            for other in opened.values():
                if other.directory_id == folder.directory_id:
                    folder.abandon()
                    raise WrongFolderError(
                        f"Duplicate directory ID {checkpoints.encode_uuid(folder.directory_id)} found. It was the ID "
                        f"of {other.path}, but also of {folder.path}"
                    )
            opened[path] = folder
        folders = [opened[path] for path in unique if path in opened]
        if not folders:
            raise NoLogDirError(
                "Shutdown broker because none of the specified log dirs from "
                f"{', '.join(unique)} can be created or validated"
            )
        return LogManager(unique, folders, opened[metadata_path])
    except BaseException:
        for folder in opened.values():
            folder.leave()
        raise


def _has_identity(files: Files, path: str) -> bool:
    try:
        return read_file(files, os.path.join(path, checkpoints.META_PROPERTIES)) is not None
    except OSError:
        return False


def size_bytes(folder: DataFolder, topic: str, partition: int) -> int:
    """Bytes of a log's batches; one that is not open is not opened. Raises KafkaError."""
    log = folder.get(topic, partition)
    if log is not None:
        return log.size_bytes
    path = folder.partition_folder(topic, partition)
    try:
        return sum(size for size, _ in folder.files.sizes_and_times(path, LOG_SUFFIX).values())
    except OSError as error:
        raise folder.health.error(error, path) from error


def _moved_from(key: tuple[str, int], folder: DataFolder) -> bytes | None:
    """The directory id that a log was moved from, when the other one may still be there. Raises KafkaError."""
    path = os.path.join(folder.partition_folder(*key), checkpoints.MOVED_FROM)
    try:
        data = read_file(folder.files, path)
        return None if data is None else checkpoints.decode_uuid(data.decode(errors="replace"))
    except OSError as error:
        raise folder.health.error(error, path) from error
    except checkpoints.CheckpointError:
        return None


def _duplicate(key: tuple[str, int], first: DataFolder, second: DataFolder) -> str:
    return (
        f"Duplicate log directories for {key[0]}-{key[1]} are found in both {first.partition_folder(*key)} and "
        f"{second.partition_folder(*key)}. It is likely because log directory failure happened while broker was "
        "replacing current replica with future replica. Recover broker from this failure by manually deleting one of "
        "the two directories for this partition. It is recommended to delete the partition in the log directory that "
        "is known to have failed recently."
    )
