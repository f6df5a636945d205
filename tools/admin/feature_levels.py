"""The levels of Kafka's features: their names by release, what comes with each, and what each needs.

Source: org.apache.kafka.server.common.MetadataVersion and Feature of Kafka 4.3.1, as its FeatureCommand tells them.
"""

from __future__ import annotations

from typing import Final

from .common import CommandError

METADATA: Final = "metadata.version"
_FIRST: Final = 7
#: From level 7 on. The last is not stable yet in 4.3.1.
# fmt: off
NAMES: Final = (
    "3.3-IV3", "3.4-IV0", "3.5-IV0", "3.5-IV1", "3.5-IV2", "3.6-IV0", "3.6-IV1", "3.6-IV2", "3.7-IV0", "3.7-IV1",
    "3.7-IV2", "3.7-IV3", "3.7-IV4", "3.8-IV0", "3.9-IV0", "4.0-IV0", "4.0-IV1", "4.0-IV2", "4.0-IV3", "4.1-IV0",
    "4.1-IV1", "4.2-IV0", "4.2-IV1", "4.3-IV0", "4.4-IV0",
)
# fmt: on
#: As arguments of range.
METADATA_LEVELS: Final = (_FIRST, _FIRST + len(NAMES))
LATEST: Final = "4.3-IV0"
#: Feature -> its highest level, and the metadata version from which a new cluster has that level.
FEATURES: Final = {
    "kraft.version": (1, 21),
    "transaction.version": (2, 24),
    "group.version": (1, 22),
    "eligible.leader.replicas.version": (1, 26),
    "share.version": (1, 28),
    "streams.version": (1, 29),
}
_NEEDS: Final = {("eligible.leader.replicas.version", 1): 23}


def metadata_level(release: str) -> int:
    """The metadata version of `3.9-IV0`, or of `3.9`: its last one. Raises CommandError."""
    found = [at for at, name in enumerate(NAMES) if name == release or name.partition("-")[0] == release]
    if not found:
        raise CommandError(f"Unknown metadata.version '{release}'. Supported metadata.version are: {', '.join(NAMES)}")
    return _FIRST + found[-1]


def level_name(feature: str, level: int) -> str:
    """`4.3-IV0` for a metadata version that has a name, else the number."""
    if feature == METADATA and _FIRST <= level < _FIRST + len(NAMES):
        return NAMES[level - _FIRST]
    return str(level)


def levels_of(release: str) -> dict[str, int]:
    """The level of every feature in a release. Raises CommandError."""
    metadata = metadata_level(release)
    return {METADATA: metadata, **{name: top if metadata >= since else 0 for name, (top, since) in FEATURES.items()}}


def dependency(feature: str, level: int) -> int | None:
    """The metadata version that it needs, or None. Raises CommandError for a feature or level that is not known."""
    if feature == METADATA:
        if not _FIRST <= level < _FIRST + len(NAMES):
            raise CommandError(f"Unknown metadata.version {level}")
        return None
    if feature not in FEATURES:
        raise CommandError(f"Unknown feature: {feature}")
    if not 0 <= level <= FEATURES[feature][0]:
        raise CommandError(f"No feature:{feature} with feature level {level}")
    return _NEEDS.get((feature, level))
