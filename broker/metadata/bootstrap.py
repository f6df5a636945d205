"""`bootstrap.checkpoint`: the features that a folder was formatted with, for the first start of a cluster on it.

A snapshot by its form, outside of the metadata log's folder. Source: org.apache.kafka.metadata.bootstrap.
BootstrapDirectory, org.apache.kafka.metadata.storage.Formatter.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from typing import Final

from ...storage.files import Files, read_file
from ...wire.batches import RecordError
from ...wire.codec import DecodeError
from ...wire.declare import Message
from ...wire.errors import ErrorCode, KafkaError
from ...wire.log_records.control import VotersRecordVoter
from ...wire.log_records.metadata_cluster import FeatureLevelRecord
from ..features import SUPPORTED_FEATURES, feature_records
from .records import quorum_records
from .snapshots import Content, decode_snapshot, encode_snapshot

BOOTSTRAP_CHECKPOINT: Final = "bootstrap.checkpoint"

log = logging.getLogger("klamm.metadata")


def encode_bootstrap(levels: Mapping[str, int], now_ms: int) -> bytes:
    """The file for these levels of features."""
    return encode_snapshot(Content(feature_records(levels)), 0, 0, now_ms)


def encode_voters(voter: VotersRecordVoter, now_ms: int) -> bytes:
    """The metadata log's first snapshot, at offset 0, where the log names its voters (kraft.version 1)."""
    return encode_snapshot(Content((), quorum_records([voter])), 0, now_ms, now_ms)


def read_bootstrap(files: Files, folder: str) -> list[Message]:
    """The records that a new cluster on a data folder begins with; none if it was not formatted with any.

    Features that klamm does not have are left out: nothing may seem to work that does not. Raises KafkaError, as Kafka
    does, for a file that cannot be read: it may not be the cluster that was meant.
    """
    path = os.path.join(folder, BOOTSTRAP_CHECKPOINT)
    try:
        data = read_file(files, path)
        records = None if data is None else decode_snapshot(data)
    except (OSError, RecordError, DecodeError) as error:
        raise KafkaError(ErrorCode.KAFKA_STORAGE_ERROR, f"{path} cannot be read: {error}") from error
    if data is not None and records is None:
        raise KafkaError(ErrorCode.KAFKA_STORAGE_ERROR, f"{path} has no end")
    return [record for record in records or () if _is_supported(record)]


def _is_supported(record: Message) -> bool:
    if not isinstance(record, FeatureLevelRecord):
        return True
    low, high = SUPPORTED_FEATURES.get(record.name, (0, 0))
    if not low <= record.feature_level <= high:
        log.warning("the folder was formatted with %s=%d, which klamm does not have", record.name, record.feature_level)
        return False
    return True
