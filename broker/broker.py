"""One broker: its data, its catalogue, its partitions and coordinators, and the listeners that lead to them.

`Broker` is put together on a data folder; `serve` runs it until it is told to stop. Everything in it belongs to the
loop's thread.
"""

from __future__ import annotations

import logging
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import cached_property, partial
from random import Random
from typing import TYPE_CHECKING, Any, Final

import trio

from ..storage.config import LogConfig
from ..storage.log_manager import METADATA_TOPIC
from ..wire.errors import ErrorCode, KafkaError
from ..wire.messages.create_topics import CreatableTopic, CreatableTopicConfig
from .cleaner import clean_logs, unlink_deleted
from .connection_limits import address_limits
from .context import RequestContext
from .features import METADATA_VERSION
from .fetch_sessions import FetchSessions
from .flusher import flush_when_due
from .group_commit import GroupCommit, most_logs
from .idle_cleaner import IdleCleaner
from .idle_retention import IdleRetention
from .log_dir_failures import LogDirFailures
from .log_movements import LogMovements
from .metadata.controller import Controller, Registration
from .metadata.image import (
    BROKER_RESOURCE,
    CLIENT_METRICS_RESOURCE,
    Catalogue,
    Delta,
    Endpoint,
    PartitionImage,
    TopicImage,
)
from .metadata.metadata_log import MetadataLog
from .metadata.producer_ids import ProducerIds
from .metadata.voters import own_voter
from .metadata_snapshots import CLEAN_INTERVAL_MS, FIRST_CLEAN_MS, MetadataSnapshots
from .partitions import Partitions
from .reactor import Reactor
from .server import Address, Listener, bind
from .timers import Timers
from .warmer import Warmer

if TYPE_CHECKING:
    from ..storage.log import Log
    from ..storage.log_manager import LogManager
    from ..wire.declare import Message
    from ..wire.log_records.control import VotersRecordVoter
    from .client_telemetry import ClientTelemetry
    from .config import Config
    from .coordinators import Coordinators
    from .transaction_coordinators import TransactionCoordinators

log = logging.getLogger("klamm.broker")

#: The metadata log's topic id: Kafka's Uuid.METADATA_TOPIC_ID.
METADATA_TOPIC_ID: Final = bytes(15) + b"\1"
#: Nothing goes by itself: the metadata log is the catalogue, and is cut where a snapshot has what goes.
#: A loss of power may take its end, never a part of it: what follows would be about things that never were.
METADATA_LOG_CONFIG: Final = LogConfig(
    retention_ms=-1, retention_bytes=-1, max_message_bytes=0x7FFFFFFF, klamm_flush_before_roll=True
)
#: How long a stop waits for clients to take their answers.
STOP_GRACE_S: Final = 1.0


def system_clock() -> int:
    """Epoch milliseconds."""
    return time.time_ns() // 1_000_000


