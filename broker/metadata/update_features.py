"""The controller's part of UpdateFeatures: what is refused, and the records of what is not.

All updates of a request are made or none. Source: org.apache.kafka.controller.FeatureControlManager.

Left out: metadata.version and kraft.version stay as they are (klamm writes its log in one form, and its controller is
no quorum): lowering the first and raising the second is refused. Features that depend on others.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from ...wire.declare import Message
from ...wire.errors import ErrorCode, KafkaError
from ...wire.log_records.metadata_cluster import FeatureLevelRecord
from ..features import SUPPORTED_FEATURES
from .image import Catalogue

#: org.apache.kafka.clients.admin.FeatureUpdate.UpgradeType
UPGRADE: Final = 1
SAFE_DOWNGRADE: Final = 2
UNSAFE_DOWNGRADE: Final = 3

#: Supported in several versions on the wire, and written in one.
_FIXED: Final = frozenset({"metadata.version", "kraft.version"})


class FeatureUpdate(NamedTuple):
    level: int
    upgrade_type: int


def update_features(catalogue: Catalogue, updates: Mapping[str, FeatureUpdate]) -> list[Message]:
    """Raises KafkaError(INVALID_UPDATE_VERSION) for the first update that is refused."""
    records: list[Message] = []
    for name, update in updates.items():
        problem = _problem(catalogue, name, update)
        if problem is not None:
            raise KafkaError(
                ErrorCode.INVALID_UPDATE_VERSION,
                "The update failed for all features since the following feature had an error: "
                f"Invalid update version {update.level} for feature {name}. {problem}",
            )
        if update.level != catalogue.finalized_features.get(name, 0):
            records.append(FeatureLevelRecord(name=name, feature_level=update.level))
    return records


def _problem(catalogue: Catalogue, name: str, update: FeatureUpdate) -> str | None:
    level, kind = update
    current = catalogue.finalized_features.get(name, 0)
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
    if name in _FIXED and level != current:
        return "klamm does not change the version of this feature."
    return None
