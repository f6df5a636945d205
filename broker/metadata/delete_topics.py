"""The controller's part of DeleteTopics: what is refused, and the records of what is not.

Kafka shuffles the results; here names given once come in their order, behind what the request has wrong.
Source: kafka.server.ControllerApis.deleteTopics, ReplicationControlManager.deleteTopics.

Left out: authorization, controller mutation quotas.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

from ...wire.declare import ZERO_UUID, Message
from ...wire.errors import ErrorCode
from ...wire.log_records.metadata_topics import RemoveTopicRecord
from ...wire.messages.delete_topics import DeletableTopicResult, DeleteTopicState
from .image import Catalogue

NOT_FOUND_BY_NAME: Final = "This server does not host this topic-partition."
NOT_FOUND_BY_ID: Final = "This server does not host this topic ID."


def delete_topics(
    catalogue: Catalogue, requested: Sequence[DeleteTopicState]
) -> tuple[list[Message], list[DeletableTopicResult]]:
    """The records that delete what can be deleted, and the results. Each topic is named by its name or its id."""
    results: list[DeletableTopicResult] = []

    def answer(name: str | None, topic_id: bytes, code: ErrorCode, message: str | None) -> None:
        results.append(DeletableTopicResult(name=name, topic_id=topic_id, error_code=code, error_message=message))

    names: Counter[str] = Counter()
    ids: Counter[bytes] = Counter()
    for state in requested:
        if state.name is None and state.topic_id == ZERO_UUID:
            answer(None, ZERO_UUID, ErrorCode.INVALID_REQUEST, "Neither topic name nor id were specified.")
        elif state.name is None:
            ids[state.topic_id] += 1
        elif state.topic_id == ZERO_UUID:
            names[state.name] += 1
        else:
            message = "You may not specify both topic name and topic id."
            answer(state.name, state.topic_id, ErrorCode.INVALID_REQUEST, message)
    for name in (name for name, count in names.items() if count > 1):
        answer(name, ZERO_UUID, ErrorCode.INVALID_REQUEST, "Duplicate topic name.")
    for topic_id in (topic_id for topic_id, count in ids.items() if count > 1):
        answer(None, topic_id, ErrorCode.INVALID_REQUEST, "Duplicate topic id.")

    doomed: dict[bytes, str] = {}
    for topic_id in (topic_id for topic_id, count in ids.items() if count == 1):
        topic = catalogue.topic_by_id(topic_id)
        if topic is None:
            answer(None, topic_id, ErrorCode.UNKNOWN_TOPIC_ID, NOT_FOUND_BY_ID)
        else:
            doomed[topic_id] = topic.name
    for name in (name for name, count in names.items() if count == 1):
        topic = catalogue.topic(name)
        if topic is None:
            answer(name, ZERO_UUID, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, NOT_FOUND_BY_NAME)
        elif topic.topic_id in ids:
            doomed.pop(topic.topic_id, None)
            message = "The provided topic name maps to an ID that was already supplied."
            answer(name, topic.topic_id, ErrorCode.INVALID_REQUEST, message)
        else:
            doomed[topic.topic_id] = name
    records: list[Message] = []
    for topic_id, name in doomed.items():
        records.append(RemoveTopicRecord(topic_id=topic_id))
        answer(name, topic_id, ErrorCode.NONE, None)
    return records, results
