"""`klamm serve`: a broker in this process until SIGTERM or SIGINT.

The order of a start: configuration, the data folder and its lock, ports, the catalogue, topics of --topic, and only
then is anything announced. The order of a stop: no new connections, answers leave, logs are closed, exit 0.
"""

from __future__ import annotations

import argparse
import gc
import logging
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple

from ..broker.config import Config, ConfigError, Setting
from ..broker.config.config import ignored
from ..broker.config.sources import load
from .announce import Announcement, announce
from .cli import OK, FailedError, UsageError

if TYPE_CHECKING:
    import trio

    from ..broker.broker import Broker
    from ..broker.control.port import ControlPort
    from ..storage.log_manager import LogManager

log = logging.getLogger("klamm.serve")

DEFAULT_HOST: Final = "127.0.0.1"
DEFAULT_PORT: Final = 9092
LOG_LEVELS: Final = ("debug", "info", "warning", "error")
_LOG_FORMAT: Final = "[%(asctime)s] %(levelname)s %(message)s (%(name)s)"

_EPILOG = """\
Settings come from server.properties, then KAFKA_* variables (KAFKA_NUM_PARTITIONS is num.partitions; __ stands for _
and ___ for -), then the options here. A bad value stops the start, an unknown key is a warning.

  klamm serve                                         on localhost:9092, data in ./klamm-data
  klamm serve --port 0 --ephemeral --address-file a   on a free port, named in the file a; nothing is kept
  klamm serve --topic orders:6 --set log.retention.hours=1
"""


class Topic(NamedTuple):
    """A topic to be there from the start. -1: as the broker's defaults say."""

    name: str
    num_partitions: int
    replication_factor: int


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> None:  # type: ignore[override]  # one line, without the usage
        raise UsageError(f"{message}; see `klamm serve --help`")


