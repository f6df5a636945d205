"""One of a broker's log.dirs: its lock and identity, the partitions in it, and the checkpoints they share.

Opening it lists partition folders and reads a handful of small files; a partition's own files are opened when it is
first asked for. `log_manager.py` puts several of them together.
Source: kafka.log.LogManager, MetaPropertiesEnsemble, OffsetCheckpointFile, CleanShutdownFileHandler.
"""

from __future__ import annotations

import contextlib
import os
import uuid
from collections.abc import Callable, Iterable
from random import randrange
from typing import Final

from ..wire.errors import ErrorCode, KafkaError
from . import checkpoints
from .config import LogConfig
from .deleted_files import DeletedFiles, remove_folder_if_there, unlink
from .files import Files, read_file, remove_if_there, replace_file, storage_error
from .folder_identity import identify, take_lock
from .folder_names import DELETE_SUFFIX, FUTURE_FOLDER, PARTITION_FOLDER, unique_name
from .folder_offsets import FolderOffsets
from .handles import HandleCache
from .log import Log
from .log_dir_health import LogDirHealth, NoRoomError
from .opening import ColdFolder, LogOpening, LogOpenings
from .producers import DEFAULT_EXPIRATION_MS

#: A stop with so many open logs waits for the device once for all of them: it must be over in seconds.
SYNC_AT_ONCE_FROM: Final = 32
#: For a log that is deleted without having been opened.
_DEFAULT_CONFIG: Final = LogConfig()


