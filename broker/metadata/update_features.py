"""The controller's part of UpdateFeatures: what is refused, and the records of what is not.

All updates of a request are made or none. A metadata.version goes down only over levels that brought no new metadata.
kraft.version is no record but a control record of its own, and goes up only. Source:
org.apache.kafka.controller.FeatureControlManager.

Left out: nothing is asked of other brokers and controllers, since there are none. Kafka looks at the updates in the
order of a hash and names the first bad one, klamm in that of the request.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from ...wire.declare import Message
from ...wire.errors import ErrorCode, KafkaError
from ...wire.log_records.metadata_cluster import FeatureLevelRecord, NoOpRecord
from ..features import KRAFT_VERSION, METADATA_VERSION, SUPPORTED_FEATURES
from .image import Catalogue
from .image_records import broker_record
from .record_versions import DIRECTORIES_FROM

#: org.apache.kafka.clients.admin.FeatureUpdate.UpgradeType
UPGRADE: Final = 1
SAFE_DOWNGRADE: Final = 2
UNSAFE_DOWNGRADE: Final = 3

#: Levels of metadata.version that brought metadata which those below do not have (MetadataVersion.didMetadataChange).
_METADATA_CHANGED: Final = frozenset({7, 8, 11, 13, 14, 15, 17, 23, 30})


class FeatureUpdate(NamedTuple):
    level: int
    upgrade_type: int


class FeatureChange(NamedTuple):
    """`raises_kraft_version`: before the records the quorum's control records are to be written."""

    records: list[Message]
    raises_kraft_version: bool


def update_features(catalogue: Catalogue, updates: Mapping[str, FeatureUpdate]) -> FeatureChange:
    """Raises KafkaError(INVALID_UPDATE_VERSION) for the first update that is refused."""
    records: list[Message] = []
    for name, update in updates.items():
        problem = _problem(catalogue, name, update)
        if problem is not None:
            raise KafkaError(
                ErrorCode.INVALID_UPDATE_VERSION,
                f"The update failed for all features since the following feature had an error: {problem}",
            )
        if name != KRAFT_VERSION:
            records.append(FeatureLevelRecord(name=name, feature_level=update.level))
        elif update.upgrade_type == UPGRADE:
            # Kafka's too: the answer waits for it, and with it for the control records before it.
            records.append(NoOpRecord())
    kraft = updates.get(KRAFT_VERSION)
    return FeatureChange(records, kraft is not None and kraft.level > _level(catalogue, KRAFT_VERSION))


def registrations(catalogue: Catalogue, level_before: int, log_dirs: Mapping[int, list[bytes]]) -> list[Message]:
    """The brokers as they are registered since metadata.version has room for their log.dirs: node id -> directory ids
    of 16 bytes. Nothing if it had before, or has not."""
    if not level_before < DIRECTORIES_FROM <= catalogue.metadata_version:
        return []
    return [
        broker_record(broker._replace(log_dirs=tuple(log_dirs[broker.id])))
        for broker in catalogue.brokers.values()
        if broker.id in log_dirs
    ]


def _level(catalogue: Catalogue, name: str) -> int:
    return catalogue.finalized_features.get(name, 0)


def _problem(catalogue: Catalogue, name: str, update: FeatureUpdate) -> str | None:
    reason = _reason(catalogue, name, update)
    if reason is not None:
        return f"Invalid update version {update.level} for feature {name}. {reason}"
    current = _level(catalogue, name)
    if name == METADATA_VERSION and not _METADATA_CHANGED.isdisjoint(range(update.level + 1, current + 1)):
        why = (
            "Unsafe metadata downgrade is not supported in this version."
            if update.upgrade_type == UNSAFE_DOWNGRADE
            else "Refusing to perform the requested downgrade because it might delete metadata information."
        )
        return f"Unsupported metadata.version downgrade from {current} to {update.level}. {why}"
    return None


def _reason(catalogue: Catalogue, name: str, update: FeatureUpdate) -> str | None:
    level, kind = update
    current = _level(catalogue, name)
    if kind not in (UPGRADE, SAFE_DOWNGRADE, UNSAFE_DOWNGRADE):
        return "The controller does not support the given upgrade type."
    if level < 0:
        return "A feature version cannot be less than 0."
    if name not in SUPPORTED_FEATURES:
        if level:
            return f"Local controller {catalogue.controller_id} does not support this feature."
        return f"Feature {name} not found."
    low, high = SUPPORTED_FEATURES[name]
    if not low <= level <= high:
        return f"Local controller {catalogue.controller_id} only supports versions {low}-{high}"
    if level < current and kind == UPGRADE:
        return (
            "Can't downgrade the version of this feature without setting the upgrade type to either safe or unsafe "
            "downgrade."
        )
    if level > current and kind != UPGRADE:
        return "Can't downgrade to a newer version."
    if name == KRAFT_VERSION and level < current:
        return "Can't downgrade the version of this feature."
    return None
