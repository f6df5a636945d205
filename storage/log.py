"""One partition's log: the parts (segments, indexes, epochs, producers) put together.

Synchronous and single-threaded: it belongs to the broker's loop. Only `FlushJob.run` may be called from a worker
thread. Source: org.apache.kafka.storage.internals.log.UnifiedLog, LocalLog.

Left out: compaction, file.delete.delay.ms (a removed segment's file is unlinked at once; readers with a lease read
on), tiered storage.
"""

from __future__ import annotations

from .log_append import AppendingLog
from .log_read import ReadableLog
from .log_remove import ShrinkingLog


class Log(AppendingLog, ReadableLog, ShrinkingLog):
    """See `interface.PartitionLog`. Errors are KafkaError; a failing disk raises KAFKA_STORAGE_ERROR.

    An inherited method costs no more than one of its own: the type remembers where it found it.
    """
