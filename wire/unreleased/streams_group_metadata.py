"""StreamsGroupMetadataValue in 4.4-dev: the group record with the epochs of stored and failed topology descriptions."""

from __future__ import annotations

from ..declare import Message, Struct, array, int32, int64, string


class LastAssignmentConfig(Struct):
    key: str = string("0+")
    value: str = string("0+")


class StreamsGroupMetadataValue(Message, kind="coordinator-value", api_key=17, versions="0", flexible="0+"):
    epoch: int = int32("0+")
    metadata_hash: int = int64("0+")
    validated_topology_epoch: int = int32("0+", tag=0, default=-1)
    last_assignment_configs: list[LastAssignmentConfig] | None = array(
        LastAssignmentConfig, "0+", nullable="0+", tag=1, default_factory=list
    )
    stored_description_topology_epoch: int = int32("0+", tag=2, default=-1)
    failed_description_topology_epoch: int = int32("0+", tag=3, default=-1)
