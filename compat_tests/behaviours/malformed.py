"""The malformed requests: what they are called and which bytes they have.

Each is one thing wrong with an otherwise valid request, so that its outcome tells about that thing. What a real Kafka
makes of them stands in tests/data/malformed_requests.jsonl, written by record.py. They speak of the topics that
`prepare` makes.
"""

from __future__ import annotations

from klamm.wire.errors import ErrorCode
from klamm.wire.messages.create_topics import (
    CreatableTopic,
    CreateTopicsRequest,
)
from tests.broker.outcomes import Case
from tests.broker.raw_client import (
    ask,
    wait_for_coordinators,
    wait_for_leaders,
)

from . import malformed_groups, malformed_logs, malformed_produce, malformed_protocol, malformed_topics
from .build import DOTTED, TAKEN, TOPIC, UNREAD


def prepare(address: str) -> None:
    """Makes the topics that the table speaks of, where they are not there yet, and waits until all of it is ready."""
    topics = [
        CreatableTopic(name=name, num_partitions=1, replication_factor=1) for name in (TOPIC, TAKEN, UNREAD, DOTTED)
    ]
    for answer in ask(address, CreateTopicsRequest(topics=topics, timeout_ms=10_000), 7).topics:
        assert answer.error_code in (ErrorCode.NONE, ErrorCode.TOPIC_ALREADY_EXISTS), answer
    for topic in (TOPIC, TAKEN, UNREAD):
        wait_for_leaders(address, topic)
    wait_for_coordinators(address)


def cases() -> list[Case]:
    """All of them, in the order of the file. Names are distinct."""
    found = [
        *malformed_protocol.frames(),
        *malformed_protocol.headers(),
        *malformed_protocol.versions(),
        *malformed_protocol.api_versions(),
        *malformed_protocol.bodies(),
        *malformed_produce.produce(),
        *malformed_produce.batches(),
        *malformed_logs.fetch(),
        *malformed_logs.list_offsets(),
        *malformed_logs.metadata(),
        *malformed_groups.groups(),
        *malformed_groups.offsets(),
        *malformed_topics.topics(),
        *malformed_topics.others(),
    ]
    names = [case.name for case in found]
    assert len(set(names)) == len(names), "two cases have one name"
    return found
