"""The controller's part of client quotas (KIP-546): what is refused, the records of what is not, and filters.

An entity is a user, a client id or both together, or an ip address.
Source: org.apache.kafka.controller.ClientQuotaControlManager, org.apache.kafka.image.ClientQuotasImage,
org.apache.kafka.server.config.QuotaConfig.

Left out: throttling; quotas are stored and described, and hold nobody back.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from ...coordinator.java_order import sized_string_map_order
from ...wire.declare import Message
from ...wire.errors import ErrorCode, KafkaError
from ...wire.log_records.metadata_security import ClientQuotaRecord
from ...wire.log_records.metadata_security import EntityData as RecordEntity
from ...wire.messages.alter_client_quotas import (
    AlterClientQuotasRequestEntryData,
    AlterClientQuotasResponseEntryData,
    EntityData,
)
from ...wire.messages.describe_client_quotas import ComponentData
from .client_quotas import ClientQuotas, Entity

USER, CLIENT_ID, IP = "user", "client-id", "ip"
#: DescribeClientQuotasRequest.MATCH_TYPE_*
EXACT, DEFAULT, SPECIFIED = 0, 1, 2

#: Quota -> the largest value of its type if that type is integral, else None, for the two kinds of entities.
_USER_AND_CLIENT_QUOTAS: Final[Mapping[str, tuple[str, int] | None]] = {
    "producer_byte_rate": ("LONG", (1 << 63) - 1),
    "consumer_byte_rate": ("LONG", (1 << 63) - 1),
    "request_percentage": None,
    "controller_mutation_rate": None,
}
_IP_QUOTAS: Final[Mapping[str, tuple[str, int] | None]] = {"connection_creation_rate": ("INT", (1 << 31) - 1)}
_FRACTION: Final = 1e-6

#: What may be the name of a host (RFC 1123) or an address. Kafka asks the resolver.
_HOST: Final = re.compile(r"[0-9A-Fa-f:.]+|[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9-]+)*\.?", re.ASCII)


class Filter(NamedTuple):
    """`exact`: type -> name, None for the default; `types`: any name will do; `strict`: there are no other types."""

    exact: dict[str, str | None]
    types: set[str]
    strict: bool

    def matches(self, entity: Entity) -> bool:
        names = dict(entity)
        if self.strict and len(names) != len(self.exact) + len(self.types):
            return False
        return all(kind in names and names[kind] == name for kind, name in self.exact.items()) and all(
            kind in names for kind in self.types
        )


def filter_of(components: Sequence[ComponentData], strict: bool) -> Filter:
    """Raises KafkaError: INVALID_REQUEST, UNSUPPORTED_VERSION for an unknown type of entity."""
    found = Filter({}, set(), strict)
    for component in components:
        kind = component.entity_type
        if not kind:
            raise _refused("Invalid empty entity type.")
        if kind in found.exact or kind in found.types:
            raise _refused(f"Entity type {kind} cannot appear more than once in the filter.")
        if kind not in (IP, USER, CLIENT_ID):
            raise KafkaError(ErrorCode.UNSUPPORTED_VERSION, f"Unsupported entity type {kind}")
        _add(found, component)
    kinds = found.exact.keys() | found.types
    if IP in kinds and kinds & {USER, CLIENT_ID}:
        raise _refused(
            "Invalid entity filter component combination. IP filter component should not be used with user or clientId "
            "filter component."
        )
    return found


def _add(found: Filter, component: ComponentData) -> None:
    kind, how, name = component.entity_type, component.match_type, component.match
    if how == EXACT:
        if name is None:
            raise _refused("Request specified MATCH_TYPE_EXACT, but set match string to null.")
        found.exact[kind] = name
        return
    if how not in (DEFAULT, SPECIFIED):
        raise _refused(f"Unknown match type {how}")
    if name is not None:
        label = "MATCH_TYPE_DEFAULT" if how == DEFAULT else "MATCH_TYPE_SPECIFIED"
        raise _refused(f"Request specified {label}, but also specified a match string.")
    if how == DEFAULT:
        found.exact[kind] = None
    else:
        found.types.add(kind)


def alter_client_quotas(
    quotas: ClientQuotas, entries: Sequence[AlterClientQuotasRequestEntryData]
) -> tuple[list[Message], list[AlterClientQuotasResponseEntryData]]:
    """The records of what is not refused, and one result an entity."""
    records: list[Message] = []
    results: dict[Entity, KafkaError | None] = {}
    for entry in entries:
        # Of a type that is named twice the last name counts.
        given = {row.entity_type: row.entity_name for row in entry.entity}
        # Of several that are refused the answer names the one that Java's HashMap comes to first.
        names = {kind: given[kind] for kind in sized_string_map_order(given, len(entry.entity))}
        entity = frozenset(names.items())
        try:
            if entity in results:
                raise _refused(f"Ignoring duplicate entity {_shown(names)}")
            changes: dict[str, float | None] = {}
            for op in entry.ops:
                if op.key in changes:
                    raise _refused(f"Ignoring duplicate entity {_shown(names)}")
                changes[op.key] = None if op.remove else op.value
            changes = {key: changes[key] for key in sized_string_map_order(changes, len(entry.ops))}
            records += _records(entity, names, changes, quotas.entities.get(entity, {}))
            results[entity] = None
        except KafkaError as error:
            results[entity] = error
    return records, [
        AlterClientQuotasResponseEntryData(
            error_code=ErrorCode.NONE if error is None else error.code,
            error_message=None if error is None else error.message,
            entity=[EntityData(entity_type=kind, entity_name=name) for kind, name in entity],
        )
        for entity, error in results.items()
    ]


def _records(
    entity: Entity, names: Mapping[str, str | None], changes: Mapping[str, float | None], before: Mapping[str, float]
) -> list[Message]:
    known = _quotas_of(names)
    records: list[Message] = []
    for key, value in changes.items():
        if value is not None:
            _check(known, key, value)
        if value != before.get(key):
            rows = [RecordEntity(entity_type=kind, entity_name=name) for kind, name in names.items()]
            records.append(ClientQuotaRecord(entity=rows, key=key, value=value or 0.0, remove=value is None))
    return records


def _quotas_of(names: Mapping[str, str | None]) -> Mapping[str, tuple[str, int] | None]:
    """The quotas that the entity may have."""
    if not names:
        raise _refused("Invalid empty client quota entity")
    for kind, name in names.items():
        if kind not in (USER, CLIENT_ID, IP):
            raise _refused(f"Unhandled client quota entity type: {kind}")
        if name == "":
            raise _refused(f"Empty {kind} not supported")
    if IP not in names:
        return _USER_AND_CLIENT_QUOTAS
    if len(names) > 1:
        raise _refused("Invalid quota entity combination, IP entity shouldnot be combined with User or ClientId")
    address = names[IP]
    if address is not None and not _HOST.fullmatch(address):
        raise _refused(f"{address} is not a valid IP or resolvable host.")
    return _IP_QUOTAS


def _check(known: Mapping[str, tuple[str, int] | None], key: str, value: float) -> None:
    if key not in known:
        raise _refused(f"Invalid configuration key {key}")
    if value <= 0:
        raise _refused(f"Quota {key} must be greater than 0")
    integral = known[key]
    if integral is not None:
        name, largest = integral
        if value > largest:
            raise _refused(f"Proposed value for {key} is too large for {'an' if name == 'INT' else 'a'} {name}.")
        if value % 1.0 > _FRACTION:
            raise _refused(f"{key} cannot be a fractional value.")


def _shown(names: Mapping[str, str | None]) -> str:
    """An entity as Java prints it."""
    rows = ", ".join(f"{kind}={'null' if name is None else name}" for kind, name in names.items())
    return f"ClientQuotaEntity(entries={{{rows}}})"


def _refused(message: str) -> KafkaError:
    return KafkaError(ErrorCode.INVALID_REQUEST, message)
