"""Producer ids for idempotent and transactional producers: handed out from blocks that the metadata log reserves.

A block's record is in the log before the first of its ids is given away, and what is left of a block is forgotten at
a stop: after a start the first id comes from a new block. So no id is issued twice, whatever was killed when.
Source: org.apache.kafka.coordinator.transaction.RPCProducerIdManager, ProducerIdControlManager.
"""

from __future__ import annotations

from collections.abc import Callable


class ProducerIds:
    """`reserve()`: reserves a block, durably, and gives its ids as a range; what it raises goes to the caller."""

    __slots__ = ("_block", "_reserve")

    def __init__(self, reserve: Callable[[], range]) -> None:
        self._reserve = reserve
        self._block = iter(range(0))

    def next_id(self) -> int:
        """An id that nobody has had."""
        for producer_id in self._block:
            return producer_id
        block = self._reserve()
        self._block = iter(block[1:])
        return block[0]
