"""The controller's part of SCRAM credentials (KIP-554): what is refused, and the records of what is not.

A request carries the salted password; what is stored are the keys made of it (RFC 5802), from which it cannot be had
again. Source: org.apache.kafka.controller.ScramControlManager.
"""

from __future__ import annotations

import hmac
from hashlib import new as new_hash
from typing import Final

from ...wire.declare import Message
from ...wire.errors import ErrorCode, KafkaError
from ...wire.log_records.metadata_security import RemoveUserScramCredentialRecord, UserScramCredentialRecord
from ...wire.messages.alter_user_scram_credentials import (
    AlterUserScramCredentialsRequest,
    AlterUserScramCredentialsResult,
    ScramCredentialDeletion,
    ScramCredentialUpsertion,
)
from .scram import ScramCredentials

#: org.apache.kafka.clients.admin.ScramMechanism -> its hash function and least number of iterations.
MECHANISMS: Final[dict[int, tuple[str, int]]] = {1: ("sha256", 4096), 2: ("sha512", 4096)}
MAX_ITERATIONS: Final = 16384
_TWICE: Final = "A user credential cannot be altered twice in the same request"


def alter_scram_credentials(
    stored: ScramCredentials, request: AlterUserScramCredentialsRequest, *, supported: bool = True
) -> tuple[list[Message], list[AlterUserScramCredentialsResult]]:
    """The records of what is not refused, and one result a user: a user may be named once in a request.

    `supported`: metadata.version has the records for it.
    """
    changes: dict[str, ScramCredentialDeletion | ScramCredentialUpsertion] = {}
    errors: dict[str, KafkaError] = {}
    asked: list[ScramCredentialDeletion | ScramCredentialUpsertion] = [*request.deletions, *request.upsertions]
    for change in asked:
        name = change.name
        if name in errors:
            continue
        try:
            if not supported:
                raise KafkaError(ErrorCode.UNSUPPORTED_VERSION, "The current metadata.version does not support SCRAM")
            if changes.pop(name, None) is not None:
                raise KafkaError(ErrorCode.DUPLICATE_RESOURCE, _TWICE)
            _check(stored, change)
            changes[name] = change
        except KafkaError as error:
            errors[name] = error
    for name, change in list(changes.items()):
        if isinstance(change, ScramCredentialUpsertion) and not change.salted_password:
            del changes[name]
            errors[name] = KafkaError(ErrorCode.UNKNOWN_SERVER_ERROR)  # no key of Java's Mac may be empty
    records = [_record(change) for change in changes.values()]
    results = [
        AlterUserScramCredentialsResult(user=name, error_code=ErrorCode.NONE, error_message=None) for name in changes
    ]
    results += (
        AlterUserScramCredentialsResult(user=name, error_code=error.code, error_message=error.message)
        for name, error in errors.items()
    )
    return records, results


def _check(stored: ScramCredentials, change: ScramCredentialDeletion | ScramCredentialUpsertion) -> None:
    if not change.name:
        raise KafkaError(ErrorCode.UNACCEPTABLE_CREDENTIAL, "Username must not be empty")
    if change.mechanism not in MECHANISMS:
        raise KafkaError(ErrorCode.UNSUPPORTED_SASL_MECHANISM, "Unknown SCRAM mechanism")
    if isinstance(change, ScramCredentialDeletion):
        if change.mechanism not in stored.users.get(change.name, {}):
            raise KafkaError(ErrorCode.RESOURCE_NOT_FOUND, "Attempt to delete a user credential that does not exist")
        return
    _, least = MECHANISMS[change.mechanism]
    if change.iterations < least:
        raise KafkaError(ErrorCode.UNACCEPTABLE_CREDENTIAL, "Too few iterations")
    if change.iterations > MAX_ITERATIONS:
        raise KafkaError(ErrorCode.UNACCEPTABLE_CREDENTIAL, "Too many iterations")


def _record(change: ScramCredentialDeletion | ScramCredentialUpsertion) -> Message:
    if isinstance(change, ScramCredentialDeletion):
        return RemoveUserScramCredentialRecord(name=change.name, mechanism=change.mechanism)
    digest, _ = MECHANISMS[change.mechanism]
    client_key = hmac.digest(change.salted_password, b"Client Key", digest)
    return UserScramCredentialRecord(
        name=change.name,
        mechanism=change.mechanism,
        salt=change.salt,
        stored_key=new_hash(digest, client_key).digest(),
        server_key=hmac.digest(change.salted_password, b"Server Key", digest),
        iterations=change.iterations,
    )
