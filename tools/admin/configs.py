"""`klamm configs`: configs described and altered, as by Kafka's ConfigCommand."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any, Final

from ..client import Client
from ..client.settings import read_properties
from ..console.options import COMMON, ZOOKEEPER, Option, Options, OptionsError
from .common import BOOTSTRAP, COMMAND_CONFIG, JSON, CommandError, client_of, execute, java_name, print_json
from .config_entities import DEFAULTS, QUOTAS, SHORT, Entity, parse_configs, parse_entities

ABOUT: Final = """This tool helps to manipulate and describe entity config for a topic, client, user, broker, ip, \
client-metrics or group

    klamm configs --bootstrap-server localhost:9092 --describe --topic greetings
    klamm configs --bootstrap-server localhost:9092 --alter --topic greetings --add-config retention.ms=60000
    klamm configs --bootstrap-server localhost:9092 --describe --broker 1 --all"""

OPTIONS: Final = (
    BOOTSTRAP,
    Option("bootstrap-controller", "string", "The controllers to begin with."),
    COMMAND_CONFIG,
    Option("describe", "flag", "Show the configs of the entities."),
    Option("alter", "flag", "Change the configs of one entity."),
    Option("all", "flag", "With --describe: also what is not set on the entity itself."),
    Option("entity-type", "string", "topics, clients, users, brokers, broker-loggers, ips, client-metrics or groups."),
    Option("entity-name", "string", "The name of the entity of the --entity-type before it."),
    Option("entity-default", "flag", "The default entity of the --entity-type before it."),
    Option("add-config", "string", "k1=v1,k2=[v1,v2],k3=v3 to set."),
    Option("add-config-file", "string", "A properties file with configs to set."),
    Option("delete-config", "string", "k1,k2 to remove."),
    *(Option(name, "string", f"The same as --entity-type {kind} --entity-name.") for name, kind in SHORT.items()),
    *(Option(name, "flag", f"The same as --entity-type {kind} --entity-default.") for name, kind in DEFAULTS.items()),
    Option("force", "flag", "Nothing: no question is asked.", old="up to 3.x"),
    ZOOKEEPER,
    JSON,
    *COMMON,
)


def _check(options: Options, entities: Sequence[Entity]) -> None:
    if options.has("bootstrap-server") and options.has("bootstrap-controller"):
        raise CommandError("Only one of --bootstrap-server or --bootstrap-controller can be specified")
    adds = [name for name in ("add-config", "add-config-file") if options.has(name)]
    if len(adds) > 1:
        raise CommandError("Only one of --add-config or --add-config-file must be specified")
    if options.has("alter"):
        for entity in entities:
            if entity.name is None:
                raise CommandError(
                    f"An entity name must be specified with --alter of {', '.join(e.type for e in entities)}"
                )
        if not adds and not options.has("delete-config"):
            raise CommandError(
                "At least one of --add-config, --add-config-file, or --delete-config must be specified with --alter"
            )
    else:
        for name in ("add-config", "add-config-file", "delete-config"):
            if options.has(name):
                raise OptionsError(f'Option "[describe]" can\'t be used with option "[{name}]"')


def _changes(options: Options) -> tuple[dict[str, str], list[str]]:
    add = parse_configs(options.last("add-config")) if options.has("add-config") else {}
    if options.has("add-config-file"):
        add = read_properties(options.last("add-config-file"))
    delete = [part.strip() for part in (options.last("delete-config") or "").split(",") if part.strip()]
    return add, delete


def _alter(client: Client, entities: Sequence[Entity], options: Options) -> int:
    add, delete = _changes(options)
    entity = entities[0]
    if entity.type in QUOTAS:
        from .config_quotas import SCRAM, alter_quotas, alter_scram

        scram = {key: value for key, value in add.items() if key in SCRAM}
        no_scram = [key for key in delete if key in SCRAM]
        if entity.type == "users" and (scram or no_scram):
            if len(scram) + len(no_scram) < len(add) + len(delete):
                raise CommandError("Cannot alter both quota and SCRAM credential configs simultaneously")
            if len(entities) > 1 or not entity.name:
                raise CommandError("The use of --entity-default or clients is not allowed with SCRAM credentials")
            alter_scram(client, entity.name, scram, no_scram)
        else:
            alter_quotas(client, entities, add, delete)
    else:
        from .config_resources import alter

        alter(client, entity, add, delete)
    if options.has("json"):
        print_json([{"type": e.type, "name": e.name} for e in entities])
    elif entity.name:
        print(f"Completed updating config for {entity.singular} {entity.name}.")
    else:
        print(f"Completed updating default config for {entity.type} in the cluster.")
    return 0


def _describe(client: Client, entities: Sequence[Entity], options: Options) -> int:
    json: list[dict[str, Any]] = []
    if entities[0].type in QUOTAS:
        _describe_quotas(client, entities, json if options.has("json") else None)
    else:
        _describe_resources(client, entities[0], options.has("all"), json if options.has("json") else None)
    if options.has("json"):
        print_json(json)
    return 0


def _describe_resources(client: Client, entity: Entity, everything: bool, json: list[dict[str, Any]] | None) -> None:
    from .config_resources import configs_of, line_of, names_of

    names = names_of(client, entity.type) if entity.name is None or entity.type in ("topics", "groups") else []
    if entity.name and names and entity.type == "topics" and entity.name not in names and json is None:
        print(f"The {entity.singular} '{entity.name}' doesn't exist and doesn't have dynamic config.")
        return
    if entity.name is not None:
        names = [entity.name]
    for name in names:
        rows = configs_of(client, Entity(entity.type, name), everything)
        if json is not None:
            json.append({"type": entity.type, "name": name, "configs": {row.name: row.value for row in rows}})
            continue
        if name:
            what = "All" if everything else "Dynamic"
            print(f"{what} configs for {entity.singular} {name} are:")
        else:
            print(f"Default configs for {entity.type} in the cluster are:")
        for row in rows:
            print(line_of(row))


def _describe_quotas(client: Client, entities: Sequence[Entity], json: list[dict[str, Any]] | None) -> None:
    from .config_quotas import describe_quotas, describe_scram, entity_words

    for components, values in describe_quotas(client, entities):
        if json is not None:
            json.append({"entity": components, "quotas": values})
        else:
            pairs = ", ".join(f"{key}={_java_double(value)}" for key, value in values.items())
            print(f"Quota configs for {entity_words(components)} are {pairs}")
    if len(entities) > 1 or entities[0].type != "users" or entities[0].name == "":
        return
    for user, credentials in describe_scram(client, entities[0].name).items():
        if json is not None:
            json.append({"entity": {"user": user}, "scram": credentials})
        else:
            pairs = ", ".join(f"{name}=iterations={number}" for name, number in credentials.items())
            print(f"SCRAM credential configs for user-principal '{user}' are {pairs}")


def _java_double(value: float) -> str:
    """As Java's Double.toString has it: an exponent from 10^7 on."""
    if 1e-3 <= abs(value) < 1e7 or value == 0:
        return repr(float(value))
    mantissa, _, exponent = f"{value:.16e}".partition("e")
    shortest = next(
        text
        for text in (f"{value:.{digits}e}".partition("e")[0] for digits in range(1, 18))
        if float(f"{text}e{exponent}") == value
    )
    return f"{shortest}E{int(exponent)}" if mantissa else ""


def run(arguments: Sequence[str]) -> int:
    def body(options: Options) -> int:
        if options.has("describe") == options.has("alter"):
            raise OptionsError("Command must include exactly one action: --describe, --alter")
        try:
            entities = parse_entities(arguments)
            _check(options, entities)
        except CommandError as error:
            print(error, file=sys.stderr)
            return 1
        with client_of(options, "bootstrap-server", "bootstrap-controller") as client:
            return (
                _describe(client, entities, options) if options.has("describe") else _alter(client, entities, options)
            )

    def failure(error: Exception) -> None:
        if isinstance(error, CommandError):
            print(error, file=sys.stderr)
            return
        print(f"Error while executing config command with args '{' '.join(arguments)}'", file=sys.stderr)
        print(f"java.util.concurrent.ExecutionException: {java_name(error)}: {error}", file=sys.stderr)

    return execute(ABOUT, OPTIONS, arguments, body, failure)
