"""What configs of the group coordinator cannot be, alone or together.

Source: org.apache.kafka.coordinator.group.GroupCoordinatorConfig.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ...coordinator.consumer_assignors import ASSIGNORS
from ...wire.compression import Codec

if TYPE_CHECKING:
    from .config import Config

#: Each has a broker config of its own, a lowest and a highest value for groups, all under group.consumer.
_BOUNDED: Final = ("heartbeat.interval.ms", "session.timeout.ms", "assignment.interval.ms")

#: Kafka's own assignors may be named by their classes.
_PACKAGE: Final = "org.apache.kafka.coordinator.group.assignor."
_CLASSES: Final = {f"{_PACKAGE}UniformAssignor": "uniform", f"{_PACKAGE}RangeAssignor": "range"}


def assignors(config: Config) -> tuple[str, ...]:
    """The names of the assignors that are on offer, the default first. Raises ConfigError for one that is none."""
    names = tuple(_CLASSES.get(name, name) for name in config.get("group.consumer.assignors"))
    if any(name not in ASSIGNORS for name in names):
        raise config.check("group.consumer.assignors", f"klamm has {' and '.join(ASSIGNORS)}")
    return names


def refuse_consumer_groups(config: Config) -> None:
    """Raises ConfigError for what contradicts itself."""
    assignors(config)
    if config.get("offsets.topic.compression.codec") not in set(Codec):
        raise config.check("offsets.topic.compression.codec", "codecs are 0 (none) to 4 (zstd)")
    for name in _BOUNDED:
        own, low, high = f"group.consumer.{name}", f"group.consumer.min.{name}", f"group.consumer.max.{name}"
        if config.get(high) < config.get(low):
            raise config.check(high, f"{high} must be greater than or equal to {low}")
        if config.get(own) < config.get(low):
            raise config.check(own, f"{own} must be greater than or equal to {low}")
        if config.get(own) > config.get(high):
            raise config.check(own, f"{own} must be less than or equal to {high}")
    heartbeat, session = "group.consumer.heartbeat.interval.ms", "group.consumer.session.timeout.ms"
    if config.get(heartbeat) >= config.get(session):
        raise config.check(heartbeat, f"{heartbeat} must be less than {session}")
