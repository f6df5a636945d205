"""Quotas of users, clients and addresses, and users' SCRAM credentials, for `klamm configs`."""

from __future__ import annotations

import hashlib
import re
import secrets
import socket
from collections.abc import Sequence
from typing import Any, Final

from ...wire.errors import ErrorCode
from ...wire.messages import alter_client_quotas as alter
from ...wire.messages import describe_client_quotas as quotas
from ...wire.messages.alter_user_scram_credentials import (
    AlterUserScramCredentialsRequest,
    AlterUserScramCredentialsResponse,
    ScramCredentialDeletion,
    ScramCredentialUpsertion,
)
from ...wire.messages.describe_user_scram_credentials import (
    DescribeUserScramCredentialsRequest,
    DescribeUserScramCredentialsResponse,
    UserName,
)
from ..client import Client
from ..client.errors import check
from .common import CommandError
from .config_entities import Entity

_COMPONENTS: Final = {"users": "user", "clients": "client-id", "ips": "ip"}
_WORDS: Final = {"users": "user-principal", "clients": "client-id", "ips": "ip"}
_EXACT, _DEFAULT, _ANY = 0, 1, 2
SCRAM: Final = {"SCRAM-SHA-256": (1, "sha256"), "SCRAM-SHA-512": (2, "sha512")}
_ITERATIONS: Final = 4096
_KEYS: Final = {
    "users": {"producer_byte_rate", "consumer_byte_rate", "request_percentage", "controller_mutation_rate"},
    "clients": {"producer_byte_rate", "consumer_byte_rate", "request_percentage", "controller_mutation_rate"},
    "ips": {"connection_creation_rate"},
}


def describe_quotas(client: Client, entities: Sequence[Entity]) -> list[tuple[dict[str, str | None], dict[str, float]]]:
    """({component: name, None for the default}, {quota: value}) of what fits the entities. Raises ClientError."""
    rows = []
    for entity in entities:
        kind = _ANY if entity.name is None else _DEFAULT if entity.name == "" else _EXACT
        name = entity.name if kind == _EXACT else None
        rows.append(quotas.ComponentData(entity_type=_COMPONENTS[entity.type], match_type=kind, match=name))
    answer = client.any(
        quotas.DescribeClientQuotasRequest(components=rows, strict=True), quotas.DescribeClientQuotasResponse
    )
    check(answer.error_code, answer.error_message)
    return [
        (
            {part.entity_type: part.entity_name for part in entry.entity},
            {value.key: value.value for value in entry.values},
        )
        for entry in answer.entries or []
    ]


def entity_words(components: dict[str, str | None]) -> str:
    """`user-principal 'u', the default client-id`, as Kafka puts it."""
    found = []
    for kind, component in _COMPONENTS.items():
        if component in components:
            name = components[component]
            found.append(f"the default {_WORDS[kind]}" if name is None else f"{_WORDS[kind]} '{name}'")
    return ", ".join(found)


def alter_quotas(client: Client, entities: Sequence[Entity], add: dict[str, str], delete: Sequence[str]) -> None:
    """Sets and removes quotas. Raises CommandError for a key or value that is none, ClientError."""
    kind = entities[0].type
    wrong = [key for key in (*add, *delete) if key not in _KEYS[kind]]
    if wrong:
        what = "connection quota" if kind == "ips" else "quota"
        verb = "added" if any(key in add for key in wrong) else "deleted"
        raise CommandError(
            f"Only {what} configs can be {verb} for '{kind}' using --bootstrap-server."
            f" Unexpected config names: Set({', '.join(wrong)})"
        )
    for entity in entities:
        if entity.type == "ips" and entity.name and not _resolves(entity.name):
            raise CommandError(
                f"The entity name for ips must be a valid IP or resolvable host, but it is: {entity.name}"
            )
    ops = [alter.OpData(key=key, value=_number(key, value), remove=False) for key, value in add.items()]
    ops += [alter.OpData(key=key, value=0.0, remove=True) for key in delete]
    parts = [alter.EntityData(entity_type=_COMPONENTS[e.type], entity_name=e.name or None) for e in entities]
    request = alter.AlterClientQuotasRequest(
        entries=[alter.AlterClientQuotasRequestEntryData(entity=parts, ops=ops)], validate_only=False
    )
    for entry in client.controller(request, alter.AlterClientQuotasResponse).entries:
        check(entry.error_code, entry.error_message)


def _resolves(host: str) -> bool:
    try:
        return bool(socket.getaddrinfo(host, None))
    except OSError:
        return False


def _number(key: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise CommandError(f"Cannot parse quota configuration value for {key}: {text}") from None


def describe_scram(client: Client, user: str | None) -> dict[str, dict[str, int]]:
    """User -> SCRAM mechanism -> iterations; of all users with None. Raises ClientError."""
    users = None if user is None else [UserName(name=user)]
    answer = client.any(DescribeUserScramCredentialsRequest(users=users), DescribeUserScramCredentialsResponse)
    check(answer.error_code, answer.error_message)
    names = {number: name for name, (number, _) in SCRAM.items()}
    found: dict[str, dict[str, int]] = {}
    for row in answer.results:
        if row.error_code == ErrorCode.RESOURCE_NOT_FOUND:
            continue
        check(row.error_code, row.error_message)
        found[row.user] = {names.get(info.mechanism, "UNKNOWN"): info.iterations for info in row.credential_infos}
    return found


def alter_scram(client: Client, user: str, add: dict[str, str], delete: Sequence[str]) -> None:
    """Sets credentials of `iterations=N,password=P`, and removes some. Raises CommandError, ClientError."""
    upsertions = [_upsertion(user, name, text) for name, text in add.items()]
    deletions = [ScramCredentialDeletion(name=user, mechanism=SCRAM[name][0]) for name in delete]
    request = AlterUserScramCredentialsRequest(deletions=deletions, upsertions=upsertions)
    for row in client.controller(request, AlterUserScramCredentialsResponse).results:
        check(row.error_code, row.error_message)


def _upsertion(user: str, name: str, text: str) -> Any:
    found = re.fullmatch(r"(?:iterations=([0-9]*),)?password=(.*)", text)
    if found is None:
        raise CommandError(f"Invalid credential property {name}={text}")
    iterations = int(found[1] or _ITERATIONS)
    if iterations < _ITERATIONS:
        raise CommandError(f"Iterations {iterations} is less than the minimum {_ITERATIONS} required for {name}")
    mechanism, algorithm = SCRAM[name]
    salt = secrets.token_bytes(32)
    # The broker gets the salted password of RFC 5802 and never the password.
    salted = hashlib.pbkdf2_hmac(algorithm, found[2].encode(), salt, iterations)
    return ScramCredentialUpsertion(
        name=user, mechanism=mechanism, iterations=iterations, salt=salt, salted_password=salted
    )
