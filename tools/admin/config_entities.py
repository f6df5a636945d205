"""Whose configs `klamm configs` is about: the entities of a command line, as Kafka's ConfigCommand reads them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from .common import CommandError

#: `--topic NAME` is `--entity-type topics --entity-name NAME`, and so on.
SHORT: Final = {
    "topic": "topics",
    "client": "clients",
    "user": "users",
    "broker": "brokers",
    "broker-logger": "broker-loggers",
    "ip": "ips",
    "client-metrics": "client-metrics",
    "group": "groups",
}
DEFAULTS: Final = {
    "client-defaults": "clients",
    "user-defaults": "users",
    "broker-defaults": "brokers",
    "ip-defaults": "ips",
}
TYPES: Final = ("topics", "clients", "users", "brokers", "ips", "client-metrics", "groups", "broker-loggers")
QUOTAS: Final = ("users", "clients", "ips")


class Entity(NamedTuple):
    """`name`: None where the command line names none (all of the type), "" for the default."""

    type: str
    name: str | None

    @property
    def singular(self) -> str:
        """`topic` of `topics`, as the sentences have it."""
        return self.type[:-1]


def parse_entities(arguments: Sequence[str]) -> list[Entity]:
    """The entities, by the order of the options: each name belongs to the type before it.

    Raises CommandError with Kafka's words.
    """
    types: list[str] = []
    names: list[str | None] = []
    found: list[Entity] = []
    words = iter(arguments)
    for word in words:
        if not word.startswith("-"):
            continue
        name, assigned, value = word.lstrip("-").partition("=")
        if name in ("entity-type", "entity-name", *SHORT) and not assigned:
            value = next(words, "")
        if name == "entity-type":
            types.append(value)
        elif name == "entity-name":
            names.append(value)
        elif name == "entity-default":
            names.append("")
        elif name in SHORT:
            found.append(Entity(SHORT[name], value))
        elif name in DEFAULTS:
            found.append(Entity(DEFAULTS[name], ""))
    for kind in types:
        if kind not in TYPES:
            raise CommandError(
                f"Invalid entity type {kind}, the entity type must be one of {', '.join(TYPES)} with a"
                " --bootstrap-server or --bootstrap-controller argument"
            )
    if types and found:
        raise CommandError("--entity-{type,name,default} should not be used in conjunction with specific entity flags")
    if len(names) > len(types):
        raise CommandError("--entity-name or --entity-default should not be used without --entity-type")
    found += [Entity(kind, names[at] if at < len(names) else None) for at, kind in enumerate(types)]
    if not found:
        raise CommandError("At least one entity type must be specified")
    kinds = [entity.type for entity in found]
    if len(kinds) > 1 and sorted(kinds) != ["clients", "users"]:
        raise CommandError("Only 'users' and 'clients' entity types may be specified together")
    # Clients before users, however they stand: Kafka's command is then about the client.
    return sorted(found, key=lambda entity: entity.type)


def parse_configs(text: str) -> dict[str, str]:
    """`k1=v1,k2=[v1,v2],k3=` as {key: value}. Raises CommandError for a part that is no pair."""
    parts: list[str] = []
    depth, begin = 0, 0
    for at, letter in enumerate(text):
        depth += (letter == "[") - (letter == "]")
        if letter == "," and depth <= 0:
            parts.append(text[begin:at])
            begin = at + 1
    parts.append(text[begin:])
    found: dict[str, str] = {}
    for part in parts:
        if not part.strip():
            continue
        key, assigned, value = part.strip().partition("=")
        if not assigned:
            raise CommandError(
                'requirement failed: Invalid entity config: all configs to be added must be in the format "key=val".'
            )
        found[key.strip()] = value.strip().replace("[", "").replace("]", "")
    return found
