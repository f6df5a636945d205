"""Feature levels (KIP-584) that this broker supports: name -> (lowest, highest level).

They tell clients which protocols the cluster runs, so a level is named here only when klamm honours what it promises.
Kafka 4.3.1 supports metadata.version 7-30, kraft.version 0-1, transaction.version 0-2, group.version 0-1,
eligible.leader.replicas.version 0-1, share.version 0-1, streams.version 0-1.

Left out until their capability is there: share.version, streams.version, eligible.leader.replicas.version. Kafka's
`kafka-features.sh upgrade --release-version` asks for all of them at once, and so fails here; see docs/omissions.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from ..wire.declare import Message
from ..wire.log_records.metadata_cluster import FeatureLevelRecord

METADATA_VERSION: Final = "metadata.version"
KRAFT_VERSION: Final = "kraft.version"

SUPPORTED_FEATURES: Final[dict[str, tuple[int, int]]] = {
    "group.version": (0, 1),
    KRAFT_VERSION: (0, 1),
    METADATA_VERSION: (7, 30),
    "transaction.version": (0, 2),
}

#: The levels of a new cluster that was not formatted with others: 4.3-IV0, the group protocol of KIP-848, and
#: transactions v2 (KIP-890).
FINALIZED_AT_FIRST: Final[dict[str, int]] = {METADATA_VERSION: 30, "group.version": 1, "transaction.version": 2}


def feature_records(levels: Mapping[str, int]) -> list[Message]:
    """Feature -> level as records of the metadata log, without those that are 0 and kraft.version, which is no record
    but a control record. metadata.version is the first, as in Kafka: it says how to read the rest."""
    return [
        FeatureLevelRecord(name=name, feature_level=level)
        for name, level in sorted(levels.items(), key=lambda row: (row[0] != METADATA_VERSION, row))
        if level and name != KRAFT_VERSION
    ]
