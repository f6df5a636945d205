"""What a broker process holds, and whether it still serves: file descriptors, memory, log ends, a bystander."""

from __future__ import annotations

import os
from pathlib import Path

from klamm.wire.messages.api_versions import ApiVersionsRequest
from klamm.wire.messages.list_offsets import ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic

from .raw_client import RawClient, ask, wait_for

HAS_PROC = Path("/proc/self/statm").exists()
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


def open_files(pid: int) -> int:
    """How many file descriptors the process has open. Linux only."""
    return len(os.listdir(f"/proc/{pid}/fd"))


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
        self._client = RawClient(address, timeout_s=5)

    def is_answered(self) -> None:
        """Raises ClosedError or SilentError when it is not."""
        assert self._client.request(ApiVersionsRequest(), 0).error_code == 0

    def close(self) -> None:
        self._client.close()


class Holdings:
    """What a process held at first, to be held again later: its file descriptors exactly, its memory within bounds."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.files = open_files(pid)
        self.memory_bytes = resident_bytes(pid)

    def are_back(self, memory_growth_bytes: int) -> None:
        """Waits for closed connections to be noticed; then the descriptors are as many as before."""
        wait_for(
            lambda: open_files(self.pid) <= self.files, f"{self.files} open files, there are {open_files(self.pid)}"
        )
        grown = resident_bytes(self.pid) - self.memory_bytes
        assert grown <= memory_growth_bytes, f"{grown} bytes more than at first"
