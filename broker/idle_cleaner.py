"""Compaction of logs that nobody has touched since the start: found dirty in the rounds of `idle_retention.py`, opened
one at a time for as long as it takes when the cleaner has nothing else to do, and closed again.

What opening one reads is brought into memory by a worker thread first, and it is opened in slices of the loop. A client
that asks for the partition meanwhile gets the same log, which then stays open.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import trio

from ..storage.config import LogConfig
from ..storage.pending import Pending
from ..storage.warmth import ColdRead
from ..wire.errors import KafkaError

if TYPE_CHECKING:
    from ..storage.folder import DataFolder
    from ..storage.log import Log
    from ..storage.opening import LogOpening
    from .broker import Broker

T = TypeVar("T")

log = logging.getLogger("klamm.cleaner")


def _go_on(opening: LogOpening) -> None:
    """Raises ColdRead while there is more to do."""
    if not opening.done and not opening.step():
        raise ColdRead([opening])


class IdleCleaner:
    """Belongs to the loop."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._dirty: dict[tuple[str, int], None] = {}
        #: What cannot be read now will not be later: left alone until the next start, or until somebody opens it.
        self._uncleanable: set[tuple[str, int]] = set()

    def look_at(self, folder: DataFolder, topic: str, index: int, config: LogConfig) -> None:
        """Notes a log that is not open if it seems dirty enough. Raises KafkaError(KAFKA_STORAGE_ERROR)."""
        from ..storage.idle_compaction import may_be_dirty  # what a start does not need it does not load

        if (topic, index) in self._uncleanable or not self._broker.config.get("log.cleaner.enable"):
            return
        path = folder.partition_folder(topic, index)
        try:
            if may_be_dirty(
                folder.files,
                path,
                config,
                now_ms=self._broker.now_ms(),
                log_start_offset=folder.saved_start(topic, index),
                first_dirty_offset=folder.saved_first_dirty(topic, index),
            ):
                self._dirty[topic, index] = None
        except OSError as error:
            raise folder.health.error(error, path) from error

    async def compact_next(self, compact: Callable[[Log], Awaitable[bool]]) -> bool:
        """One of the noted logs, if it is still what it was; False if there is none. `compact` has a log compacted."""
        if not self._dirty:
            return False
        key = next(iter(self._dirty))
        del self._dirty[key]
        try:
            await self._compact(key, compact)
        except KafkaError as error:
            log.warning("%s-%d: %s", *key, error)
        return True

    async def _compact(self, key: tuple[str, int], compact: Callable[[Log], Awaitable[bool]]) -> None:
        broker = self._broker
        folder = broker.logs.folder_of(*key)
        if folder is None:
            return
        await self._warmed(folder, key)
        config = self._config(key)
        if config is None or folder.is_opening(*key):
            return
        opening = folder.begin_opening(*key, config, broker.now_ms())
        if opening is None:
            return  # deleted, or opened by somebody else: the cleaner sees it
        await self._when_warm(partial(_go_on, opening))
        if not folder.has(*key):
            return
        idle = folder.open(*key, config, broker.now_ms())
        try:
            idle.high_watermark = idle.log_end_offset  # the only replica has all there is
            part = await self._when_warm(lambda: idle.cleanable(broker.now_ms()))
            if part is not None and part.is_due(config):
                await compact(idle)
                if idle.uncleanable is not None:
                    self._uncleanable.add(key)
        finally:
            self._let_go(folder, key, idle)

    def _let_go(self, folder: DataFolder, key: tuple[str, int], idle: Log) -> None:
        if folder.get(*key) is not idle or idle.failed is not None:
            return
        if self._broker.partitions.opened_at(*key) is None:
            folder.close_log(*key)
        elif (config := self._config(key)) is not None:
            idle.configure(config)  # it may have been changed before the partition was there to hear of it

    def _config(self, key: tuple[str, int]) -> LogConfig | None:
        """None if there is no such topic any more."""
        image = self._broker.catalogue.topic(key[0])
        return None if image is None else LogConfig.from_strings(self._broker.config.log_configs(image.configs))

    async def _warmed(self, folder: DataFolder, key: tuple[str, int]) -> None:
        done = trio.Event()
        self._broker.warmer.warm([folder.cold(*key, lambda: None)], done.set)
        await done.wait()

    async def _when_warm(self, attempt: Callable[[], T]) -> T:
        found = self._broker.warmer.when_warm(attempt)
        if not isinstance(found, Pending):
            return found
        done = trio.Event()
        found.add_callback(lambda _: done.set())
        await done.wait()
        return found.result()
