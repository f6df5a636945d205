"""One partition's log: the parts (segments, indexes, epochs, producers) put together.

Synchronous and single-threaded: it belongs to the broker's loop. Only `FlushJob.run` and `CompactionJob.run` may be
called from a worker thread. Source: org.apache.kafka.storage.internals.log.UnifiedLog, LocalLog.

Left out: tiered storage.
"""

from __future__ import annotations

from .log_append import AppendingLog
from .log_compact import CompactingLog
from .log_read import ReadableLog
from .log_remove import ShrinkingLog


class Log(AppendingLog, ReadableLog, ShrinkingLog, CompactingLog):
    """See `interface.PartitionLog`. Errors are KafkaError; a failing disk raises KAFKA_STORAGE_ERROR.

    An inherited method costs no more than one of its own: the type remembers where it found it.
    """
