"""Retention of logs that nobody has touched since the start: a few of them are looked at, again and again; those that
seem dirty are told to `idle_cleaner.py`.

A log that has nothing to remove is not opened; one that has is closed again, so that a broker of thousands of idle logs
holds no more files and memory than without them. Kafka opens all logs at its start.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from ..storage.config import LogConfig
from ..wire.errors import KafkaError
from .warmer import waiting

if TYPE_CHECKING:
    from .broker import Broker

log = logging.getLogger("klamm.retention")

#: Looked at in one go, and the time until the next ones.
LOGS_A_VISIT: Final = 10
PAUSE_MS: Final = 100


class IdleRetention:
    """`begin` is called each log.retention.check.interval.ms."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._left: list[tuple[str, int]] = []

    def begin(self) -> None:
        """A round over all logs, unless one is under way."""
        if not self._left:
            self._left = self._broker.logs.partitions()
            self._visit()

    def _visit(self) -> None:
        broker = self._broker
        some, self._left = self._left[:LOGS_A_VISIT], self._left[LOGS_A_VISIT:]
        for topic, index in some:
            try:
                self._look_at(topic, index)
            except KafkaError as error:
                log.warning("%s-%d: %s", topic, index, error)
        if self._left:
            broker.timers.call_at(broker.now_ms() + PAUSE_MS, self._visit)

    def _look_at(self, topic: str, index: int) -> None:
        from ..storage.idle_retention import retain_unopened  # what a start does not need it does not load

        broker = self._broker
        image = broker.catalogue.topic(topic)
        folder = broker.logs.folder_of(topic, index)
        if image is None or folder is None or broker.partitions.opened_at(topic, index) is not None:
            return
        config = LogConfig.from_strings(broker.config.log_configs(image.configs))
        removed = waiting(broker.logs.cache, lambda: retain_unopened(folder, topic, index, config, broker.now_ms()))
        if removed:
            log.info("%s-%d, which nobody uses: %d segments were too old or too many", topic, index, removed)
        broker.idle_cleaner.look_at(folder, topic, index, config)
