"""A controller's change that the metadata log does not take (its disk is full) is refused in the answer.

Nothing of it has happened, and the client may try again: KAFKA_STORAGE_ERROR, which clients retry, for every row that
would have been told of success. Kafka's controller ends its process instead.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from typing import Protocol

from ..wire.declare import Message
from ..wire.errors import ErrorCode, KafkaError
from .context import RequestContext

log = logging.getLogger("klamm.metadata")


class Row(Protocol):
    """One result of a response."""

    error_code: int
    error_message: str | None


def commit(records: Sequence[Message], context: RequestContext) -> None:
    """Append a change to the metadata log and let it take effect. Raises KafkaError, having done nothing."""
    try:
        context.broker.metadata_log.commit(records, context.now_ms)
    except KafkaError as error:
        log.warning("the metadata log takes no change: %s", error)
        raise


def commit_or_refuse(records: Sequence[Message], results: Iterable[Row], context: RequestContext) -> bool:
    """The same; where it fails the good results become errors, and False is returned."""
    try:
        commit(records, context)
    except KafkaError as error:
        for result in results:
            if result.error_code == ErrorCode.NONE:
                result.error_code, result.error_message = error.code, error.message
        return False
    return True
