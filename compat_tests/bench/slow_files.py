"""A broker whose files are slow to read: its device is in this process, and knows which ranges are in memory.

`SlowFiles` stands in for klamm's file layer: what was written through it or read once is warm, all else takes `cold_s`,
or as long as a test keeps `gate` closed. It notes every read that waited on the loop's own thread. `BrokerThread` runs
a broker on it in a thread of this process. For tests and the bench; no option of `klamm serve` leads here.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

import trio

from klamm.broker.broker import Broker
from klamm.broker.config import Setting
from klamm.broker.config.sources import load
from klamm.storage.files import Buffer, Files
from klamm.storage.log_manager import open_log_dirs

#: The device's unit.
PAGE_BYTES: Final = 65_536
START_TIMEOUT_S: Final = 60.0


class SlowFiles(Files):
    """`nowait=False`: as on systems that do not tell what is in memory."""

    def __init__(self, *, nowait: bool = True, cold_s: float = 0.0) -> None:
        super().__init__(plain=not nowait)
        self.tells = nowait
        self.cold_s = cold_s
        #: Cold reads wait until it is set.
        self.gate = threading.Event()
        self.gate.set()
        #: Set when a cold read has begun.
        self.reading = threading.Event()
        #: The thread that must not wait; None: none yet.
        self.loop_thread: int | None = None
        #: What that thread has waited for: (call, position, size).
        self.stalls: list[tuple[str, int, int]] = []
        self.cold_reads = 0
        self._pages: set[tuple[int, int]] = set()  # (inode, number) of what is in memory
        self._lock = threading.Lock()

    def drop(self, folder: Path | None = None) -> None:
        """Nothing is in memory any more; of the files of one folder, if one is named."""
        inodes = None if folder is None else {path.stat().st_ino for path in folder.iterdir()}
        with self._lock:
            self._pages = set() if inodes is None else {page for page in self._pages if page[0] not in inodes}

    def _missing(self, fd: int, position: int, size: int) -> set[tuple[int, int]]:
        status = os.fstat(fd)
        end = min(position + size, status.st_size)
        wanted = {
            (status.st_ino, number) for number in range(position // PAGE_BYTES, -(-end // PAGE_BYTES)) if end > position
        }
        with self._lock:
            return wanted - self._pages

    def _wait(self, call: str, fd: int, position: int, size: int) -> None:
        missing = self._missing(fd, position, size)
        if not missing:
            return
        if threading.get_ident() == self.loop_thread:
            self.stalls.append((call, position, size))
        else:
            self.cold_reads += 1
            self.reading.set()
            self.gate.wait()
        if self.cold_s:
            time.sleep(self.cold_s)
        with self._lock:
            self._pages |= missing

    def in_memory(self, fd: int, position: int, size: int) -> bool | None:
        return not self._missing(fd, position, size) if self.tells else None

    def pread(self, fd: int, count: int, position: int) -> bytes:
        self._wait("pread", fd, position, count)
        return super().pread(fd, count, position)

    def discard(self, fd: int, count: int, position: int) -> int:
        self._wait("discard", fd, position, count)
        return super().discard(fd, count, position)

    def send(self, socket_fd: int, fd: int, position: int, size: int) -> int:
        self._wait("send", fd, position, size)
        return super().send(socket_fd, fd, position, size)

    def read_ahead(self, fd: int, position: int, size: int) -> None:
        """This device does one thing after the other."""

    def pwritev(self, fd: int, buffers: Sequence[Buffer], position: int) -> int:
        written = super().pwritev(fd, buffers, position)
        inode = os.fstat(fd).st_ino
        with self._lock:
            self._pages.update(
                (inode, number) for number in range(position // PAGE_BYTES, -(-(position + written) // PAGE_BYTES))
            )
        return written


def serve(folder: Path, cold_s: float, dropped: str) -> None:
    """A broker on such files until SIGTERM; prints its address. At SIGUSR1 the files of the partition `dropped` leave
    memory; prints that it is done."""
    files = SlowFiles(cold_s=cold_s)
    broker = BrokerThread(folder, files)
    print(broker.address, flush=True)
    while signal.sigwait({signal.SIGTERM, signal.SIGUSR1}) == signal.SIGUSR1:
        files.drop(folder / dropped)
        print("dropped", flush=True)
    broker.stop()


class BrokerThread:
    """A broker on `files` in a thread of this process, until `stop`. `address`: host:port."""

    def __init__(self, folder: Path, files: Files, config: Mapping[str, str] | None = None) -> None:
        settings = {"log.dirs": str(folder), "listeners": "PLAINTEXT://127.0.0.1:0", **(config or {})}
        self._config = load(None, {}, [(key, Setting(value, "a test")) for key, value in settings.items()])
        self._files = files
        self._ready = threading.Event()
        self._failure: BaseException | None = None
        self.address = ""
        self._thread = threading.Thread(target=self._run, name="broker", daemon=True)
        self._thread.start()
        if not self._ready.wait(START_TIMEOUT_S) or self._failure is not None:
            raise RuntimeError("the broker did not start") from self._failure

    def _run(self) -> None:
        try:
            self.logs = open_log_dirs(self._config.log_dirs, node_id=1, files=self._files)
            self.broker = Broker(self._config, self.logs)
            self._token: trio.lowlevel.TrioToken | None = None
            trio.run(self._serve)
            self.logs.close(sync=False)
        except BaseException as error:
            self._failure = error
            raise
        finally:
            self._ready.set()

    async def _serve(self) -> None:
        self._token = trio.lowlevel.current_trio_token()
        self._stop = trio.Event()
        (address,) = self.broker.bind()
        self.address = f"{address.host}:{address.port}"
        self.broker.load([address])
        await self.broker.serve(self._stop, self._ready.set)

    @property
    def thread(self) -> int:
        """The loop's thread."""
        assert self._thread.ident is not None
        return self._thread.ident

    def on_loop(self, call: Callable[[], object]) -> object:
        """What `call` returns on the loop's thread."""
        done: list[object] = []
        there = threading.Event()

        def run() -> None:
            done.append(call())
            there.set()

        self.broker.reactor.call_from_thread(run)
        if not there.wait(START_TIMEOUT_S):
            raise RuntimeError("the loop does not answer")
        return done[0]

    def stop(self) -> None:
        if self._token is not None and self._thread.is_alive():
            self._token.run_sync_soon(self._stop.set)
        self._thread.join(START_TIMEOUT_S)
        if self._thread.is_alive():
            raise RuntimeError("the broker does not end")


if __name__ == "__main__":
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGUSR1})
    serve(Path(sys.argv[1]), float(sys.argv[2]), sys.argv[3])
