"""What the broker's configs say of compaction in general; what a topic's say is in config.py."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CleanerConfig:
    """The configs `log.cleaner.*` that are not the defaults of topics' (kafka.log.CleanerConfig).

    A compaction's map of keys takes at most `dedupe_buffer_bytes` times `io_buffer_load_factor`; what does not fit is
    left to the next one. `io_buffer_bytes`: written at once.
    """

    dedupe_buffer_bytes: int = 134_217_728
    io_buffer_load_factor: float = 0.9
    io_buffer_bytes: int = 524_288
    io_max_bytes_per_second: float = float("inf")

    @property
    def map_bytes(self) -> int:
        return int(self.dedupe_buffer_bytes * self.io_buffer_load_factor)
