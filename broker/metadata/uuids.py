"""Kafka's uuids: 16 bytes, written as 22 characters of url-safe base64. Source: org.apache.kafka.common.Uuid."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Final
from uuid import uuid4

#: Ids below this number have a meaning of their own (org.apache.kafka.common.DirectoryId and Uuid).
_RESERVED: Final = 100
#: The replica's directory is not known: its broker has several (KIP-858).
UNASSIGNED_DIRECTORY: Final = bytes(16)


def uuid_text(uuid: bytes) -> str:
    """Such as `5L6g3nShT-eMCtK--X86sw`."""
    return urlsafe_b64encode(uuid)[:22].decode()


def uuid_bytes(text: str) -> bytes:
    """The 16 bytes of Kafka's text form. Raises ValueError."""
    uuid = urlsafe_b64decode(f"{text}==")
    if len(uuid) != 16:
        raise ValueError(f"{text!r} is not a uuid of 22 characters")
    return uuid


def random_uuid() -> bytes:
    """A random uuid (RFC 4122, version 4) whose text does not begin with a dash, which tools take for an option."""
    while True:
        uuid = uuid4().bytes
        if int.from_bytes(uuid, "big") >= _RESERVED and not uuid_text(uuid).startswith("-"):
            return uuid
