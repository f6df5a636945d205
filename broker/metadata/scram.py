"""SCRAM credentials (KIP-554) as the metadata log's records add up. Source: org.apache.kafka.image.ScramImage."""

from __future__ import annotations

from typing import NamedTuple

from ...wire.log_records.metadata_security import RemoveUserScramCredentialRecord, UserScramCredentialRecord


class ScramCredential(NamedTuple):
    """What a server needs to check a password (RFC 5802)."""

    salt: bytes
    stored_key: bytes
    server_key: bytes
    iterations: int


class ScramCredentials:
    """User -> mechanism -> credential. Only `replay` and `replay_removal` change it."""

    __slots__ = ("users",)

    def __init__(self) -> None:
        self.users: dict[str, dict[int, ScramCredential]] = {}

    def replay(self, record: UserScramCredentialRecord) -> None:
        self.users.setdefault(record.name, {})[record.mechanism] = ScramCredential(
            record.salt, record.stored_key, record.server_key, record.iterations
        )

    def replay_removal(self, record: RemoveUserScramCredentialRecord) -> None:
        credentials = self.users.get(record.name, {})
        credentials.pop(record.mechanism, None)
        if not credentials:
            self.users.pop(record.name, None)
