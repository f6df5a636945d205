"""What a broker process holds, and whether it still serves: file descriptors, memory, log ends, a bystander."""

from __future__ import annotations

import os
from pathlib import Path

from klamm.wire.messages.api_versions import ApiVersionsRequest
from klamm.wire.messages.list_offsets import ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic

from .raw_client import ClosedError, RawClient, SilentError, ask, wait_for

HAS_PROC = Path("/proc/self/statm").exists()
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


def open_files(pid: int) -> tuple[int, int]:
    """(sockets, everything else) that the process has open. Linux only."""
    sockets = others = 0
    folder = f"/proc/{pid}/fd"
    for name in os.listdir(folder):
        try:
            target = os.readlink(f"{folder}/{name}")
        except FileNotFoundError:  # closed between the listing and now
            continue
        if target.startswith("socket:"):
            sockets += 1
        else:
            others += 1
    return sockets, others


def resident_bytes(pid: int) -> int:
    """The process's resident memory. Linux only."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE_BYTES


def log_end(address: str, topic: str, partition: int = 0) -> int:
    """The partition's log end offset, asked for on a connection of its own."""
    asked = ListOffsetsPartition(partition_index=partition, timestamp=-1)
    request = ListOffsetsRequest(replica_id=-1, topics=[ListOffsetsTopic(name=topic, partitions=[asked])])
    answer = ask(address, request, 5).topics[0].partitions[0]
    assert answer.error_code == 0, answer
    end: int = answer.offset
    return end


class Bystander:
    """A well-behaved client on one connection, which must be answered whatever others do."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._client = RawClient(address, timeout_s=5)

    def is_answered(self) -> None:
        """Raises ClosedError or SilentError when it is not; the next test then has another connection."""
        try:
            assert self._client.request(ApiVersionsRequest(), 0).error_code == 0
        except (ClosedError, SilentError):
            self._client.close()
            self._client = RawClient(self._address, timeout_s=5)
            raise

    def close(self) -> None:
        self._client.close()


class Holdings:
    """What a process held at first, to be held again later: its sockets exactly, files and memory within bounds.

    A log that was used stays open, so that a request which touches another one opens files: at most `LOG_FILES`.
    """

    LOG_FILES = 12

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.sockets, self.others = open_files(pid)
        self.memory_bytes = resident_bytes(pid)

    def grown_bytes(self) -> int:
        """By how much memory has grown since."""
        return resident_bytes(self.pid) - self.memory_bytes

    def are_back(self, memory_growth_bytes: int) -> None:
        """Waits until closed connections have been noticed, then compares."""
        wait_for(lambda: open_files(self.pid)[0] <= self.sockets, f"no more than {self.sockets} sockets")
        more = open_files(self.pid)[1] - self.others
        assert more <= self.LOG_FILES, f"{more} more files are open"
        grown = self.grown_bytes()
        assert grown <= memory_growth_bytes, f"{grown} bytes more are held"
