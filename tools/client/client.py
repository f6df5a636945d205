"""The cluster as a command sees it: who is there, and each request to the broker that must answer it."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Collection, Iterable
from typing import NamedTuple, TypeVar

from ...wire.declare import Message
from ...wire.errors import ErrorCode
from ...wire.messages.find_coordinator import FindCoordinatorRequest, FindCoordinatorResponse
from ...wire.messages.metadata import MetadataRequest, MetadataRequestTopic, MetadataResponse
from .connection import Connection
from .errors import ClientError, ServerError, UnreachableError, UnsupportedError, check
from .settings import Settings, parse_bootstrap, read_properties, settings_of

R = TypeVar("R", bound=Message)
T = TypeVar("T")

GROUP, TRANSACTION, SHARE = 0, 1, 2
_ANY = -1


class Node(NamedTuple):
    """A broker. `rack` is None where none is set."""

    id: int
    host: str
    port: int
    rack: str | None = None

    def __str__(self) -> str:
        """As Kafka's Node.toString() has it."""
        return f"{self.host}:{self.port} (id: {self.id} rack: {self.rack} isFenced: false)"


def open_client(
    bootstrap: str,
    *,
    command_config: str | None = None,
    properties: dict[str, str] | None = None,
    client_id: str = "klamm",
) -> Client:
    """A client of the cluster at `host:port,...`, with the settings of a properties file and of `properties`.

    Nothing is connected yet. Raises SettingError and FailedError for addresses or a file that cannot be used.
    """
    found = read_properties(command_config) if command_config else {}
    return Client(parse_bootstrap(bootstrap), settings_of({**found, **(properties or {})}, client_id))


