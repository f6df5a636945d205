"""Brokers for the client suites, and an honest account of the suites that did not run (see README.md)."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import FrameType

import pytest

from .kafka_peer import peer
from .support import Broker, Klamm

HERE = Path(__file__).resolve().parent
# Seconds a test may take with its fixtures before it fails. A real Kafka starts in 5 s and a few tests restart it.
BOUND_S = {"klamm": 60, "kafka": 180}
# For the tests outside of this folder: models and kill loops need the processor, which a loaded machine gives slowly.
ELSEWHERE_BOUND_S = 300
# Small and quick to start: the oracle is asked for answers here, not for speed.
ORACLE_JVM = ("-Xmx512M", "-XX:TieredStopAtLevel=1")
# After a kill -9 Kafka refuses its own broker until the dead one's session (9 s) has timed out.
ORACLE_CONFIG = {"broker.session.timeout.ms": "1500", "broker.heartbeat.interval.ms": "300"}


def _python_modules(*names: str) -> Callable[[], str | None]:
    return lambda: next((f"no Python module {name}" for name in names if importlib.util.find_spec(name) is None), None)


def _all_of(*probes: Callable[[], str | None]) -> Callable[[], str | None]:
    return lambda: next((reason for probe in probes if (reason := probe())), None)


def _programs(*names: str) -> Callable[[], str | None]:
    return lambda: next((f"no {name}" for name in names if shutil.which(name) is None), None)


# A folder of compat_tests/ and what it lacks on this machine (None: nothing). A folder that is not here needs nothing.
CLIENTS: dict[str, Callable[[], str | None]] = {
    "kafka_python": _python_modules("kafka", "snappy", "lz4", "zstandard"),
    "confluent_kafka": _python_modules("confluent_kafka"),
    "kcat": _programs("kcat"),
    "java": _programs("java", "javac", "mvn"),
    "spring": _programs("java", "javac", "mvn"),
    "streams": _all_of(_programs("java", "javac", "mvn"), _python_modules("confluent_kafka")),
    "consoles": _python_modules("confluent_kafka"),
    "kafka_peer": peer.missing,
    "wire_codecs": _programs("java", "javac", "mvn"),
    "kill": _python_modules("confluent_kafka"),
}

# The suites that a run must have run, or it fails: names of CLIENTS, separated by commas.
REQUIRE_CLIENTS = "KLAMM_REQUIRE_CLIENTS"


class TooLongError(BaseException):
    """A test ran longer than its bound. Not an Exception: hypothesis would take it for a finding and shrink it, and a
    client that tries again over any error would swallow it."""


_lacking: dict[str, str] = {}
_ran: set[str] = set()
_LOGS = pytest.StashKey[list[tuple[Path, int]]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--broker",
        choices=("klamm", "kafka", "both"),
        default=None,
        help="what the client suites talk to; default: klamm, and real Kafka too in tests marked `oracle`",
    )


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "oracle: also run on a real Kafka wherever one can be started")
    config.addinivalue_line("markers", "klamm_only(reason): never run on a real Kafka")
    config.addinivalue_line("markers", "bounded(seconds): another time bound for this test than conftest.BOUND_S")
    # Asked once, before anything is collected: a probe may start `java -version`.
    _lacking.update({client: reason for client, probe in CLIENTS.items() if (reason := probe())})


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    # Test files import their client, so those of one that is not here are not even looked into.
    return True if _client_of(collection_path) in _lacking else None


def pytest_runtest_setup(item: pytest.Item) -> None:
    # Files named on the command line are never ignored.
    if (client := _client_of(item.path)) in _lacking:
        pytest.skip(f"{client}: {_lacking[client]}")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "broker_kind" not in metafunc.fixturenames:
        return
    asked = metafunc.config.getoption("--broker")
    if metafunc.definition.get_closest_marker("klamm_only"):
        kinds = ["klamm"] if asked != "kafka" else []
    elif asked is None:
        kinds = ["klamm", "kafka"] if metafunc.definition.get_closest_marker("oracle") else ["klamm"]
    else:
        kinds = ["klamm", "kafka"] if asked == "both" else [asked]
    metafunc.parametrize("broker_kind", kinds, scope="module")


def _start(kind: str, directory: Path, config: Mapping[str, str]) -> Broker:
    if kind == "klamm":
        return Klamm(directory, config=config)
    if "kafka_peer" in _lacking:
        pytest.skip(f"kafka_peer: {_lacking['kafka_peer']}")
    try:
        return peer.RealKafka(directory, config={**ORACLE_CONFIG, **config}, jvm=ORACLE_JVM)
    except peer.PeerUnavailableError as error:
        _lacking["kafka_peer"] = str(error)
        pytest.skip(f"kafka_peer: {error}")


@pytest.fixture(scope="module")
def _module_broker(
    request: pytest.FixtureRequest, broker_kind: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Broker]:
    config = getattr(request.module, "BROKER_CONFIG", {})
    broker = _start(broker_kind, tmp_path_factory.mktemp(broker_kind), config)
    yield broker
    broker.stop()


@pytest.fixture
def broker(request: pytest.FixtureRequest, _module_broker: Broker) -> Iterator[Broker]:
    """The broker that the tests of one module share, configured by the module's BROKER_CONFIG.

    A test may stop, kill and start it, and leaves it running. Use `unique()` names for topics and groups.
    """
    if not _module_broker.running:
        _module_broker.start()
    seen = _remember_log(request, _module_broker)
    yield _module_broker
    assert _module_broker.running, "the broker ended by itself, or the test left it stopped"
    _refuse_tracebacks(_module_broker, seen)


@pytest.fixture
def start_broker(
    request: pytest.FixtureRequest, broker_kind: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[Mapping[str, str]], Broker]]:
    """start_broker({key: value}): a broker for one test alone, ended after it."""
    started: list[Broker] = []

    def start(config: Mapping[str, str]) -> Broker:
        started.append(_start(broker_kind, tmp_path_factory.mktemp(broker_kind), config))
        _remember_log(request, started[-1])
        return started[-1]

    yield start
    for broker in started:
        broker.stop()
        _refuse_tracebacks(broker, 0)


def _remember_log(request: pytest.FixtureRequest, broker: Broker) -> int:
    seen = broker.log_path.stat().st_size
    request.node.stash.setdefault(_LOGS, []).append((broker.log_path, seen))
    return seen


def _refuse_tracebacks(broker: Broker, seen: int) -> None:
    # A client retries over a handler that crashed, and its test passes: the log tells. Kafka's own log has Java's.
    text = _log_since(broker.log_path, seen) if isinstance(broker, Klamm) else ""
    assert "Traceback (most recent call last)" not in text, f"klamm logged an internal error:\n{text[-3000:]}"


def _log_since(path: Path, seen: int) -> str:
    with open(path, "rb") as log:
        log.seek(seen)
        return log.read().decode(errors="replace")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Fails what runs longer than its bound; the alarm interrupts setup, test or teardown.

    pytest calls this for every test of a run in which this file is loaded, those of other folders too.
    """
    marker = item.get_closest_marker("bounded")
    usual_s = BOUND_S[_broker_kind(item)] if item.path.is_relative_to(HERE) else ELSEWHERE_BOUND_S
    bound_s = max(usual_s, marker.args[0] if marker else 0)

    def on_alarm(_number: int, _frame: FrameType | None) -> None:
        raise TooLongError(f"this test ran longer than {bound_s} s")

    before = signal.signal(signal.SIGALRM, on_alarm)
    # Again and again: teardown of a test that hung may hang too.
    signal.setitimer(signal.ITIMER_REAL, bound_s, bound_s)
    try:
        return (yield)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    report = yield
    client = _client_of(item.path)
    if client and report.when == "call" and not report.skipped:
        _ran.add(client)
        if _broker_kind(item) == "kafka":
            _ran.add("kafka_peer")
    if report.failed:
        for path, seen in item.stash.get(_LOGS, []):
            report.sections.append((f"broker log {path}", _log_since(path, seen)[-6000:]))
    return report


def _broker_kind(item: pytest.Item) -> str:
    callspec = getattr(item, "callspec", None)
    return callspec.params.get("broker_kind", "klamm") if callspec else "klamm"


def _client_of(path: Path) -> str:
    """The suite that a file or folder belongs to, "" for none."""
    parts = path.relative_to(HERE).parts if path.is_relative_to(HERE) else ()
    return parts[0] if parts and parts[0] in CLIENTS else ""


def _required_but_not_run() -> list[str]:
    required = [name.strip() for name in os.environ.get(REQUIRE_CLIENTS, "").split(",") if name.strip()]
    return [name for name in required if name not in _ran]


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    if _required_but_not_run() and exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if _lacking:
        names = ", ".join(f"{client} ({reason})" for client, reason in sorted(_lacking.items()))
        terminalreporter.write_line(f"client suites that did not run: {names}", yellow=True)
    for name in _required_but_not_run():
        reason = _lacking.get(name, "none of its tests ran" if name in CLIENTS else "no such suite")
        terminalreporter.write_line(f"FAILED {REQUIRE_CLIENTS} asks for {name}: {reason}", red=True)
