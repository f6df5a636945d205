"""The partitions that this broker leads, made from the catalogue when they are first asked for.

A log is opened, and made if the catalogue has it and the disk not yet, at the first touch: creating a topic of a
thousand partitions, or starting on a folder of them, touches none.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Final

from ..storage.config import LogConfig
from ..wire.errors import ErrorCode, KafkaError
from .metadata.image import TOPIC_RESOURCE, Catalogue, Delta
from .partition import Partition

if TYPE_CHECKING:
    from ..storage.folder import DataFolder
    from ..storage.log import Log
    from .group_commit import AskFlush
    from .warmer import Warmer

logger = logging.getLogger("klamm.partitions")

#: The metadata log is no partition of a topic.
METADATA_TOPIC: Final = "__cluster_metadata"


class Traffic:
    """Records and bytes of partitions that are no more: counts of the whole broker do not go back with a topic."""

    __slots__ = ("bytes_in", "bytes_out", "records_in")

    def __init__(self) -> None:
        self.bytes_in = 0
        self.bytes_out = 0
        self.records_in = 0

    def add(self, partition: Partition) -> None:
        self.bytes_in += partition.bytes_in
        self.bytes_out += partition.bytes_out
        self.records_in += partition.records_in


class Partitions:
    """`log_configs(topic configs)`: all configs of a topic's log as text, defaults included; `clock`: epoch ms;
    `ask_flush`: see `Partition`."""

    def __init__(
        self,
        node_id: int,
        catalogue: Catalogue,
        folder: DataFolder,
        log_configs: Callable[[Mapping[str, str]], Mapping[str, str]],
        clock: Callable[[], int],
        ask_flush: AskFlush,
        warmer: Warmer,
    ) -> None:
        self._node_id = node_id
        self._catalogue = catalogue
        self._folder = folder
        self._log_configs = log_configs
        self._clock = clock
        self._ask_flush = ask_flush
        self._warmer = warmer
        self._open: dict[tuple[str, int], Partition] = {}
        self.gone = Traffic()

    def get(self, topic: str, index: int) -> Partition | None:
        """The partition, if there is one and this broker leads it. Raises KafkaError(KAFKA_STORAGE_ERROR)."""
        return self._open.get((topic, index)) or self._touch(topic, index)

    def opened(self) -> Iterator[Partition]:
        """Those that have been touched."""
        return iter(tuple(self._open.values()))

    def _touch(self, topic: str, index: int) -> Partition | None:
        image = self._catalogue.topic(topic)
        found = image.partitions.get(index) if image is not None else None
        if image is None or found is None or found.leader != self._node_id:
            return None
        log = self._open_log(topic, index, image.topic_id, image.configs)
        log.assign_leader_epoch(found.leader_epoch)
        if log.config.flushes_before_ack:
            # A process that was killed has left batches in the page cache. Whoever reads them must not lose them.
            log.flush_data()
        # The only replica has all there is.
        log.high_watermark = log.log_end_offset
        partition = Partition(topic, index, image.topic_id, found.leader_epoch, log, self._ask_flush)
        self._open[topic, index] = partition
        self._warmer.chore(partial(log.apply_retention, self._clock()))
        return partition

    def _open_log(self, topic: str, index: int, topic_id: bytes, configs: Mapping[str, str]) -> Log:
        config = LogConfig.from_strings(self._log_configs(configs))
        try:
            return self._folder.create(topic, index, topic_id, config, self._clock())
        except KafkaError as error:
            if error.code != ErrorCode.INCONSISTENT_TOPIC_ID:
                raise
        # A topic of this name was deleted and the process killed before its files were.
        logger.warning("removing the files of an earlier topic %s, partition %d", topic, index)
        self._folder.delete(topic, index)
        return self._folder.create(topic, index, topic_id, config, self._clock())

    def on_delta(self, delta: Delta) -> None:
        """The catalogue has changed: deleted topics lose their logs, changed configs and leaders take effect."""
        for topic in delta.deleted_topics:
            for index in topic.partitions:
                partition = self._open.pop((topic.name, index), None)
                if partition is not None:
                    partition.removed()
                    self.gone.add(partition)
                self._folder.delete(topic.name, index)
        for kind, name in delta.changed_configs:
            if kind == TOPIC_RESOURCE:
                self._reconfigure(name)
        for topic, _, after in delta.changed_partitions:
            partition = self._open.get((topic.name, after.index))
            if partition is not None and after.leader_epoch != partition.leader_epoch:
                partition.leader_epoch = after.leader_epoch
                partition.log.assign_leader_epoch(after.leader_epoch)

    def reconfigure(self) -> None:
        """The broker's configs have changed, and with them those that topics follow."""
        for topic in {topic for topic, _ in self._open}:
            self._reconfigure(topic)

    def _reconfigure(self, topic: str) -> None:
        image = self._catalogue.topic(topic)
        if image is None:
            return
        config = LogConfig.from_strings(self._log_configs(image.configs))
        for index in image.partitions:
            partition = self._open.get((topic, index))
            if partition is not None:
                partition.log.configure(config)
                partition.log.expiration_ms = self._folder.producer_expiration_ms
