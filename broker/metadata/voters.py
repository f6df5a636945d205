"""Voters of the metadata log (KIP-853): this node, and how Kafka's messages show them.

Source: org.apache.kafka.raft.VoterSet, ReplicaKey.
"""

from __future__ import annotations

from collections.abc import Iterable

from ...wire.json_form import uuid_text
from ...wire.log_records.control import Endpoint, KRaftVersionFeature, VotersRecordVoter
from ..config import Config
from ..config.listeners import controller_endpoint
from ..features import KRAFT_VERSION, SUPPORTED_FEATURES


def own_voter(config: Config, directory_id: bytes) -> VotersRecordVoter:
    """The node of this configuration as the log's only voter. `directory_id`: of its metadata folder, 16 bytes."""
    name, host, port = controller_endpoint(config)
    low, high = SUPPORTED_FEATURES[KRAFT_VERSION]
    return VotersRecordVoter(
        voter_id=config.get("node.id"),
        voter_directory_id=directory_id,
        endpoints=[Endpoint(name=name, host=host, port=port)],
        kraft_version_feature=KRaftVersionFeature(min_supported_version=low, max_supported_version=high),
    )


def replica_key(voter_id: int, directory_id: bytes) -> str:
    """`directory_id`: 16 bytes."""
    return f"ReplicaKey(id={voter_id}, directoryId={uuid_text(directory_id)})"


def replica_keys(voters: Iterable[VotersRecordVoter]) -> str:
    return f"[{', '.join(replica_key(voter.voter_id, voter.voter_directory_id) for voter in voters)}]"
