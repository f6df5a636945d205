"""Feature levels (KIP-584) that this broker supports: name -> (lowest, highest level).

They tell clients which protocols the cluster runs, so a level is named here only when klamm honours what it promises.
Kafka 4.3.1 supports metadata.version 7-30, kraft.version 0-1, transaction.version 0-2, group.version 0-1,
eligible.leader.replicas.version 0-1, share.version 0-1, streams.version 0-1.

Left out until their capability is there: share.version, streams.version,
eligible.leader.replicas.version.
"""

from __future__ import annotations

from typing import Final

SUPPORTED_FEATURES: Final[dict[str, tuple[int, int]]] = {
    "group.version": (0, 1),
    "kraft.version": (0, 1),
    "metadata.version": (7, 30),
    "transaction.version": (0, 2),
}

#: The levels that a new cluster finalizes: 4.3-IV0, the group protocol of KIP-848, and transactions v2 (KIP-890). A
#: cluster that an earlier klamm made without one of them gets it when it is opened.
FINALIZED_AT_FIRST: Final[dict[str, int]] = {"metadata.version": 30, "group.version": 1, "transaction.version": 2}
