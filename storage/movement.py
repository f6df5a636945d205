"""A log on its way from one of log.dirs to another (KIP-113).

Its batches are copied into a future log, `topic-partition.<uuid>-future` in the other folder, while it goes on being
written and read; once that has caught up it takes the log's place. What was copied is on the device before. A kill
leaves the log where it was, or where it goes, or in both places: the new one names the folder it came from until the
old one is gone, and the catalogue, which was told of the new one first, says which of them counts.
Source: ReplicaAlterLogDirsThread, LogManager.replaceCurrentWithFutureLog.
"""

from __future__ import annotations

import os
import uuid
from dataclasses import replace

from ..wire.batches import parse_header
from ..wire.errors import ErrorCode, KafkaError
from . import checkpoints
from .config import MAX_INT64
from .deleted_files import remove_folder_if_there
from .files import remove_if_there, replace_file
from .flush import FlushJob
from .folder import DataFolder
from .folder_names import FUTURE_SUFFIX, unique_name
from .log import Log


class Movement:
    """Of one partition's `log`, which lies in `source`, to `target`. Belongs to the loop, as logs do."""

    def __init__(self, topic: str, partition: int, log: Log, source: DataFolder, target: DataFolder) -> None:
        self.topic = topic
        self.partition = partition
        self.log = log
        self.source = source
        self.target = target
        self.future: Log | None = None
        name = unique_name(topic, partition, uuid.uuid4().bytes, FUTURE_SUFFIX)
        self._path = os.path.join(target.path, name)

    @property
    def size_bytes(self) -> int:
        """Of the future log."""
        return 0 if self.future is None else self.future.size_bytes

    @property
    def offset_lag(self) -> int:
        """How many offsets the future log is behind."""
        end = self.log.log_start_offset if self.future is None else self.future.log_end_offset
        return max(0, self.log.log_end_offset - end)

    def step(self, max_bytes: int, now_ms: int) -> bool:
        """Copies the next batches; whether all are there now. Raises KafkaError; ColdRead, having changed nothing."""
        log, future = self.log, self.future
        if future is not None and future.log_end_offset < log.log_start_offset:
            self.abandon()  # retention was faster
            future = None
        offset = log.log_start_offset if future is None else future.log_end_offset
        found = log.read(offset, max_bytes, max_offset=log.log_end_offset)
        try:
            data = found.read()
        finally:
            found.release()
        if future is None:
            future = self.future = self._begin(parse_header(data).base_offset if data else offset, now_ms)
        if data:
            future.append_as_follower(data, now_ms=now_ms)
        elif offset < log.log_end_offset:
            raise KafkaError(ErrorCode.KAFKA_STORAGE_ERROR, f"{log.folder} has nothing to read at offset {offset}")
        return future.log_end_offset == log.log_end_offset

    def _begin(self, offset: int, now_ms: int) -> Log:
        # Flushed when it is complete.
        config = replace(self.log.config, flush_messages=MAX_INT64)
        return Log(self.target.cache, self._path, config, now_ms, log_start_offset=offset)

    def begin_flush(self) -> FlushJob | None:
        """What brings the copy to the device; None if it is there. Raises KafkaError."""
        return None if self.future is None else self.future.begin_flush()

    def swap(self, now_ms: int) -> Log:
        """The future log, which has all batches, takes the log's place: the log as it is opened there.

        Raises KafkaError; the log is then where it was, unless the target has failed in the middle.
        """
        future, source = self.future, self.source
        assert future is not None
        files = future.files
        key = (self.topic, self.partition)
        try:
            future.close()
            topic_id = source.topic_id(*key)
            if topic_id is not None:
                metadata = checkpoints.encode_partition_metadata(topic_id)
                replace_file(files, os.path.join(self._path, checkpoints.PARTITION_METADATA), metadata, sync=True)
            remove_if_there(files, os.path.join(source.partition_folder(*key), checkpoints.MOVED_FROM))
            mark = checkpoints.encode_uuid(source.directory_id).encode()
            replace_file(files, os.path.join(self._path, checkpoints.MOVED_FROM), mark, sync=True)
        except OSError as error:
            raise self.target.health.error(error, f"moving {self._path}") from error
        log = self.target.adopt(*key, self._path, self.log, now_ms)
        source.delete(*key)
        try:
            remove_if_there(files, os.path.join(log.folder, checkpoints.MOVED_FROM))
        except OSError as error:
            raise self.target.health.error(error, f"moving {log.folder}") from error
        return log

    def abandon(self) -> None:
        """Removes the future log. Raises KafkaError."""
        future, self.future = self.future, None
        if future is not None:
            future.discard()
            if self.target.health.offline is None:
                try:
                    remove_folder_if_there(future.files, self._path)
                except OSError as error:
                    raise self.target.health.error(error, f"cannot remove {self._path}") from error
