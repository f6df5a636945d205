"""The topic configs that concern a log, with Kafka's names (dots as underscores) and defaults.

Source: org.apache.kafka.common.config.TopicConfig, org.apache.kafka.storage.internals.log.LogConfig of 4.3.1.

Left out: tiered storage.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any, Final

from ..wire.compression import Codec
from ..wire.errors import ErrorCode, KafkaError

MAX_INT64: Final = 0x7FFFFFFFFFFFFFFF


def _boolean(text: str) -> bool:
    return {"true": True, "false": False}[text.strip().lower()]


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _timestamp_type(text: str) -> str:
    if text not in ("CreateTime", "LogAppendTime"):
        raise ValueError(text)
    return text


#: compression.type -> the codec of what clients send, whatever they sent; "producer": as it came.
_TARGET_CODECS: Final[dict[str, Codec | None]] = {
    "producer": None,
    "uncompressed": Codec.NONE,
    **{codec.name.lower(): codec for codec in Codec if codec is not Codec.NONE},
}


def _compression_type(text: str) -> str:
    if text not in _TARGET_CODECS:
        raise ValueError(text)
    return text


#: How the text of a config becomes a field's value, by the field's annotation; those that need more by name.
_PARSERS: Final[dict[str, Callable[[str], Any]]] = {
    "int": int,
    "float": float,
    "bool": _boolean,
    "tuple[str, ...]": _names,
    "compression_type": _compression_type,
    "message_timestamp_type": _timestamp_type,
}


@dataclass(frozen=True, slots=True)
class LogConfig:
    """Sizes in bytes, times in ms; -1 in a retention means without end."""

    cleanup_policy: tuple[str, ...] = ("delete",)
    compression_gzip_level: int = -1
    compression_lz4_level: int = 9
    compression_type: str = "producer"
    compression_zstd_level: int = 3
    delete_retention_ms: int = 86_400_000
    file_delete_delay_ms: int = 60_000
    flush_messages: int = MAX_INT64
    flush_ms: int = MAX_INT64
    index_interval_bytes: int = 4096
    max_message_bytes: int = 1_048_588
    max_compaction_lag_ms: int = MAX_INT64
    message_timestamp_after_max_ms: int = 3_600_000
    message_timestamp_before_max_ms: int = MAX_INT64
    message_timestamp_type: str = "CreateTime"
    min_cleanable_dirty_ratio: float = 0.5
    min_compaction_lag_ms: int = 0
    preallocate: bool = False
    retention_bytes: int = -1
    retention_ms: int = 604_800_000
    segment_bytes: int = 1_073_741_824
    segment_index_bytes: int = 10_485_760
    segment_jitter_ms: int = 0
    segment_ms: int = 604_800_000
    #: Not Kafka's: look into every batch of every client, as Kafka always does (`klamm.validate.records`).
    klamm_validate_records: bool = False
    #: Not Kafka's, for the metadata log: a segment is on the device before the next one begins.
    klamm_flush_before_roll: bool = False

    @classmethod
    def from_strings(cls, configs: Mapping[str, str]) -> LogConfig:
        """From a topic's configs in Kafka's names; those that do not concern the log are passed over.

        Ranges are the business of whoever accepts configs. Raises KafkaError(INVALID_CONFIG) for text that is not of
        the config's type.
        """
        values: dict[str, Any] = {}
        for field in fields(cls):
            name = field.name.replace("_", ".")
            text = configs.get(name)
            if text is None:
                continue
            parse = _PARSERS.get(field.name) or _PARSERS[str(field.type)]
            try:
                values[field.name] = parse(text)
            except (ValueError, KeyError):
                raise KafkaError(ErrorCode.INVALID_CONFIG, f"Invalid value {text} for configuration {name}") from None
        return cls(**values)

    @property
    def target_codec(self) -> Codec | None:
        """What clients' batches are stored in; None: as they came."""
        return _TARGET_CODECS[self.compression_type]

    @property
    def initial_file_bytes(self) -> int:
        """Of a new segment's file (LogConfig.initFileSize)."""
        return self.segment_bytes if self.preallocate else 0

    @property
    def flushes_before_ack(self) -> bool:
        """flush.messages=1: nothing is acknowledged, or read by anybody, before it is on the device."""
        return self.flush_messages == 1

    @property
    def is_compacted(self) -> bool:
        return "compact" in self.cleanup_policy

    @property
    def is_deleted(self) -> bool:
        return "delete" in self.cleanup_policy

    @property
    def is_log_append_time(self) -> bool:
        return self.message_timestamp_type == "LogAppendTime"

    @property
    def roll_ms(self) -> int:
        """When the active segment has to end: what is in it cannot be compacted (LogConfig.maxSegmentMs)."""
        return min(self.segment_ms, self.max_compaction_lag_ms) if self.is_compacted else self.segment_ms
