"""The catalogue as the coordinators of groups see it: topics, when they changed, and the configs of groups.

Source: org.apache.kafka.coordinator.common.runtime.KRaftCoordinatorMetadataImage.
"""

from __future__ import annotations

from collections.abc import Iterable

from ..coordinator.metadata_hash import topic_hash
from .metadata.image import GROUP_RESOURCE, Catalogue, Delta, TopicImage


class CatalogueView:
    """A `ClusterView` of the catalogue; `on_delta` is to be told of every change after `start`."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._hashes: dict[str, int] = {}
        self.topics_changed_at = self.topics_created_at = -1

    @property
    def version(self) -> int:
        return self._catalogue.metadata_offset

    def start(self) -> None:
        """The catalogue has been read: what changed before is not known."""
        self.topics_changed_at = self.topics_created_at = self.version

    def on_delta(self, delta: Delta) -> None:
        if delta.created_topics:
            self.topics_created_at = self.version
        changed = [topic.name for topic, _ in delta.created_partitions]
        changed += [topic.name for topic, _, _ in delta.changed_partitions]
        changed += [topic.name for topic in (*delta.created_topics, *delta.deleted_topics)]
        for name in changed:
            self._hashes.pop(name, None)
        if changed:
            self.topics_changed_at = self.version

    def topic_names(self) -> Iterable[str]:
        return self._catalogue.topics

    def topic_id(self, name: str) -> bytes | None:
        topic = self._catalogue.topic(name)
        return None if topic is None else topic.topic_id

    def topic_name(self, topic_id: bytes) -> str | None:
        topic = self._catalogue.topic_by_id(topic_id)
        return None if topic is None else topic.name

    def partition_count(self, topic_id: bytes) -> int:
        topic = self._catalogue.topic_by_id(topic_id)
        return 0 if topic is None else len(topic.partitions)

    def topic_hash(self, name: str) -> int:
        found = self._hashes.get(name)
        if found is None:
            topic = self._catalogue.topics[name]
            found = self._hashes[name] = topic_hash(name, topic.topic_id, self._racks(topic))
        return found

    def _racks(self, topic: TopicImage) -> list[list[str]]:
        """Of the replicas of each partition, without those that have none."""
        brokers = self._catalogue.brokers
        racks = {node_id: broker.rack for node_id, broker in brokers.items() if broker.rack is not None}
        return [
            sorted({racks[node_id] for node_id in topic.partitions[index].replicas if node_id in racks})
            for index in sorted(topic.partitions)
        ]

    def group_config(self, group_id: str, name: str) -> int | None:
        text = self._catalogue.configs(GROUP_RESOURCE, group_id).get(name)
        return None if text is None else int(text)
