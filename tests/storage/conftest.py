"""Files that fail on command, and shorthands for batches."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from klamm.storage.config import LogConfig
from klamm.storage.files import Buffer, Files
from klamm.storage.folder import DataFolder
from klamm.storage.handles import HandleCache
from klamm.storage.log import Log
from klamm.wire.records import Record, encode_batch


class FailingFiles(Files):
    """Counts what changes the disk; from step `fail_at` on everything fails.

    The failing write leaves its first `tear` bytes. `stays_down=False` fails that one step only, as a full disk does.
    """

    def __init__(self, *, plain: bool = False) -> None:
        super().__init__(plain=plain)
        self.steps = 0
        self.written: list[tuple[int, int]] = []  # (step, bytes) of each write
        self.fail_at: int | None = None
        self.tear = 0
        self.stays_down = True

    def _fails(self) -> bool:
        self.steps += 1
        if self.fail_at is None:
            return False
        return self.steps >= self.fail_at if self.stays_down else self.steps == self.fail_at

    def _step(self) -> None:
        if self._fails():
            raise OSError(errno.EIO, "told to fail")

    def open(self, path: str, *, create: bool = False) -> int:
        if create and not os.path.exists(path):
            self._step()
        return super().open(path, create=create)

    def pwritev(self, fd: int, buffers: Sequence[Buffer], position: int) -> int:
        data = b"".join(buffers)
        if self._fails():
            if self.steps == self.fail_at and self.tear:
                os.pwrite(fd, data[: self.tear], position)
            raise OSError(errno.ENOSPC, "told to fail")
        self.written.append((self.steps, len(data)))
        return super().pwritev(fd, buffers, position)

    def truncate(self, fd: int, size: int) -> None:
        self._step()
        super().truncate(fd, size)

    def sync(self, fd: int) -> None:
        self._step()

    def sync_folder(self, path: str) -> None:
        self._step()

    def rename(self, source: str, target: str) -> None:
        self._step()
        super().rename(source, target)

    def remove(self, path: str) -> None:
        self._step()
        super().remove(path)


class ShortWrites(Files):
    """Takes at most `most` bytes a write, as the system may."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self.most = most

    def pwritev(self, fd: int, buffers: Sequence[Buffer], position: int) -> int:
        return os.pwrite(fd, b"".join(buffers)[: self.most], position)


def make_batch(
    *values: bytes | None, timestamp_ms: int = 1000, keys: Sequence[bytes | None] = (), **options: Any
) -> bytes:
    """A batch of values (and keys); `step_ms` between their timestamps."""
    step = options.pop("step_ms", 0)
    records = [
        Record(keys[number] if number < len(keys) else b"k", value, timestamp_ms=timestamp_ms + number * step)
        for number, value in enumerate(values)
    ]
    return encode_batch(records, **options)


@pytest.fixture(scope="session")
def batch() -> Callable[..., bytes]:
    return make_batch


@pytest.fixture(params=[False, True], ids=["fast calls", "plain calls"])
def files(request: pytest.FixtureRequest) -> Files:
    return Files(plain=request.param)


@pytest.fixture
def failing_files() -> FailingFiles:
    return FailingFiles()


@pytest.fixture
def make_failing() -> Callable[[], FailingFiles]:
    return FailingFiles


@pytest.fixture
def short_writes() -> Callable[[int], Files]:
    return ShortWrites


@pytest.fixture
def open_log(tmp_path: Path, files: Files) -> Iterator[Callable[..., Log]]:
    """`open_log(files=..., handles=..., **of LogConfig and Log)`: the log in tmp_path/t-0; earlier ones are dropped."""
    logs: list[Log] = []

    def build(**options: Any) -> Log:
        for log in logs:
            log.discard()
        cache = HandleCache(options.pop("files", files), options.pop("handles", 32))
        of_log = {
            name: options.pop(name)
            for name in (
                "recovery_point",
                "log_start_offset",
                "high_watermark",
                "clean",
                "checkpoint",
                "expiration_ms",
                "random_below",
            )
            if name in options
        }
        log = Log(cache, str(tmp_path / "t-0"), LogConfig(**options), 1000, **of_log)
        logs.append(log)
        return log

    yield build
    for log in logs:
        log.discard()


@pytest.fixture
def open_folder(tmp_path: Path) -> Iterator[Callable[..., DataFolder]]:
    """`open_folder(**options)`: the data folder tmp_path/data, as node 1."""
    folders: list[DataFolder] = []

    def build(**options: Any) -> DataFolder:
        folder = DataFolder(str(tmp_path / "data"), **({"node_id": 1} | options))
        folders.append(folder)
        return folder

    yield build
    for folder in folders:
        folder.abandon()
