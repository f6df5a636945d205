"""The partitions that this broker leads, made from the catalogue when they are first asked for.

A log is opened, and made if the catalogue has it and the disk not yet, at the first touch: creating a topic of a
thousand partitions, or starting on a folder of them, touches none.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from ..storage.config import LogConfig
from ..storage.pending import Pending
from ..storage.warmth import ColdRead, Missing
from ..wire.batches import MAX_INT32
from ..wire.errors import ErrorCode, KafkaError
from .metadata.image import TOPIC_RESOURCE, Catalogue, Delta, PartitionImage, TopicImage, is_online
from .metadata.record_versions import DIRECTORIES_FROM
from .metadata.topic_names import CLUSTER_METADATA_TOPIC
from .partition import Partition

if TYPE_CHECKING:
    from ..storage.folder import DataFolder
    from ..storage.log import Log
    from ..storage.log_manager import LogManager
    from ..storage.opening import LogOpening
    from .group_commit import AskFlush
    from .warmer import Warmer

logger = logging.getLogger("klamm.partitions")

T = TypeVar("T")


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
        logs: LogManager,
        log_configs: Callable[[Mapping[str, str]], Mapping[str, str]],
        clock: Callable[[], int],
        ask_flush: AskFlush,
        warmer: Warmer,
    ) -> None:
        self._node_id = node_id
        self._catalogue = catalogue
        self._logs = logs
        self._log_configs = log_configs
        self._clock = clock
        self._ask_flush = ask_flush
        self._warmer = warmer
        #: Has the catalogue say which folder a partition's log lies in (16 bytes). Raises KafkaError.
        self.assign: Callable[[TopicImage, PartitionImage, bytes], None] = lambda topic, partition, directory_id: None
        #: Has the catalogue open this leader epoch of a partition. Raises KafkaError.
        self.raise_epoch: Callable[[TopicImage, PartitionImage, int], None] = lambda topic, partition, epoch: None
        self._open: dict[tuple[str, int], Partition] = {}
        #: Those with a log from before this start that nobody has asked for: opening one may wait for a device.
        self.unopened = {key for key in logs.partitions() if key[0] != CLUSTER_METADATA_TOPIC}
        #: Those of them that a thread has read.
        self._in_memory: set[tuple[str, int]] = set()
        self.gone = Traffic()

    def get(self, topic: str, index: int) -> Partition | None:
        """The partition, if there is one and this broker leads it. Raises KafkaError(KAFKA_STORAGE_ERROR)."""
        return self._open.get((topic, index)) or self._touch(topic, index)

    def opened_at(self, topic: str, index: int) -> Partition | None:
        """The partition if it has been touched."""
        return self._open.get((topic, index))

    def find(self, topic: str, index: int) -> Partition | None:
        """As `get`, for who can come again: raises ColdRead while a log has to be read or opened first."""
        if self.unopened:
            self.warm_up(((topic, index),))
        return self.get(topic, index)

    def warm_up(self, keys: Iterable[tuple[str, int]]) -> None:
        """Raises ColdRead for those of them whose logs nobody has asked for yet: a thread reads each, then it is opened
        in slices."""
        cold: list[Missing] = []
        for key in self.unopened.intersection(keys):
            folder = self._logs.folder_of(*key)
            if folder is not None and key not in self._in_memory:
                cold.append(folder.cold(*key, partial(self._in_memory.add, key)))
                continue
            opening = None if folder is None else self._begin_opening(folder, *key)
            if opening is None or opening.done or opening.step():
                self.unopened.discard(key)
                self._in_memory.discard(key)
            else:
                cold.append(opening)
        if cold:
            raise ColdRead(cold)

    def _begin_opening(self, folder: DataFolder, topic: str, index: int) -> LogOpening | None:
        """None where opening it is not what comes next, which `get` finds out."""
        image = self._catalogue.topic(topic)
        if image is None or index not in image.partitions or image.partitions[index].leader != self._node_id:
            return None
        try:
            if folder.topic_id(topic, index) != image.topic_id:
                return None
            config = LogConfig.from_strings(self._log_configs(image.configs))
            return folder.begin_opening(topic, index, config, self._clock())
        except KafkaError:
            return None

    def when_open(self, keys: Collection[tuple[str, int]], answer: Callable[[], T]) -> T | Pending[T]:
        """What `answer` returns, called once, when `warm_up` has no more to say of those partitions."""
        if self.unopened.isdisjoint(keys):
            return answer()

        def attempt() -> T:
            self.warm_up(keys)
            return answer()

        return self._warmer.when_warm(attempt)

    def opened(self) -> Iterator[Partition]:
        """Those that have been touched."""
        return iter(tuple(self._open.values()))

    def _touch(self, topic: str, index: int) -> Partition | None:
        self.unopened.discard((topic, index))
        image = self._catalogue.topic(topic)
        found = image.partitions.get(index) if image is not None else None
        if image is None or found is None or self._node_id not in found.replicas:
            return None
        if self._logs.folder_of(topic, index) is None and not self._may_create(found):
            raise KafkaError(ErrorCode.KAFKA_STORAGE_ERROR, f"Partition {topic}-{index} is offline")
        if found.leader != self._node_id:
            return None
        log = self._open_log(topic, index, image.topic_id, image.configs)
        self._tell_folder(image, found)
        self._tell_epoch(image, image.partitions[index], log)
        found = image.partitions[index]
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

    def _may_create(self, partition: PartitionImage) -> bool:
        """Whether there is no log of the partition yet: else it lies in a folder that is not there.

        Below metadata.version 17 the catalogue does not say which one: it may be any that is missing.
        """
        if self._catalogue.metadata_version < DIRECTORIES_FROM and len(self._logs.online) < len(self._logs.paths):
            return False
        return is_online(partition, self._node_id, self._logs.directory_ids)

    def _tell_folder(self, topic: TopicImage, partition: PartitionImage) -> None:
        """The catalogue knows which folder the log lies in before there is anything in it."""
        folder = self._logs.folder_of(topic.name, partition.index)
        assigned = partition.directories[partition.replicas.index(self._node_id)]
        if folder is not None and folder.directory_id != assigned:
            self.assign(topic, partition, folder.directory_id)

    def _tell_epoch(self, topic: TopicImage, partition: PartitionImage, log: Log) -> None:
        """A log that was carried here may have been led in higher epochs than the catalogue's: its next one is above
        them all. Kafka goes on with a lower one and forgets the others, so that consumers who have read them are told
        OFFSET_OUT_OF_RANGE, and begin anew where auto.offset.reset sends them."""
        latest = log.leader_epochs.latest
        if latest > partition.leader_epoch:
            epoch = min(latest + 1, MAX_INT32)
            logger.info("%s-%d was led in epoch %d: it goes on in %d", topic.name, partition.index, latest, epoch)
            self.raise_epoch(topic, partition, epoch)

    def _open_log(self, topic: str, index: int, topic_id: bytes, configs: Mapping[str, str]) -> Log:
        config = LogConfig.from_strings(self._log_configs(configs))
        try:
            return self._logs.create(topic, index, topic_id, config, self._clock())
        except KafkaError as error:
            if error.code != ErrorCode.INCONSISTENT_TOPIC_ID:
                raise
        # A topic of this name was deleted and the process killed before its files were.
        logger.warning("removing the files of an earlier topic %s, partition %d", topic, index)
        self._logs.delete(topic, index)
        return self._logs.create(topic, index, topic_id, config, self._clock())

    def on_delta(self, delta: Delta) -> None:
        """The catalogue has changed: deleted topics lose their logs, changed configs and leaders take effect."""
        for topic in delta.deleted_topics:
            for index in topic.partitions:
                partition = self._open.pop((topic.name, index), None)
                if partition is not None:
                    partition.removed()
                    self.gone.add(partition)
                self._delete_log(topic.name, index)
        for kind, name in delta.changed_configs:
            if kind == TOPIC_RESOURCE:
                self._reconfigure(name)
        for topic, _, after in delta.changed_partitions:
            partition = self._open.get((topic.name, after.index))
            if partition is not None and after.leader != self._node_id:
                del self._open[topic.name, after.index]
                self.gone.add(partition)
                partition.removed()
            elif partition is not None and after.leader_epoch != partition.leader_epoch:
                partition.leader_epoch = after.leader_epoch
                partition.log.assign_leader_epoch(after.leader_epoch)

    def _delete_log(self, topic: str, index: int) -> None:
        try:
            self._logs.delete(topic, index)
        except KafkaError as error:
            logger.warning("%s-%d: %s", topic, index, error)

    def folder_failed(self, folder: DataFolder) -> None:
        """The partitions in one of log.dirs are out of reach: who waits for them is told."""
        for key in folder.partitions():
            partition = self._open.pop(key, None)
            if partition is not None:
                self.gone.add(partition)
                partition.removed(ErrorCode.KAFKA_STORAGE_ERROR)

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
                partition.log.expiration_ms = self._logs.producer_expiration_ms
