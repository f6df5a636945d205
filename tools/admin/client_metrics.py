"""`klamm client-metrics`: which metrics clients push to the brokers (KIP-714), as Kafka's ClientMetricsCommand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ..client import Client, ClientError
from ..console.options import COMMON, Option, Options, OptionsError
from .common import (
    BOOTSTRAP,
    COMMAND_CONFIG,
    JSON,
    CommandError,
    client_of,
    execute,
    print_json,
    print_message_and_trace,
)
from .config_entities import Entity
from .config_resources import alter, configs_of, names_of

ABOUT: Final = """This tool helps to manipulate and describe client metrics configurations.

    klamm client-metrics --bootstrap-server localhost:9092 --alter --name slow --interval 60000 \\
        --metrics org.apache.kafka.producer. --match client_software_name=librdkafka
    klamm client-metrics --bootstrap-server localhost:9092 --describe
    klamm client-metrics --bootstrap-server localhost:9092 --delete --name slow"""

OPTIONS: Final = (
    BOOTSTRAP,
    COMMAND_CONFIG,
    Option("alter", "flag", "Set what a resource says."),
    Option("delete", "flag", "Remove a resource."),
    Option("describe", "flag", "Show a resource, or all."),
    Option("list", "flag", "The names of all resources."),
    Option("name", "string", "The resource."),
    Option("generate-name", "flag", "With --alter: a new one, with a name of its own."),
    Option("interval", "string", "Milliseconds between two pushes; empty for the default."),
    Option("match", "string", "Which clients: k1=v1,k2=v2 of client_id, client_software_name and so on."),
    Option("metrics", "string", "Prefixes of the metrics' names: m1,m2."),
    JSON,
    *COMMON,
)

ACTIONS: Final = ("alter", "delete", "describe", "list")
_TYPE: Final = "client-metrics"
#: Option -> the config that it sets.
_CONFIGS: Final = {"interval": "interval.ms", "metrics": "metrics", "match": "match"}
_FORBIDDEN: Final = {
    "delete": ("generate-name", "metrics", "interval", "match"),
    "describe": ("generate-name", "metrics", "interval", "match"),
    "list": ("name", "generate-name", "metrics", "interval", "match"),
}


def _check(options: Options) -> str:
    """The action. Raises OptionsError and CommandError, with Kafka's words."""
    asked = [name for name in ACTIONS if options.has(name)]
    if len(asked) != 1:
        raise OptionsError("Command must include exactly one action: --alter, --delete, --describe or --list.")
    (action,) = asked
    for name in _FORBIDDEN.get(action, ()):
        if options.has(name):
            raise OptionsError(f'Option "[{action}]" can\'t be used with option "[{name}]"')
    if not options.has("bootstrap-server"):
        raise CommandError("--bootstrap-server must be specified.")
    if action == "alter" and options.has("name") == options.has("generate-name"):
        raise CommandError("One of --name or --generate-name must be specified with --alter.")
    if action == "delete" and not options.has("name"):
        raise CommandError("A client metrics resource name must be specified with --delete.")
    interval = options.last("interval")
    if interval and not interval.removeprefix("-").isdecimal():
        raise CommandError("Invalid interval value. Enter an integer, or leave empty to reset.")
    return action


def _alter(client: Client, options: Options) -> int:
    name = options.last("name") or _new_name()
    given = {config: options.last(option) for option, config in _CONFIGS.items() if options.has(option)}
    add = {config: value for config, value in given.items() if value}
    alter(client, Entity(_TYPE, name), add, [config for config in given if config not in add])
    if options.has("json"):
        print_json({"name": name})
    else:
        print(f"Altered client metrics config for {name}.")
    return 0


def _new_name() -> str:
    from base64 import urlsafe_b64encode  # here, since few command lines want one
    from uuid import uuid4

    return urlsafe_b64encode(uuid4().bytes).decode().rstrip("=")


def _delete(client: Client, options: Options) -> int:
    entity = Entity(_TYPE, options.last("name"))
    alter(client, entity, {}, [row.name for row in configs_of(client, entity, everything=False)])
    if options.has("json"):
        print_json({"deleted": entity.name})
    else:
        print(f"Deleted client metrics config for {entity.name}.")
    return 0


def _describe(client: Client, options: Options) -> int:
    there = names_of(client, _TYPE)
    names = [options.last("name")] if options.has("name") else there
    if options.has("name") and names[0] not in there and not options.has("json"):
        print(f"The client metric resource {names[0]} doesn't exist and doesn't have dynamic config.")
        return 0
    found = {
        name: {row.name: row.value for row in configs_of(client, Entity(_TYPE, name), everything=True)}
        for name in names
        if name in there
    }
    if options.has("json"):
        print_json([{"name": name, "configs": configs} for name, configs in found.items()])
        return 0
    for name, configs in found.items():
        print(f"Client metrics configs for {name} are:")
        for key, value in configs.items():
            print(f"  {key}={value}")
    return 0


def _list(client: Client, options: Options) -> int:
    names = names_of(client, _TYPE)
    if options.has("json"):
        print_json(names)
    elif names:
        print("\n".join(names))
    return 0


_ACTS: Final = {"alter": _alter, "delete": _delete, "describe": _describe, "list": _list}


def _body(options: Options) -> int:
    action = _check(options)
    with client_of(options) as client:
        return _ACTS[action](client, options)


def _failure(error: Exception) -> None:
    if isinstance(error, ClientError):
        print(f"Error while executing client metrics command : {error}")
    else:
        print_message_and_trace(error)


def run(arguments: Sequence[str]) -> int:
    return execute(ABOUT, OPTIONS, arguments, _body, _failure)
