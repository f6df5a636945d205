"""Kafka 4.4's messages: found only by who asks, and the older versions of a message unchanged in them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from klamm.wire.catalogue import all_messages, find_message, unreleased_messages
from klamm.wire.codec import EncodeError, decode, encode
from klamm.wire.declare import Message
from klamm.wire.schema import from_container, schema, to_container
from klamm.wire.unreleased.streams_group_heartbeat import StreamsGroupHeartbeatResponse
from klamm.wire.unreleased.txn_offset_commit import TxnOffsetCommitRequest, TxnOffsetCommitRequestTopic


def test_they_are_found_only_by_who_asks() -> None:
    names = [message.__name__ for message in unreleased_messages()]
    assert len(names) == len(set(names)) == 18
    released = {message.__name__: message for message in all_messages()}
    for message in unreleased_messages():
        assert find_message(message.__name__, unreleased=True) is message
        if message.__name__ in released:
            assert find_message(message.__name__) is released[message.__name__]
        else:
            with pytest.raises(KeyError):
                find_message(message.__name__)
    assert find_message("ProduceRequest", unreleased=True) is find_message("ProduceRequest")


@pytest.mark.parametrize("message", list(unreleased_messages()), ids=lambda message: message.__name__)
def test_every_version_round_trips(message: type[Message], values: Callable[[int], Any]) -> None:
    for seed in range(10):
        for version in message.all_versions():
            made = values(seed).message(message, version)
            data = encode(made, version)
            layout = schema(message, version)
            assert layout.build(to_container(layout, made)) == data
            assert decode(message, version, data) == made
            assert from_container(layout, layout.parse(data)) == made


def test_golden_vectors_of_older_versions_still_pass(golden: list[Any]) -> None:
    changed = {message.__name__: message for message in unreleased_messages()}
    passed = 0
    for vector in golden:
        if vector.message in changed:
            found = decode(changed[vector.message], vector.version, vector.data)
            assert encode(found, vector.version) == vector.data, vector
            passed += 1
    assert passed > 50


def test_the_bytes_of_new_versions() -> None:
    topic = TxnOffsetCommitRequestTopic(topic_id=bytes(range(16)))
    request = TxnOffsetCommitRequest(transactional_id="t", group_id="g", member_id="m", topics=[topic])
    expected = "0274 0267 0000000000000000 0000 ffffffff 026d 00 02 000102030405060708090a0b0c0d0e0f 01 00 00"
    assert encode(request, 6) == bytes.fromhex(expected.replace(" ", ""))
    lag = StreamsGroupHeartbeatResponse(acceptable_recovery_lag=2**40)
    assert decode(StreamsGroupHeartbeatResponse, 1, encode(lag, 1)).acceptable_recovery_lag == 2**40
    with pytest.raises(EncodeError):
        encode(StreamsGroupHeartbeatResponse(topology_description_required=True), 0)
