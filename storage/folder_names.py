"""What the folders in one of log.dirs are called. Source: UnifiedLog.logDirName, LocalLog."""

from __future__ import annotations

import re
from typing import Final

DELETE_SUFFIX: Final = "-delete"
FUTURE_SUFFIX: Final = "-future"
#: `topic-partition`; a topic's own name may hold dashes and digits.
PARTITION_FOLDER: Final = re.compile(r"(.+)-(\d+)")
#: `topic-partition.<uuid>-future`: a log on its way here from another folder.
FUTURE_FOLDER: Final = re.compile(rf"(.+)-(\d+)\.[0-9a-f]{{32}}{FUTURE_SUFFIX}")


def unique_name(topic: str, partition: int, uuid: bytes, suffix: str) -> str:
    """`topic-partition.<uuid><suffix>`, at most 255 bytes, as Kafka cuts it."""
    end = f".{uuid.hex()}{suffix}"
    return f"{topic}-{partition}"[: 255 - len(end)] + end
