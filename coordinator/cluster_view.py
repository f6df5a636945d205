"""What a shard may know of the cluster around it: topics and the configs of groups.

The broker gives its catalogue's view; tests give their own. Source: CoordinatorMetadataImage, GroupConfigManager.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Protocol


class ClusterView(Protocol):
    """Topics as the metadata log has them now. Versions are offsets of that log.

    `version`: of the last record; `topics_changed_at`: when a topic last came, went or changed; `topics_created_at`:
    when one last came. Both are `version` at the start: nobody knows what was missed.
    """

    @property
    def version(self) -> int: ...

    @property
    def topics_changed_at(self) -> int: ...

    @property
    def topics_created_at(self) -> int: ...

    def topic_names(self) -> Iterable[str]: ...

    def topic_id(self, name: str) -> bytes | None:
        """16 bytes; None if there is no such topic."""

    def topic_name(self, topic_id: bytes) -> str | None: ...

    def partition_count(self, topic_id: bytes) -> int:
        """0 for a topic that is not there."""

    def topic_hash(self, name: str) -> int:
        """`metadata_hash.topic_hash` of an existing topic."""

    def group_config(self, group_id: str, name: str) -> int | None:
        """A config set for the group, such as "consumer.session.timeout.ms"; None if it is not."""


class NoCluster:
    """A cluster without topics."""

    version = topics_changed_at = topics_created_at = 0

    def topic_names(self) -> Iterable[str]:
        return ()

    def topic_id(self, name: str) -> bytes | None:
        return None

    def topic_name(self, topic_id: bytes) -> str | None:
        return None

    def partition_count(self, topic_id: bytes) -> int:
        return 0

    def topic_hash(self, name: str) -> int:
        return 0

    def group_config(self, group_id: str, name: str) -> int | None:
        return None


NO_CLUSTER: Final[ClusterView] = NoCluster()
