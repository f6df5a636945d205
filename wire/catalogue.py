"""Find a declared message by its Kafka name: `MetadataRequest`, `OffsetCommitValue`, `RequestHeader`.

Requests and responses are found through `apis.py` without importing the others; the rest by importing its families.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module

from .apis import APIS, BY_NAME
from .declare import Message

#: Where messages stand that are neither request nor response.
FAMILIES = (
    "messages.headers",
    "messages.consumer_protocol",
    "messages.principal",
    "log_records.classic_group",
    "log_records.consumer_group",
    "log_records.control",
    "log_records.metadata_cluster",
    "log_records.metadata_security",
    "log_records.metadata_topics",
    "log_records.raft",
    "log_records.share_group",
    "log_records.share_state",
    "log_records.storage",
    "log_records.streams",
    "log_records.streams_group",
    "log_records.transaction",
)

#: Where the messages of the unreleased Kafka 4.4 stand.
UNRELEASED = (
    "unreleased.aborted_txn",
    "unreleased.api_versions",
    "unreleased.delete_groups",
    "unreleased.describe_producers",
    "unreleased.streams_group_describe",
    "unreleased.streams_group_heartbeat",
    "unreleased.streams_group_metadata",
    "unreleased.streams_group_topology_description_update",
    "unreleased.txn_offset_commit",
    "unreleased.unregister_controller",
)


def _family(module_name: str) -> Iterator[type[Message]]:
    module = import_module(f".{module_name}", __package__)
    for value in vars(module).values():
        if isinstance(value, type) and issubclass(value, Message) and value.__module__ == module.__name__:
            yield value


def find_message(name: str, *, unreleased: bool = False) -> type[Message]:
    """The class of that name; with `unreleased` as Kafka 4.4 will have it. Raises KeyError with a name unknown."""
    if unreleased:
        for message in unreleased_messages():
            if message.__name__ == name:
                return message
    for kind in ("Request", "Response"):
        api = BY_NAME.get(name.removesuffix(kind)) if name.endswith(kind) else None
        if api is not None:
            return api.request() if kind == "Request" else api.response()
    for family in FAMILIES:
        for message in _family(family):
            if message.__name__ == name:
                return message
    raise KeyError(name)


def all_messages() -> Iterator[type[Message]]:
    """Every declared message: requests and responses by API key, then the families."""
    for api in APIS:
        yield api.request()
        yield api.response()
    for family in FAMILIES:
        yield from _family(family)


def unreleased_messages() -> Iterator[type[Message]]:
    """Every message that is new or has other fields in Kafka 4.4, which is not released."""
    for family in UNRELEASED:
        yield from _family(family)