def parser() -> argparse.ArgumentParser:
    found = _Parser(
        prog="klamm serve",
        description="Run a broker that any Kafka client can talk to.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = found.add_argument
    add("properties", nargs="?", metavar="server.properties", help="settings, in a file as Kafka reads it")
    add("--host", help=f"address to listen on (default: {DEFAULT_HOST}); with --port it takes the place of listeners")
    add("--port", type=_port, help=f"port to listen on, 0 for a free one (default: {DEFAULT_PORT})")
    where = found.add_mutually_exclusive_group()
    where.add_argument("--data", metavar="DIR", help="data folder (default: log.dirs, else ./klamm-data)")
    where.add_argument("--ephemeral", action="store_true", help="keep data in a temporary folder that goes at the end")
    topic = "a topic to be there from the start; may be repeated"
    add("--topic", action="append", default=[], type=_topic, metavar="NAME:PARTITIONS[:REPLICATION]", help=topic)
    add("--set", action="append", default=[], type=_key_value, metavar="KEY=VALUE", help="one setting; may be repeated")
    add("--control-port", type=_port, metavar="P", help="HTTP: /ready and /metrics (Prometheus); 0 for a free port")
    add("--address-file", metavar="FILE", help="written as JSON when clients can connect, removed at the end")
    add("--log-level", choices=LOG_LEVELS, default="info", help="(default: info)")
    return found


def _port(text: str) -> int:
    if text.isdecimal() and int(text) <= 65535:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is no port: 0 to 65535")


def _topic(text: str) -> Topic:
    name, *numbers = text.split(":")
    if not name or len(numbers) > 2 or not all(number.isdecimal() and int(number) for number in numbers):
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME:PARTITIONS[:REPLICATION]")
    partitions, replication = [*map(int, numbers), -1, -1][:2]
    return Topic(name, partitions, replication)


def _key_value(text: str) -> tuple[str, str]:
    key, separator, value = text.partition("=")
    if not separator or not key.strip():
        raise argparse.ArgumentTypeError(f"{text!r} is not KEY=VALUE")
    return key.strip(), value


def run(arguments: Sequence[str]) -> int:
    """Serves until a signal. Returns the exit code. Raises UsageError, FailedError."""
    options = parser().parse_args(arguments)
    if options.address_file is not None and not os.access(os.path.dirname(options.address_file) or ".", os.W_OK):
        raise UsageError(f"--address-file {options.address_file}: there is no such folder, or it cannot be written to")
    _start_logging(options.log_level)
    with _data_folder_option(options) as data:
        config = _configuration(options, data)
        for note in config.notes:
            log.warning("%s", note)
        for name, reason in ignored(config):
            log.info("%s=%s: %s", name, config.text(name), reason)
        _run_broker(config, options)
    log.info("[KafkaServer id=%d] shut down completed", config.get("node.id"))
    return OK


def _raise_descriptor_limit() -> None:
    """Open files up to the hard limit, as a JVM allows itself (-XX:+MaxFDLimit): each connection takes one."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):  # macOS has a limit of its own below an infinite one
        if soft != hard:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _run_broker(config: Config, options: argparse.Namespace) -> None:
    """Raises FailedError, UsageError."""
    from ..wire.errors import KafkaError

    _raise_descriptor_limit()
    logs = _open_log_dirs(config)
    gc.disable()  # what start-up makes stays: collecting in between finds nothing
    try:
        import trio

        from ..broker.broker import Broker

        broker = Broker(config, logs)
        trio.run(_serve, broker, options)
        logs.close(sync=not options.ephemeral)
    except (FailedError, UsageError):
        # Nothing was served: the folders are left as they were found.
        logs.leave()
        raise
    except KafkaError as error:
        raise FailedError(error.message or str(error)) from error
    finally:
        logs.abandon()  # nothing if they are closed
        gc.enable()
    if broker.halted is not None:
        raise FailedError(broker.halted)


def _start_logging(level: str) -> None:
    logging.basicConfig(stream=sys.stderr, format=_LOG_FORMAT, level=level.upper())
    logging.addLevelName(logging.WARNING, "WARN")


@contextmanager
def _data_folder_option(options: argparse.Namespace) -> Iterator[str | None]:
    """--data, or a temporary folder of --ephemeral, removed at the end."""
    if not options.ephemeral:
        yield options.data
        return
    import shutil
    import tempfile

    folder = tempfile.mkdtemp(prefix="klamm-")
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _configuration(options: argparse.Namespace, data: str | None) -> Config:
    overrides = []
    if data is not None:
        overrides.append(("log.dirs", Setting(data, "--data")))
    if options.host is not None or options.port is not None:
        host = DEFAULT_HOST if options.host is None else options.host
        port = DEFAULT_PORT if options.port is None else options.port
        address = f"PLAINTEXT://{f'[{host}]' if ':' in host else host}:{port}"
        overrides.append(("listeners", Setting(address, "--host and --port")))
    overrides += [(key, Setting(value, "--set")) for key, value in options.set]
    try:
        return load(options.properties, os.environ, overrides)
    except ConfigError as error:
        raise UsageError(str(error)) from None


def _open_log_dirs(config: Config) -> LogManager:
    from ..storage.folder_identity import FolderLockedError, WrongFolderError
    from ..storage.log_manager import DuplicateLogError, NoLogDirError, open_log_dirs

    try:
        logs = open_log_dirs(
            config.log_dirs,
            node_id=config.get("node.id"),
            metadata_log_dir=config.metadata_log_dir,
            on_offline=_offline_at_start,
        )
    except FolderLockedError as error:
        raise FailedError(f"{error}; stop it, or give this broker a folder of its own with --data") from None
    except WrongFolderError as error:
        raise UsageError(f"{error}; choose another folder with --data, or the node.id that made it") from None
    except (DuplicateLogError, NoLogDirError) as error:
        raise FailedError(str(error)) from None
    logs.producer_expiration_ms = config.get("producer.id.expiration.ms")
    return logs


def _offline_at_start(path: str, reason: str) -> None:
    log.error("Failed to create or validate data directory %s: %s", path, reason)


async def _serve(broker: Broker, options: argparse.Namespace) -> None:
    """Binds, loads, announces, and serves until a signal."""
    import trio

    try:
        addresses = broker.bind()
    except OSError as error:
        wanted = ", ".join(f"{listener.host}:{listener.port}" for listener in broker.config.listeners)
        raise FailedError(f"cannot listen on {wanted}: {error.strerror}; choose another with --port") from None
    control = None if options.control_port is None else _bind_control(broker, options.control_port)
    broker.load(addresses)
    for topic in options.topic:
        _create(broker, topic)
    stop = trio.Event()
    control_address = None if control is None else (control.host, control.port)
    announcement = Announcement(broker.node_id, addresses, options.address_file, control_address)

    def ready() -> None:
        if control is not None:
            control.ready = True
        announce(announcement)
        gc.enable()
        gc.freeze()

    async with trio.open_nursery() as nursery:
        # Before anything is announced: whoever reads the announcement may stop the broker at once.
        await nursery.start(partial(_wait_for_signal, stop))
        if control is not None:
            nursery.start_soon(control.serve, stop)
        await broker.serve(stop, ready)
        announcement.withdraw()
        nursery.cancel_scope.cancel()


def _bind_control(broker: Broker, port: int) -> ControlPort:
    """On the address of the first listener. Raises FailedError."""
    from ..broker.control.port import ControlPort

    host = broker.listeners[0].address.host
    try:
        return ControlPort(broker, host, port)
    except OSError as error:
        raise FailedError(f"cannot listen on {host}:{port}: {error.strerror}; choose another --control-port") from None


async def _wait_for_signal(stop: trio.Event, *, task_status: trio.TaskStatus[None]) -> None:
    """The first signal asks for an orderly end; a second one finds Python's own handlers and ends at once."""
    import trio

    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        task_status.started()
        async for number in signals:
            log.info("stopping: %s", signal.Signals(number).name)
            break
    stop.set()


def _create(broker: Broker, topic: Topic) -> None:
    """Raises UsageError; a topic that is there already stays as it is."""
    from ..wire.errors import ErrorCode, KafkaError

    try:
        broker.create_topic(topic.name, topic.num_partitions, topic.replication_factor, {})
    except KafkaError as error:
        if error.code != ErrorCode.TOPIC_ALREADY_EXISTS:
            raise UsageError(f"--topic {topic.name}: {error.message or error.code.name}") from None
