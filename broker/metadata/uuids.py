"""Uuids as the controller draws them: 16 bytes. Source: org.apache.kafka.common.Uuid, DirectoryId."""

from __future__ import annotations

from typing import Final
from uuid import uuid4

from ...wire.json_form import uuid_text

#: Ids below this number have a meaning of their own.
_RESERVED: Final = 100
#: The replica's directory is not known: its broker has several (KIP-858).
UNASSIGNED_DIRECTORY: Final = bytes(15) + b"\1"
#: No folder was named: of those, and of MIGRATING, which stands in records that are older than log dirs with ids.
NO_DIRECTORY: Final = frozenset({UNASSIGNED_DIRECTORY, bytes(16)})


def random_uuid() -> bytes:
    """A random uuid (RFC 4122, version 4) whose text does not begin with a dash, which tools take for an option."""
    while True:
        uuid = uuid4().bytes
        if int.from_bytes(uuid, "big") >= _RESERVED and not uuid_text(uuid).startswith("-"):
            return uuid
