"""A shard of consumer groups on the bench: topics that come and go, and the live shard held to the one from the log."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from klamm.coordinator.consumer_group import ConsumerGroup
from klamm.coordinator.metadata_hash import topic_hash
from klamm.coordinator.settings import GroupSettings
from klamm.coordinator.shard import Shard

from .bench import Bench


def id_of(topic: str, life: int = 0) -> bytes:
    """Every topic has an id, made from its name and from how often a topic of that name had been deleted before it: one
    that is created again is another topic (KIP-516). So no id ever has fewer partitions than before, and the assignors
    count on that, as Kafka's do."""
    return uuid.uuid5(uuid.NAMESPACE_DNS, f"{topic} {life}" if life else topic).bytes


class Topics:
    """A `ClusterView`: topic name -> how many partitions; `configs`: group id -> config -> value."""

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}
        self.configs: dict[str, dict[str, int]] = {}
        self._deleted: Counter[str] = Counter()
        self.version = self.topics_changed_at = self.topics_created_at = 0

    def put(self, name: str, partitions: int) -> None:
        assert partitions >= self.counts.get(name, 0), "partitions are only ever added"
        self.version += 1
        self.topics_changed_at = self.version
        if name not in self.counts:
            self.topics_created_at = self.version
        self.counts[name] = partitions

    def delete(self, name: str) -> None:
        self.version += 1
        self.topics_changed_at = self.version
        del self.counts[name]
        self._deleted[name] += 1

    def ids_of(self, name: str) -> set[bytes]:
        """Of all topics that have had this name."""
        return {id_of(name, life) for life in range(self._deleted[name] + 1)}

    def topic_names(self) -> Iterable[str]:
        return self.counts

    def topic_id(self, name: str) -> bytes | None:
        return id_of(name, self._deleted[name]) if name in self.counts else None

    def topic_name(self, topic_id: bytes) -> str | None:
        return next((name for name in self.counts if self.topic_id(name) == topic_id), None)

    def partition_count(self, topic_id: bytes) -> int:
        return self.counts.get(self.topic_name(topic_id) or "", 0)

    def topic_hash(self, name: str) -> int:
        return topic_hash(name, id_of(name, self._deleted[name]), [[]] * self.counts[name])

    def group_config(self, group_id: str, name: str) -> int | None:
        return self.configs.get(group_id, {}).get(name)


def durable_consumer(group: ConsumerGroup) -> dict[str, Any]:
    """What the log keeps of a consumer group, and what follows from it."""
    soft = ("refreshed_at", "refreshed_epoch")
    return {name: getattr(group, name) for name in ConsumerGroup.__slots__ if name not in soft} | {"state": group.state}


class ConsumerBench(Bench):
    def __init__(self, settings: GroupSettings | None = None) -> None:
        self.topics = Topics()
        super().__init__(settings)

    def new_shard(self) -> Shard:
        return Shard(self.settings, lambda: str(next(self._uuids)), self.topics)

    def consumer_groups(self) -> Iterator[ConsumerGroup]:
        return (group for group in self.shard.groups.values() if isinstance(group, ConsumerGroup))

    def check_rebuilt(self) -> None:
        """From the log comes every consumer group as it is. Classic ones have a test of their own."""
        fresh = self.rebuilt()
        rebuilt = {group_id for group_id, group in fresh.groups.items() if isinstance(group, ConsumerGroup)}
        assert rebuilt - self.unwritten == {group.group_id for group in self.consumer_groups()} - self.unwritten
        for group in self.consumer_groups():
            again = fresh.groups[group.group_id]
            assert isinstance(again, ConsumerGroup)
            assert durable_consumer(again) == durable_consumer(group)
