"""In which version a record of the metadata log is written: what the cluster's metadata.version allows.

A Kafka of an older release that joins, or to which the cluster goes back, would not read more. Source:
org.apache.kafka.server.common.MetadataVersion.

Left out: a level below that of a record as a whole (SCRAM, controllers' registrations); see who writes those.
"""

from __future__ import annotations

from copy import copy
from typing import Final, TypeVar

from ...wire.declare import Message
from ...wire.log_records.metadata_cluster import BrokerRegistrationChangeRecord, RegisterBrokerRecord
from ...wire.log_records.metadata_topics import PartitionChangeRecord, PartitionRecord

#: 4.3-IV0, the highest metadata.version that is stable in Kafka 4.3.1.
LATEST_LEVEL: Final = 30
#: 3.5-IV2: UserScramCredentialRecord (KIP-900).
SCRAM_FROM: Final = 11
#: 3.6-IV1: transactions of the metadata log (KIP-868).
TRANSACTIONS_FROM: Final = 13
#: 3.7-IV2: brokers have several log.dirs, and the catalogue knows which one a partition lies in (KIP-858).
DIRECTORIES_FROM: Final = 17
_ELR_FROM: Final = 23

_PARTITION_VERSIONS: Final = ((_ELR_FROM, 2), (DIRECTORIES_FROM, 1))
#: Record -> (metadata.version, version of the record from there on), the highest first. Others have one version.
_VERSIONS: Final[dict[type[Message], tuple[tuple[int, int], ...]]] = {
    PartitionRecord: _PARTITION_VERSIONS,
    PartitionChangeRecord: _PARTITION_VERSIONS,
    RegisterBrokerRecord: ((LATEST_LEVEL, 4), (DIRECTORIES_FROM, 3), (8, 2), (0, 1)),
}

T = TypeVar("T", bound=Message)


def record_version(record: Message, level: int) -> int:
    """The version in which a record is written at this metadata.version."""
    kind = type(record)
    if kind is BrokerRegistrationChangeRecord:
        return _version_of_change(record)  # type: ignore[arg-type]
    versions = _VERSIONS.get(kind)
    if versions is None:
        return kind.VERSIONS[-1]
    return next((version for since, version in versions if level >= since), 0)


def _version_of_change(record: BrokerRegistrationChangeRecord) -> int:
    """The lowest that has what it says, as in Kafka's ClusterControlManager."""
    if record.cordoned_log_dirs is not None:
        return 3
    if record.log_dirs:
        return 2
    return 1 if record.in_controlled_shutdown else 0


def as_written(record: T, level: int) -> T:
    """The record without what its version at this metadata.version does not have: what a reader will see of it."""
    version = record_version(record, level)
    if version == record.VERSIONS[-1]:
        return record
    lacking = [row for row in record.ROWS if version not in row.versions]
    if all(getattr(record, row.name) == row.default_value() for row in lacking):
        return record
    written = copy(record)
    for row in lacking:
        setattr(written, row.name, row.default_value())
    return written