class Client:
    """`bootstrap`: (host, port) of brokers to ask first. One connection a broker, made when it is needed.

    Every request takes `deadline_s` (time.monotonic()), by default now + default.api.timeout.ms, and raises
    UnreachableError behind it. A request whose broker is gone is sent again; one that was answered never is.
    """

    def __init__(self, bootstrap: list[tuple[str, int]], settings: Settings) -> None:
        self.bootstrap = bootstrap
        self.settings = settings
        self.nodes: dict[int, Node] = {}
        self.controller_id = -1
        self.cluster_id: str | None = None
        self._connections: dict[tuple[str, int], Connection] = {}
        self._coordinators: dict[tuple[int, str], int] = {}
        self._warned: set[str] = set()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        for connection in self._connections.values():
            connection.close()
        self._connections.clear()

    def deadline(self, timeout_ms: int | None = None) -> float:
        """time.monotonic() at which a call that begins now is given up."""
        return time.monotonic() + (self.settings.api_timeout_ms if timeout_ms is None else timeout_ms) / 1000

    # --- who is there ---------------------------------------------------------------------------------------------

    def metadata(
        self, topics: Iterable[str] | None = None, *, create: bool = False, deadline_s: float | None = None
    ) -> MetadataResponse:
        """Metadata of the topics (None: of all, empty: of none). The errors of topics stand in the answer."""
        names = None if topics is None else [MetadataRequestTopic(name=name) for name in topics]
        request = MetadataRequest(topics=names, allow_auto_topic_creation=create)
        answer = self.any(request, MetadataResponse, deadline_s=deadline_s)
        self.nodes = {row.node_id: Node(row.node_id, row.host, row.port, row.rack) for row in answer.brokers}
        self.controller_id, self.cluster_id = answer.controller_id, answer.cluster_id
        return answer

    def leaders(self, partitions: Collection[tuple[str, int]]) -> dict[int, list[tuple[str, int]]]:
        """Node id -> the partitions of these that it leads. Retries while one has no leader.

        Raises ServerError UNKNOWN_TOPIC_OR_PARTITION for a topic or partition that does not exist.
        """

        def ask() -> dict[int, list[tuple[str, int]]]:
            answer = self.metadata(sorted({topic for topic, _ in partitions}))
            found: dict[tuple[str, int], int] = {}
            for topic in answer.topics:
                check(topic.error_code)
                for row in topic.partitions:
                    found[topic.name or "", row.partition_index] = row.leader_id
            by_leader: dict[int, list[tuple[str, int]]] = {}
            for key in partitions:
                if key not in found:
                    raise ServerError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
                if found[key] not in self.nodes:
                    raise ServerError(ErrorCode.LEADER_NOT_AVAILABLE)
                by_leader.setdefault(found[key], []).append(key)
            return by_leader

        return self.until(ask, (ErrorCode.LEADER_NOT_AVAILABLE,))

    def coordinator(self, key: str, key_type: int = GROUP) -> int:
        """The node id of the coordinator of a group or transactional id. Retries while there is none yet."""

        def ask() -> int:
            answer = self.any(
                lambda version: (
                    FindCoordinatorRequest(key_type=key_type, coordinator_keys=[key])
                    if version >= 4
                    else FindCoordinatorRequest(key=key, key_type=key_type)
                ),
                FindCoordinatorResponse,
            )
            row = answer.coordinators[0] if answer.coordinators else answer
            check(row.error_code, row.error_message)
            self.nodes.setdefault(row.node_id, Node(row.node_id, row.host, row.port))
            return row.node_id

        if (key_type, key) not in self._coordinators:
            self._coordinators[key_type, key] = self.until(
                ask, (ErrorCode.COORDINATOR_NOT_AVAILABLE, ErrorCode.COORDINATOR_LOAD_IN_PROGRESS)
            )
        return self._coordinators[key_type, key]

    def forget_coordinator(self, key: str, key_type: int = GROUP) -> None:
        """After NOT_COORDINATOR: the next call asks again."""
        self._coordinators.pop((key_type, key), None)

    # --- requests -------------------------------------------------------------------------------------------------

    def any(
        self,
        request: Message | Callable[[int], Message],
        response: type[R],
        *,
        deadline_s: float | None = None,
        highest: int | None = None,
    ) -> R:
        """Asks whichever broker answers. `request` may be a function of the version that will be used."""
        return self._send(_ANY, request, response, deadline_s, highest)

    def controller(
        self, request: Message | Callable[[int], Message], response: type[R], *, deadline_s: float | None = None
    ) -> R:
        """Asks the active controller; with KRaft that is any broker, which passes it on."""
        if self.controller_id not in self.nodes:
            try:
                self.metadata([], deadline_s=deadline_s)
            except UnsupportedError:  # a controller that was named itself: it has no Metadata
                return self._send(_ANY, request, response, deadline_s, None)
        node_id = self.controller_id if self.controller_id in self.nodes else _ANY
        return self._send(node_id, request, response, deadline_s, None)

    def node(
        self,
        node_id: int,
        request: Message | Callable[[int], Message],
        response: type[R],
        *,
        deadline_s: float | None = None,
        highest: int | None = None,
    ) -> R:
        """Asks that broker and no other. Raises UnreachableError for one that the cluster does not have."""
        return self._send(node_id, request, response, deadline_s, highest)

    def by_coordinator(
        self,
        key: str,
        request: Message | Callable[[int], Message],
        response: type[R],
        error_of: Callable[[R], int],
        *,
        key_type: int = GROUP,
        highest: int | None = None,
    ) -> R:
        """Asks the coordinator of a group or transactional id; again while `error_of(answer)` is one of a coordinator
        that has moved or loads.

        The answer may carry any other error: the caller looks.
        """

        def ask() -> R:
            answer = self.node(self.coordinator(key, key_type), request, response, highest=highest)
            code = error_of(answer)
            if code in _COORDINATOR_ERRORS:
                self.forget_coordinator(key, key_type)
                raise ServerError(code)
            return answer

        return self.until(ask, _COORDINATOR_ERRORS)

    def until(self, ask: Callable[[], T], codes: Collection[int], deadline_s: float | None = None) -> T:
        """`ask()`, again after retry.backoff.ms while it raises ServerError with one of `codes`; then that error."""
        end = self.deadline() if deadline_s is None else deadline_s
        while True:
            try:
                return ask()
            except ServerError as error:
                if error.code not in codes or time.monotonic() >= end:
                    raise
            self._pause(end)

    def connection(self, node_id: int, deadline_s: float) -> Connection:
        """The connection to that broker, or to any with -1. Raises UnreachableError after one attempt at each."""
        addresses = [(node.host, node.port) for node in self.nodes.values()] if node_id == _ANY else []
        if node_id == _ANY:
            addresses += [address for address in self.bootstrap if address not in addresses]
        else:
            if node_id not in self.nodes:
                self.metadata([], deadline_s=deadline_s)
            if node_id not in self.nodes:
                raise UnreachableError(f"there is no broker {node_id} in the cluster")
            addresses.append((self.nodes[node_id].host, self.nodes[node_id].port))
        for address in addresses:
            if address in self._connections:
                return self._connections[address]
        failure: UnreachableError | None = None
        for address in addresses:
            try:
                until = min(deadline_s, self.deadline(self.settings.request_timeout_ms))
                made = self._connections[address] = Connection(*address, self.settings.client_id, until)
                return made
            except UnreachableError as error:
                failure = error
        raise failure or UnreachableError("there is no broker to ask")

    def _send(
        self,
        node_id: int,
        request: Message | Callable[[int], Message],
        response: type[R],
        deadline_s: float | None,
        highest: int | None,
    ) -> R:
        end = self.deadline() if deadline_s is None else deadline_s
        while True:
            connection: Connection | None = None
            try:
                connection = self.connection(node_id, end)
                return connection.request(request, response, end, highest)
            except UnreachableError as error:
                if connection is not None:
                    self._drop(connection)
                if time.monotonic() >= end:
                    raise UnreachableError(
                        f"Timed out waiting for a node assignment. Call: {response.__name__.removesuffix('Response')}"
                        f" (last: {error})"
                    ) from None
                self._warn(str(error))
            except ClientError:
                raise
            except BaseException:
                if connection is not None:  # an answer may still be on its way: nobody would know whose
                    self._drop(connection)
                raise
            self._pause(end)

    def drop(self, node_id: int) -> None:
        """Closes the connection to that broker: what is under way on it is lost."""
        node = self.nodes.get(node_id)
        connection = None if node is None else self._connections.get((node.host, node.port))
        if connection is not None:
            self._drop(connection)

    def _drop(self, connection: Connection) -> None:
        connection.close()
        self._connections = {key: value for key, value in self._connections.items() if value is not connection}

    def _warn(self, text: str) -> None:
        """Once: the user sees why nothing happens yet."""
        if text not in self._warned:
            self._warned.add(text)
            print(f"WARN {text}. Broker may not be available; trying again.", file=sys.stderr)

    def _pause(self, deadline_s: float) -> None:
        time.sleep(max(0.0, min(self.settings.retry_backoff_ms / 1000, deadline_s - time.monotonic())))


_COORDINATOR_ERRORS = (
    ErrorCode.COORDINATOR_LOAD_IN_PROGRESS,
    ErrorCode.COORDINATOR_NOT_AVAILABLE,
    ErrorCode.NOT_COORDINATOR,
)