class Broker:
    """The folders of `logs` are open and locked; `clock` gives epoch ms. Raises KafkaError where a disk fails."""

    def __init__(
        self, config: Config, logs: LogManager, clock: Callable[[], int] = system_clock, random: Random | None = None
    ) -> None:
        self.config = config
        self.logs = logs
        self.now_ms = clock
        self.node_id: int = config.get("node.id")
        self.rack: str | None = config.get("broker.rack")
        self.cluster_id = logs.cluster_id
        self.max_request_bytes: int = config.get("socket.request.max.bytes")
        self.fetch_max_bytes: int = config.get("fetch.max.bytes")
        self.timers = Timers()
        self.reactor = Reactor(self.timers, clock)
        self.warmer = Warmer(self.reactor, logs.cache)
        self.listeners: list[Listener] = []
        #: API key << 16 | version -> how many requests were read.
        self.requests: defaultdict[int, int] = defaultdict(int)
        self.fetch_sessions = FetchSessions(config.get("max.incremental.fetch.session.cache.slots"), random or Random())
        self.catalogue = Catalogue(logs.cluster_id)
        self.log_dir_failures = LogDirFailures(self)
        #: Why the broker stops by itself; None while it need not.
        self.halted: str | None = None
        self._stop: trio.Event | None = None
        self._metadata_log_files = self._open_metadata_log()
        self.group_commit = GroupCommit(self.reactor, self._metadata_log_files, most_logs(logs.cache.limit))
        self.partitions = Partitions(
            self.node_id, self.catalogue, logs, config.log_configs, clock, self.group_commit.ask, self.warmer
        )
        self.metadata_log = MetadataLog(self.catalogue, self._append_metadata)
        self.metadata_snapshots = MetadataSnapshots(self, self._metadata_log_files)
        self.controller = Controller(self.catalogue, config, config.topic_configs_error, config.created_topic_configs)
        self.producer_ids = ProducerIds(self._reserve_producer_ids)
        self.log_movements = LogMovements(self)
        self.idle_cleaner = IdleCleaner(self)
        self.idle_retention = IdleRetention(self)
        self.coordinators: Coordinators = self._make_coordinators()
        self.transactions: TransactionCoordinators = self._make_transaction_coordinators()

    @cached_property
    def telemetry(self) -> ClientTelemetry:
        """Clients' metrics (KIP-714); made when a client asks for its subscriptions."""
        from .client_telemetry import ClientTelemetry, FileReceiver

        catalogue = self.catalogue
        path = self.config.get("klamm.telemetry.file")
        return ClientTelemetry(
            lambda: [
                catalogue.configs(CLIENT_METRICS_RESOURCE, name)
                for name in catalogue.configured(CLIENT_METRICS_RESOURCE)
            ],
            FileReceiver(path) if path else None,
        )

    def _make_coordinators(self) -> Coordinators:
        from .coordinators import Coordinators

        return Coordinators(self)

    def _make_transaction_coordinators(self) -> TransactionCoordinators:
        from .transaction_coordinators import TransactionCoordinators

        return TransactionCoordinators(self)

    # --- the metadata log -----------------------------------------------------------------------------------------

    def _open_metadata_log(self) -> Log:
        return self.logs.metadata_dir.create(
            METADATA_TOPIC, 0, METADATA_TOPIC_ID, self._metadata_log_config(), self.now_ms()
        )

    def _append_metadata(self, batch: bytes) -> None:
        self._metadata_log_files.append_as_follower(batch, now_ms=self.now_ms())
        self.metadata_snapshots.appended(len(batch))

    def _metadata_log_config(self) -> LogConfig:
        """What is durable before it is answered includes changes of the catalogue: a rare fsync on the loop."""
        get = self.config.get
        return replace(
            METADATA_LOG_CONFIG,
            flush_messages=get("log.flush.interval.messages"),
            segment_bytes=get("internal.metadata.log.segment.bytes") or get("metadata.log.segment.bytes"),
            segment_ms=get("metadata.log.segment.ms"),
        )

    def load(self, addresses: list[Address]) -> None:
        """Replay the metadata log, become its leader, and register this broker, reached at `addresses`."""
        metadata_log, controller = self.metadata_log, self.controller
        self.metadata_snapshots.load()
        self._take_dynamic_configs()
        metadata_log.listeners += (self._on_delta, self.partitions.on_delta)
        self.partitions.assign = self._assign_folder
        self.partitions.raise_epoch = self._raise_epoch
        now_ms = self.now_ms()
        metadata_log.open_epoch(self.voter(), now_ms)
        metadata_log.commit(controller.bootstrap(self._formatted()), now_ms)
        protocols = self.config.security_protocols
        registration = Registration(
            node_id=self.node_id,
            endpoints={
                address.listener: Endpoint(*self._announced(address), protocols.get(address.listener, 0))
                for address in addresses
            },
            rack=self.rack,
            log_dirs=self.logs.directory_ids,
        )
        metadata_log.commit(controller.register_broker(registration), now_ms)
        self.logs.settle(self._directory_of)
        for changes in controller.found_logs(self.node_id, self._found_logs()):
            metadata_log.commit(changes, now_ms)
        for changes in controller.unled(self.node_id, self.logs.directory_ids):
            metadata_log.commit(changes, now_ms)
        for changes in controller.elect_leaders(self.node_id, new_epochs=not self.logs.was_clean):
            metadata_log.commit(changes, now_ms)

    def voter(self) -> VotersRecordVoter:
        """This broker as the metadata log's only voter."""
        return own_voter(self.config, self.logs.metadata_dir.directory_id)

    def _formatted(self) -> list[Message]:
        """What the folder of a new cluster was formatted with."""
        if METADATA_VERSION in self.catalogue.finalized_features:
            return []
        from .metadata.bootstrap import read_bootstrap

        folder = self.logs.metadata_dir
        return read_bootstrap(folder.files, folder.path)

    def _directory_of(self, topic: str, index: int) -> bytes | None:
        """The id of the folder that the catalogue has for a partition's log."""
        image = self.catalogue.topic(topic)
        partition = image.partitions.get(index) if image is not None else None
        if partition is None or self.node_id not in partition.replicas:
            return None
        return partition.directories[partition.replicas.index(self.node_id)]

    def _found_logs(self) -> Iterator[tuple[str, int, bytes]]:
        """(topic, partition, directory id) of the logs there are, where the catalogue may not know their folder."""
        for topic, partition in self.logs.partitions():
            folder = self.logs.folder_of(topic, partition)
            if folder is not None:
                yield topic, partition, folder.directory_id

    def _on_delta(self, delta: Delta) -> None:
        if any(kind == BROKER_RESOURCE for kind, _ in delta.changed_configs):
            self._take_dynamic_configs()

    def _take_dynamic_configs(self) -> None:
        """What the metadata log says of this broker, and of all of them, takes effect (KIP-226)."""
        configs = self.catalogue.configs
        self.config.set_dynamic(configs(BROKER_RESOURCE, ""), configs(BROKER_RESOURCE, str(self.node_id)))
        self._metadata_log_files.configure(self._metadata_log_config())
        self.logs.producer_expiration_ms = self.config.get("producer.id.expiration.ms")
        limits = address_limits(self.config)
        for listener in self.listeners:
            listener.max_connections, listener.address_limits = self.config.get("max.connections"), limits
        self.partitions.reconfigure()

    def _reserve_producer_ids(self) -> range:
        change = self.controller.allocate_producer_ids(self.node_id)
        self.commit(change.records)
        return change.results

    def commit(self, records: Any) -> None:
        """Append a controller's change to the metadata log and let it take effect. Raises KafkaError."""
        self.metadata_log.commit(records, self.now_ms())

    def create_internal_topic(self, name: str, num_partitions: int, configs: Mapping[str, str]) -> None:
        """Create one of Kafka's internal topics with as many replicas as there are brokers. Raises KafkaError."""
        self.create_topic(name, num_partitions, 1, configs)

    def create_topic(self, name: str, num_partitions: int, replication_factor: int, configs: Mapping[str, str]) -> None:
        """Create a topic. -1 stands for the defaults. Raises KafkaError, TOPIC_ALREADY_EXISTS for one."""
        topic = CreatableTopic(
            name=name,
            num_partitions=num_partitions,
            replication_factor=replication_factor,
            assignments=[],
            configs=[CreatableTopicConfig(name=key, value=value) for key, value in configs.items()],
        )
        change = self.controller.create_topics([topic], describe=False)
        self.commit(change.records)
        (result,) = change.results
        if result.error_code:
            raise KafkaError(ErrorCode(result.error_code), result.error_message)

    # --- addresses ------------------------------------------------------------------------------------------------

    def _announced(self, address: Address) -> tuple[str, int]:
        """What the catalogue says of a listener, where no connection says better."""
        found = self.config.advertised_listeners.get(address.listener)
        return found if found is not None else (address.host, address.port)

    def advertised(self, context: RequestContext) -> tuple[str, int]:
        """(host, port) that a client is told for this broker: advertised.listeners if set for its listener, else the
        address that it reached itself."""
        found = self.config.advertised_listeners.get(context.listener)
        if found is not None:
            return found
        if context.connection is not None:
            return context.connection.server_address
        address = self.listeners[0].address
        return address.host, address.port

    def _assign_folder(self, topic: TopicImage, partition: PartitionImage, directory_id: bytes) -> None:
        """A partition's log lies there: what Kafka's broker tells the controller by AssignReplicasToDirs (KIP-858)."""
        self.commit(self.controller.assign_directory(topic, partition, self.node_id, directory_id))

    def _raise_epoch(self, topic: TopicImage, partition: PartitionImage, epoch: int) -> None:
        self.commit(self.controller.raise_leader_epoch(topic, partition, epoch))

    def halt(self, reason: str) -> None:
        """Nothing can be served any more: `serve` ends."""
        log.critical("%s", reason)
        self.halted = self.halted or reason
        if self._stop is not None:
            self._stop.set()

    # --- the loop -------------------------------------------------------------------------------------------------

    def bind(self) -> list[Address]:
        """Bind all listeners, so that ports are known; nothing is accepted yet. Raises OSError."""
        max_connections, limits = self.config.get("max.connections"), address_limits(self.config)
        for listener in self.config.listeners:
            sock = bind(listener.host, listener.port, self.config.get("socket.listen.backlog.size"))
            self.listeners.append(Listener(self, listener.name, sock, max_connections, limits))
        return [listener.address for listener in self.listeners]

    async def serve(self, stop: trio.Event, ready: Callable[[], None] = lambda: None) -> None:
        """Accept connections and answer them until `stop`; then let answers leave, and close."""
        self.logs.cache.serves_loop = True
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.reactor.run)
            interval_ms = self.config.get("log.flush.scheduler.interval.ms")
            if self.config.get("log.cleaner.enable"):
                save = self.logs.checkpoint_compaction
                chore, idle = self.warmer.chore, self.idle_cleaner.compact_next
                nursery.start_soon(clean_logs, self.partitions, self.config, self.now_ms, save, chore, idle)
            nursery.start_soon(unlink_deleted, self.logs, self.now_ms)
            nursery.start_soon(flush_when_due, self.partitions, self.now_ms, interval_ms)
            for listener in self.listeners:
                listener.open()
            self._start_chores()
            self.coordinators.start()
            self.transactions.start()
            ready()
            self.log_movements.resume()
            self._stop = stop
            if self.halted is None:
                await stop.wait()
            for listener in self.listeners:
                listener.close()
            with trio.move_on_after(STOP_GRACE_S):
                while self.group_commit.busy or any(
                    connection.out for listener in self.listeners for connection in listener.connections
                ):
                    await trio.sleep(0.01)
            for listener in self.listeners:
                for connection in tuple(listener.connections):
                    connection.close()
            nursery.cancel_scope.cancel()

    def _start_chores(self) -> None:
        """What is done from time to time: intervals are Kafka's."""
        get = self.config.get
        self._repeat(get("log.retention.check.interval.ms"), self._apply_retention)
        self._repeat(get("producer.id.expiration.check.interval.ms"), self._expire_producers)
        self._repeat(get("log.flush.offset.checkpoint.interval.ms"), self.logs.checkpoint)
        snapshot_ms = get("metadata.log.max.snapshot.interval.ms")
        if snapshot_ms > 0:
            self._repeat(snapshot_ms, self.metadata_snapshots.take_if_changed)
        self.timers.call_at(self.now_ms() + FIRST_CLEAN_MS, self.metadata_snapshots.clean)
        self._repeat(CLEAN_INTERVAL_MS, self.metadata_snapshots.clean)
        idle_ms = get("connections.max.idle.ms")
        if idle_ms > 0:
            self._repeat(max(1000, idle_ms // 10), lambda: self._close_idle(idle_ms))

    def _repeat(self, interval_ms: int, chore: Callable[[], object]) -> None:
        def run() -> None:
            # Set anew first: a chore that fails is logged by the timers, and tried again.
            self.timers.call_at(self.now_ms() + interval_ms, run)
            chore()

        self.timers.call_at(self.now_ms() + interval_ms, run)

    def _apply_retention(self) -> None:
        for partition in self.partitions.opened():
            try:
                self.warmer.chore(partial(partition.log.apply_retention, self.now_ms()))
            except KafkaError as error:
                log.warning("%s-%d: %s", partition.topic, partition.index, error)
        self.idle_retention.begin()

    def _expire_producers(self) -> None:
        for partition in self.partitions.opened():
            partition.log.expire_producers(self.now_ms())

    def _close_idle(self, idle_ms: int) -> None:
        for listener in self.listeners:
            listener.close_idle(self.now_ms() - idle_ms)
