"""Every message in every version: the compiled codecs, construct's interpreter and the JSON form agree."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from klamm.wire import codec
from klamm.wire.catalogue import all_messages
from klamm.wire.declare import Message
from klamm.wire.json_form import from_json, to_json
from klamm.wire.schema import from_container, schema, to_container

SEEDS = st.integers(0, 2**64 - 1)


def check_both_ways(made: Message, version: int) -> bytes:
    """Encode and decode by the compiled codec, the interpreter and JSON; returns the bytes."""
    data = codec.encode(made, version)
    layout = schema(type(made), version)
    assert layout.build(to_container(layout, made)) == data
    decoded = codec.decode(type(made), version, data)
    assert decoded == made
    assert from_container(layout, layout.parse(data)) == made
    text = json.dumps(to_json(made, version))
    assert from_json(type(made), json.loads(text), version) == made
    return data


@pytest.mark.parametrize("message", list(all_messages()), ids=lambda message: message.__name__)
@settings(max_examples=10, deadline=None, database=None)
@given(seed=SEEDS)
def test_every_version_of_every_message(message: type[Message], values: Callable[[int], Any], seed: int) -> None:
    source = values(seed)
    for version in message.all_versions():
        check_both_ways(source.message(message, version), version)


@pytest.mark.parametrize("message", list(all_messages()), ids=lambda message: message.__name__)
def test_the_defaults_of_every_version(message: type[Message]) -> None:
    for version in message.all_versions():
        check_both_ways(message(), version)
