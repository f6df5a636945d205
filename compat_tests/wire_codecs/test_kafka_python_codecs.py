"""Frames that klamm encodes, read and written again by kafka-python's own protocol classes: the same bytes."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from typing import Any

import pytest

from klamm.wire.catalogue import find_message
from klamm.wire.codec import encode
from klamm.wire.frames import encode_request, encode_response

from .values import Values, without_key_clashes

kafka_protocol = pytest.importorskip("kafka.protocol")
api_message = pytest.importorskip("kafka.protocol.api_message")

ROUNDS = 6


def classes() -> dict[str, Any]:
    """kafka-python's requests and responses by Kafka's name."""
    for module in pkgutil.walk_packages(kafka_protocol.__path__, "kafka.protocol."):
        if ".old" not in module.name and "generate" not in module.name:
            importlib.import_module(module.name)

    def below(cls: Any) -> Iterator[Any]:
        for inner in cls.__subclasses__():
            yield inner
            yield from below(inner)

    return {cls.__name__: cls for cls in below(api_message.ApiMessage) if "_v" not in cls.__name__}


CLASSES = classes()


def encode_frame(message: Any, version: int) -> bytes:
    if message.KIND == "request":
        return encode_request(message, version, 77, "client")
    return encode_response(message, version, 77)


@pytest.mark.parametrize("name", sorted(CLASSES))
def test_kafka_python_reads_what_klamm_writes(name: str) -> None:
    declared, theirs = find_message(name), CLASSES[name]
    versions = [version for version in declared.all_versions() if version <= theirs.max_version]
    assert versions
    source = Values(1, unknown_tags=False)  # kafka-python reads over them, and does not write them back
    for version in versions:
        for _ in range(ROUNDS):
            made = source.struct(declared, version, version in declared.FLEXIBLE)
            without_key_clashes(made)
            if name == "ApiVersionsResponse":
                made.error_code = 0  # any error is read as an answer in version 0
            frame = encode_frame(made, version)
            found = theirs.decode(frame, version=version, header=True, framed=True)
            assert found.header.correlation_id == 77
            found._header = None  # a response's cannot be written
            assert bytes(found.encode(version=version)) == encode(made, version), f"v{version}: {made}"
