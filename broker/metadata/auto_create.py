"""Topics that come into being because somebody asked for them: ordinary ones with the broker's defaults, internal ones
with the partitions, factor and configs of their coordinator. Source: kafka.server.AutoTopicCreationManager."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from ...wire.messages.create_topics import CreatableTopic, CreatableTopicConfig
from .create_topics import DEFAULT
from .topic_names import GROUP_METADATA_TOPIC, SHARE_GROUP_STATE_TOPIC, TRANSACTION_STATE_TOPIC

#: Internal topic -> the broker config of its partitions, that of its replication factor, its topic configs by the
#: broker config they follow, and those that are fixed.
_INTERNAL: Final[Mapping[str, tuple[str, str, Mapping[str, str], Mapping[str, str]]]] = {
    GROUP_METADATA_TOPIC: (
        "offsets.topic.num.partitions",
        "offsets.topic.replication.factor",
        {"segment.bytes": "offsets.topic.segment.bytes"},
        {"cleanup.policy": "compact", "compression.type": "producer"},
    ),
    TRANSACTION_STATE_TOPIC: (
        "transaction.state.log.num.partitions",
        "transaction.state.log.replication.factor",
        {
            "segment.bytes": "transaction.state.log.segment.bytes",
            "min.insync.replicas": "transaction.state.log.min.isr",
        },
        {"cleanup.policy": "compact", "compression.type": "uncompressed", "unclean.leader.election.enable": "false"},
    ),
    SHARE_GROUP_STATE_TOPIC: (
        "share.coordinator.state.topic.num.partitions",
        "share.coordinator.state.topic.replication.factor",
        {
            "segment.bytes": "share.coordinator.state.topic.segment.bytes",
            "min.insync.replicas": "share.coordinator.state.topic.min.isr",
        },
        {"cleanup.policy": "delete", "compression.type": "producer", "retention.ms": "-1"},
    ),
}


def automatic_topic(name: str, config: Callable[[str], Any]) -> CreatableTopic:
    """What to ask the controller for when `name` is created without being described. `config(key)`: the broker's
    typed value."""
    internal = _INTERNAL.get(name)
    if internal is None:
        return CreatableTopic(name=name, num_partitions=DEFAULT, replication_factor=DEFAULT)
    partitions, factor, following, fixed = internal
    configs = {**fixed, **{topic_config: str(config(key)) for topic_config, key in following.items()}}
    return CreatableTopic(
        name=name,
        num_partitions=config(partitions),
        replication_factor=config(factor),
        configs=[CreatableTopicConfig(name=key, value=value) for key, value in configs.items()],
    )