class DataFolder:
    """See `interface.LogEngine`. Raises KafkaError(KAFKA_STORAGE_ERROR) when the disk fails, which takes the folder
    offline: all of its logs refuse everything from then on."""

    def __init__(
        self,
        path: str,
        *,
        node_id: int,
        cluster_id: str | None = None,
        files: Files | None = None,
        open_files: int | None = None,
        cache: HandleCache | None = None,
        producer_expiration_ms: int = DEFAULT_EXPIRATION_MS,
        new_uuid: Callable[[], bytes] = lambda: uuid.uuid4().bytes,
        random_below: Callable[[int], int] = randrange,
    ) -> None:
        """Opens the folder, making it if need be, and takes its lock.

        `cluster_id` names a new folder (default: one made up) and must fit an old one. `open_files` bounds the
        descriptors (default: half of the process's limit); `cache` is given in place of it and of `files` where
        several folders share them. `random_below`: see `Log`.
        Raises FolderLockedError, WrongFolderError.
        """
        self.path = os.path.abspath(path)
        self.health = LogDirHealth(self.path)
        self.health.on_failure = self._went_offline
        #: Told once, when the folder has gone offline; in the middle of what some log was doing.
        self.on_failure: Callable[[DataFolder], None] = lambda _: None
        self.cache = HandleCache(files or Files(), open_files) if cache is None else cache
        self.files = self.cache.files
        self.cache.health[self.path] = self.health
        self.producer_expiration_ms = producer_expiration_ms
        self._new_uuid = new_uuid
        self._random_below = random_below
        self._open: dict[tuple[str, int], Log] = {}
        self._openings = LogOpenings()
        #: Removed segments and partitions whose files are there until the broker unlinks them (file.delete.delay.ms).
        self.deleted = DeletedFiles()
        try:
            self.files.make_folder(self.path)
            self._lock = take_lock(self.files, self.path)
            try:
                identity = identify(self.files, self.path, node_id, cluster_id, new_uuid)
                self.cluster_id, self.directory_id = identity
                self._load()
            except BaseException:
                os.close(self._lock)
                raise
        except OSError as error:
            raise storage_error(error, f"cannot open {self.path}") from error

    # --- opening --------------------------------------------------------------------------------------------------

    def _load(self) -> None:
        self._offsets = FolderOffsets(self.files, self.path)
        clean_mark = self._file(checkpoints.CLEAN_SHUTDOWN)
        #: The last process closed its logs.
        self.was_clean = read_file(self.files, clean_mark) is not None
        self._partitions: set[tuple[str, int]] = set()
        #: Logs that were on their way here when the last process ended.
        self.futures: list[tuple[str, int]] = []
        for name in self.files.folders(self.path):
            if name.endswith(DELETE_SUFFIX):
                remove_folder_if_there(self.files, os.path.join(self.path, name))
            elif match := FUTURE_FOLDER.fullmatch(name):
                self.futures.append((match[1], int(match[2])))
                remove_folder_if_there(self.files, os.path.join(self.path, name))
            elif match := PARTITION_FOLDER.fullmatch(name):
                self._partitions.add((match[1], int(match[2])))
        # From here on an end without `close` is an unclean one. Logs not touched by then lose nothing: their
        # recovery points, which say that all of each is whole, are in the checkpoint.
        remove_if_there(self.files, clean_mark)
        if self.was_clean:
            # A mark that comes back after a loss of power would vouch for what is new.
            self.files.sync_folder(self.path)

    # --- partitions -----------------------------------------------------------------------------------------------

    def partitions(self) -> list[tuple[str, int]]:
        """(topic, partition) of every log in the folder, sorted."""
        return sorted(self._partitions)

    def has(self, topic: str, partition: int) -> bool:
        return (topic, partition) in self._partitions

    def open_logs(self) -> dict[tuple[str, int], Log]:
        """The logs that have been touched."""
        return dict(self._open)

    def get(self, topic: str, partition: int) -> Log | None:
        """The log if it has been opened."""
        return self._open.get((topic, partition))

    def topic_id(self, topic: str, partition: int) -> bytes | None:
        """The 16 bytes in partition.metadata, None if there is none. Raises KafkaError(KAFKA_STORAGE_ERROR)."""
        path = os.path.join(self.partition_folder(topic, partition), checkpoints.PARTITION_METADATA)
        try:
            data = read_file(self.files, path)
            # A loss of power soon after it was made leaves it empty, and nothing in its log that anybody was promised.
            return checkpoints.decode_partition_metadata(data) if data and data.strip(b"\0") else None
        except OSError as error:
            raise self.health.error(error, path) from error
        except checkpoints.CheckpointError as error:
            raise KafkaError(ErrorCode.KAFKA_STORAGE_ERROR, f"{path}: {error}") from error

    def partition_folder(self, topic: str, partition: int) -> str:
        return os.path.join(self.path, f"{topic}-{partition}")

    def cold(self, topic: str, partition: int, then: Callable[[], None]) -> ColdFolder:
        """What opening the log is going to read; `then` is called when it has been read."""
        recovery_point = self._offsets.recovery_points.get((topic, partition), 0)
        path = self.partition_folder(topic, partition)
        return ColdFolder(path, recovery_point, then, clean=self.was_clean)

    def create(self, topic: str, partition: int, topic_id: bytes, config: LogConfig, now_ms: int) -> Log:
        """A new, empty log; the one that is there if its topic id is the same.

        Raises KafkaError(INCONSISTENT_TOPIC_ID) if it has another.
        """
        self._refuse_offline()
        folder = self.partition_folder(topic, partition)
        is_new = (topic, partition) not in self._partitions
        found = None if is_new else self.topic_id(topic, partition)
        if found is not None and found != topic_id:
            raise KafkaError(ErrorCode.INCONSISTENT_TOPIC_ID, f"{folder} belongs to another topic id")
        if is_new:
            # Of one that was deleted while the checkpoints could not be written.
            self._offsets.forget((topic, partition))
        try:
            self.files.make_folder(folder)
            if found is None:
                metadata = checkpoints.encode_partition_metadata(topic_id)
                replace_file(self.files, os.path.join(folder, checkpoints.PARTITION_METADATA), metadata, sync=False)
        except OSError as error:
            if is_new:
                with contextlib.suppress(OSError):
                    remove_folder_if_there(self.files, folder)  # or it would seem to hold a log
            raise self.health.error(error, f"cannot create {folder}") from error
        self._partitions.add((topic, partition))
        return self.open(topic, partition, config, now_ms)

    def open(self, topic: str, partition: int, config: LogConfig, now_ms: int) -> Log:
        """The log, opened and recovered at the first touch; `config` counts for that only.

        Raises KafkaError: UNKNOWN_TOPIC_OR_PARTITION if it is not in the folder.
        """
        key = (topic, partition)
        log = self._open.get(key)
        if log is not None:
            return log
        self._refuse_offline()
        if key not in self._partitions:
            raise KafkaError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, f"{topic}-{partition} is not in {self.path}")
        log = self._openings.take(key)
        if log is None:
            log = self._log(key, config, now_ms)
        else:
            log.configure(config)
        self._open[key] = log
        return log

    def is_opening(self, topic: str, partition: int) -> bool:
        """Somebody waits for the log."""
        return (topic, partition) in self._openings

    def begin_opening(self, topic: str, partition: int, config: LogConfig, now_ms: int) -> LogOpening | None:
        """The opening of a log that is not open, to be gone on with in slices before `open` is called; None if there is
        nothing to open. Raises KafkaError."""
        self._refuse_offline()
        key = (topic, partition)
        if key in self._open or key not in self._partitions:
            return None
        return self._openings.begin(key, lambda: self._log(key, config, now_ms, in_steps=True))

    def _log(self, key: tuple[str, int], config: LogConfig, now_ms: int, *, in_steps: bool = False) -> Log:
        return Log(
            self.cache,
            self.partition_folder(*key),
            config,
            now_ms,
            recovery_point=self._offsets.recovery_points.get(key, 0),
            log_start_offset=self._offsets.log_start_offsets.get(key, 0),
            high_watermark=self._offsets.high_watermarks.get(key, 0),
            clean=self.was_clean,
            expiration_ms=self.producer_expiration_ms,
            first_dirty_offset=self._offsets.first_dirty_offsets.get(key),
            checkpoint=self.checkpoint,
            deleted=self.deleted,
            random_below=self._random_below,
            in_steps=in_steps,
        )

    def adopt(self, topic: str, partition: int, path: str, log: Log, now_ms: int) -> Log:
        """`path`, which is ours, becomes the log of a partition that has its log elsewhere. Raises KafkaError."""
        self._refuse_offline()
        key, folder = (topic, partition), self.partition_folder(topic, partition)
        self._offsets.note(key, log)
        self._offsets.recovery_points[key] = log.log_end_offset
        self.checkpoint(sync=True)  # first: where the log begins is written nowhere else
        try:
            self.files.rename(path, folder)
            self.files.sync_folder(self.path)
        except OSError as error:
            raise self.health.error(error, f"cannot rename {path}") from error
        self._partitions.add(key)
        return self.open(topic, partition, log.config, now_ms)

    def delete(self, topic: str, partition: int) -> None:
        """Removes the log for good: its folder is renamed, and waits in `deleted` for its files to be unlinked.

        Readers with a lease read on. Nothing if it is not there. Raises KafkaError; NoRoomError when it is gone and
        only the checkpoints could not be written.
        """
        self._refuse_offline()
        key = (topic, partition)
        log = self._open.pop(key, None)
        if log is not None:
            log.discard()
        self._openings.abandon([key])
        if key not in self._partitions:
            return
        folder = self.partition_folder(topic, partition)
        # Renamed first: what a crash leaves of it is then no partition.
        condemned = os.path.join(self.path, unique_name(*key, self._new_uuid(), DELETE_SUFFIX))
        try:
            self.files.rename(folder, condemned)
            self._partitions.discard(key)
            self._offsets.forget(key)
            self.deleted.add([condemned], (log.config if log else _DEFAULT_CONFIG).file_delete_delay_ms)
        except OSError as error:
            raise self.health.error(error, f"cannot delete {folder}") from error
        try:
            self.checkpoint()
        except NoRoomError:
            # Where there is no room, what was removed goes at once.
            self.unlink(self.deleted.take_all())
            self.checkpoint()

    def unlink(self, paths: Iterable[str]) -> None:
        """Removes what was taken from `deleted`; from any thread. What cannot be removed is left to the next start."""
        with contextlib.suppress(OSError):
            unlink(self.files, paths, DELETE_SUFFIX)

    def saved_start(self, topic: str, partition: int) -> int:
        """The log start offset of a log that is not open."""
        return self._offsets.log_start_offsets.get((topic, partition), 0)

    def saved_first_dirty(self, topic: str, partition: int) -> int | None:
        """How far a log that is not open was compacted; None if it never was."""
        return self._offsets.first_dirty_offsets.get((topic, partition))

    def saved_end(self, topic: str, partition: int) -> int | None:
        """The end of a log that has not been open since the start; None if it was not closed before it."""
        key = (topic, partition)
        known = self.was_clean and key in self._offsets.recovery_points
        return max(self._offsets.recovery_points[key], self._offsets.high_watermarks.get(key, 0)) if known else None

    def close_log(self, topic: str, partition: int) -> None:
        """Closes an open log, which nobody holds. Raises KafkaError."""
        log = self._open[topic, partition]
        log.close(sync=False)
        self._offsets.note((topic, partition), log)
        self._offsets.note_compaction((topic, partition), log)
        del self._open[topic, partition]

    # --- checkpoints and the end ----------------------------------------------------------------------------------

    def checkpoint(self, *, sync: bool = False) -> None:
        """Writes recovery points, log starts and high watermarks of all partitions, with `sync` to the device; always
        so in a folder with a log of flush.messages=1, whose start DeleteRecords may have moved. Raises KafkaError."""
        self._refuse_offline()
        for key, log in self._open.items():
            self._offsets.note(key, log)
        sync = sync or any(log.config.flushes_before_ack for log in self._open.values())
        try:
            self._offsets.write(sync=sync)
        except OSError as error:
            raise self.health.error(error, f"Error while writing to checkpoint file in {self.path}") from error
        self.checkpoint_compaction()

    def checkpoint_compaction(self) -> None:
        """Writes where the compactions of all partitions ended, if one has come further. Raises KafkaError."""
        for key, log in self._open.items():
            self._offsets.note_compaction(key, log)
        try:
            self._offsets.write_compaction()
        except OSError as error:
            raise self.health.error(error, f"Error while writing to checkpoint file in {self.path}") from error

    def flush(self) -> None:
        """Every open log is on the device afterwards, and the checkpoints say so. Raises KafkaError."""
        for log in self._open.values():
            log.flush()
        self.checkpoint()

    def close(self, *, sync: bool = True) -> None:
        """Closes all logs, leaves the mark of a clean shutdown, gives the lock back. Raises KafkaError: the first of
        what went wrong; the rest is closed as well as may be, and there is no mark.

        Without `sync` nothing waits for the device, for a folder that is thrown away afterwards or whose machine is
        trusted to stay up; the next start recovers only what it must.
        """
        if self.health.offline is not None:
            self.abandon()
            return
        problem: KafkaError | None = None
        self._open.update(self._openings.take_done())
        try:
            good = [log for log in self._open.values() if log.failed is None]
            at_once = sync and len(good) >= SYNC_AT_ONCE_FROM
            for log in good:
                try:
                    log.close(sync=sync and not at_once)
                except KafkaError as error:
                    problem = problem or error
            if at_once:
                self._sync_at_once([log for log in good if log.closed_well])
            self.checkpoint(sync=sync)
            if not self._openings and all(log.closed_well for log in self._open.values()):
                replace_file(
                    self.files, self._file(checkpoints.CLEAN_SHUTDOWN), checkpoints.encode_clean_shutdown(-1), sync=sync
                )
            self.unlink(self.deleted.take_all())
        except KafkaError as error:
            problem = problem or error
        except OSError as error:
            raise self.health.error(error, f"closing {self.path}") from error
        finally:
            self.abandon()
        if problem is not None:
            raise problem

    def _sync_at_once(self, logs: list[Log]) -> None:
        """Moves the recovery points of closed logs to their ends, with one wait for the device. Where that cannot be
        had, they stay, and a start after a power failure recovers from them."""
        if self.files.sync_everything():
            for log in logs:
                log.recovery_point = log.log_end_offset

    def leave(self) -> None:
        """Gives the folder back as it was found: nothing was done in it."""
        if self.was_clean:
            with contextlib.suppress(KafkaError):
                self.close(sync=False)
        self.abandon()

    def abandon(self) -> None:
        """Closes all descriptors and the lock and writes nothing: what a kill leaves behind."""
        self._openings.abandon()
        for log in self._open.values():
            log.discard()
        self._open.clear()
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def _went_offline(self) -> None:
        for log in self._open.values():
            log.failed = log.failed or self.health.offline
        self.on_failure(self)

    def _refuse_offline(self) -> None:
        if self.health.offline is not None:
            raise KafkaError(ErrorCode.KAFKA_STORAGE_ERROR, f"Log directory {self.path} is offline")

    def _file(self, name: str) -> str:
        return os.path.join(self.path, name)
