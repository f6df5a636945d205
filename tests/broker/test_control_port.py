"""The control port: /ready and /metrics over real sockets, and what a client may do wrong there."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from klamm.broker.control.families import MEANINGS, Sample, families
from klamm.broker.control.port import MAX_HEAD_BYTES
from tests.tools.conftest import Process

from .raw_client import RawClient, wait_for
from .steps import fetch_request

DOCS = Path(__file__).resolve().parents[2] / "docs" / "metrics.md"
LIMIT_S = 60


class Served:
    """A broker with a control port."""

    def __init__(self, process: Process, folder: Path) -> None:
        self.process = process
        self.bootstrap = process.listening()
        self.address = json.loads((folder / "a.json").read_text())
        self.control = urlsplit(self.address["control"])

    def connection(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(self.control.hostname or "", self.control.port, timeout=LIMIT_S)

    def get(self, path: str, method: str = "GET", **headers: str) -> tuple[int, str, str]:
        """(status, content type, body) on a connection of its own."""
        connection = self.connection()
        try:
            connection.request(method, path, headers=headers)
            answer = connection.getresponse()
            return answer.status, answer.headers["Content-Type"], answer.read().decode()
        finally:
            connection.close()

    def samples(self) -> dict[str, float]:
        """`name{labels}` -> value, labels in the order of their names."""
        status, _, body = self.get("/metrics")
        assert status == 200, body
        lines = [line for line in body.splitlines() if not line.startswith("#")]
        return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}

    def opened_logs(self, folder: Path) -> set[str]:
        """Names of the files below `folder` with logs of partitions that the broker has open."""
        links = Path(f"/proc/{self.process.pid}/fd").iterdir()
        return {
            name for name in (os.readlink(link) for link in links) if name.startswith(str(folder)) and "/t-" in name
        }

    def raw(self, data: bytes) -> bytes:
        """What is answered to these bytes until the other side has closed."""
        with socket.create_connection((self.control.hostname, self.control.port or 0), timeout=LIMIT_S) as sock:
            sock.sendall(data)
            answer = b""
            with contextlib.suppress(ConnectionResetError):  # it closed with bytes of ours unread
                while part := sock.recv(65536):
                    answer += part
        return answer


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    arguments = "serve --port 0 --data d --control-port 0 --address-file a.json --topic t:2 --topic idle:1"
    process = Process(tmp_path, arguments.split(), {})
    yield Served(process, tmp_path)
    process.kill()


def test_ready_and_paths(served: Served) -> None:
    assert served.get("/ready")[::2] == (200, "ready\n")
    assert served.get("/ready?x=1")[0] == 200
    assert served.get("/nothing")[0] == 404
    assert served.get("/ready", "POST")[0] == 405
    status, kind, body = served.get("/metrics", "HEAD")
    assert (status, kind, body) == (200, "text/plain; version=0.0.4; charset=utf-8", "")
    # Several requests on one connection.
    connection = served.connection()
    for _ in range(3):
        connection.request("GET", "/ready")
        assert connection.getresponse().read() == b"ready\n"
    connection.close()
    code, _, err = served.process.end(signal.SIGTERM)
    assert code == 0
    assert f"the control port is {served.address['control']}" in err


def command(*arguments: str, stdin: str = "") -> str:
    """stdout of a command in a process of its own."""
    line = [sys.executable, "-m", "klamm", *arguments]
    done = subprocess.run(line, input=stdin, capture_output=True, text=True, timeout=LIMIT_S)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_metrics_follow_what_clients_do(served: Served) -> None:
    before = served.samples()
    traffic = "kafka_server_brokertopicmetrics"
    assert before[f"{traffic}_messagesin_total"] == 0
    assert before['kafka_topic_partitions{topic="t"}'] == 2
    lines = "".join(f"{number}\n" for number in range(100))
    command("console-producer", "--bootstrap-server", served.bootstrap, "--topic", "t", stdin=lines)
    consumer = f"console-consumer --bootstrap-server {served.bootstrap} --topic t --group g --from-beginning"
    assert len(command(*consumer.split(), "--max-messages", "60").splitlines()) == 60

    after = served.samples()
    assert after[f'{traffic}_messagesin_total{{topic="t"}}'] == 100
    assert after[f'{traffic}_bytesin_total{{topic="t"}}'] > 100
    assert after[f'{traffic}_bytesout_total{{topic="t"}}'] >= after[f'{traffic}_bytesin_total{{topic="t"}}']
    assert after[f"{traffic}_totalproducerequests_total"] >= 1
    produced = [value for name, value in after.items() if 'requests_total{request="Produce"' in name]
    assert sum(produced) == after[f"{traffic}_totalproducerequests_total"]

    def total(name: str, labels: str) -> float:
        found = [value for key, value in after.items() if key.startswith(f"{name}{{") and labels in key]
        assert found, name
        return sum(found)

    assert total("kafka_log_log_size", 'topic="t"') == after[f'{traffic}_bytesin_total{{topic="t"}}']
    assert total("kafka_log_log_logendoffset", 'topic="t"') == 100
    assert total("kafka_topic_partition_current_offset", 'topic="t"') == 100
    assert total("kafka_consumergroup_current_offset", 'topic="t"') == 60
    assert total("kafka_consumergroup_lag", 'consumergroup="g"') == 40
    assert after['kafka_consumergroup_lag_sum{consumergroup="g",topic="t"}'] == 40
    assert after['kafka_consumergroup_members{consumergroup="g"}'] == 0
    assert after["kafka_coordinator_group_groupmetadatamanager_numgroupsempty"] == 1
    assert after["kafka_brokers"] == after["kafka_controller_kafkacontroller_activecontrollercount"] == 1
    # Nobody has written there: no files, no log, and an offset all the same.
    assert after['kafka_topic_partition_current_offset{partition="0",topic="idle"}'] == 0
    # A topic that goes takes its own counters along, the broker's stay.
    command("topics", "--bootstrap-server", served.bootstrap, "--delete", "--topic", "t")
    last = served.samples()
    assert f'{traffic}_messagesin_total{{topic="t"}}' not in last
    assert last[f"{traffic}_messagesin_total"] >= 100
    assert not [name for name in last if name.startswith("kafka_consumergroup_lag") and 'topic="t"' in name]


def test_what_waits_and_who_came(served: Served) -> None:
    before = served.samples()
    parked = 'kafka_server_delayedoperationpurgatory_purgatorysize{delayedOperation="Fetch"}'
    accepted = 'kafka_server_socket_server_metrics_connection_creation_total{listener="PLAINTEXT"}'
    assert (before[parked], before["kafka_log_logmanager_offlinelogdirectorycount"]) == (0, 0)
    command(
        "topics",
        "--bootstrap-server",
        served.bootstrap,
        "--create",
        "--topic",
        "two",
        "--config",
        "min.insync.replicas=2",
    )
    with RawClient(served.bootstrap) as client:
        client.send(fetch_request({"idle": [(0, 0)]}, max_wait_ms=60_000, min_bytes=1), 12)
        wait_for(lambda: served.samples()[parked] == 1, "a fetch that waits", LIMIT_S)
        after = served.samples()
    assert after[accepted] > before[accepted]
    # As many as there are replicas are enough.
    assert after["kafka_server_replicamanager_underminisrpartitioncount"] == 0
    wait_for(lambda: served.samples()[parked] == 0, "the fetch to go with its client", LIMIT_S)


def offsets_of(samples: dict[str, float], name: str, topic: str) -> dict[int, float]:
    """By partition."""
    pattern = re.compile(rf'{name}{{partition="(\d+)",topic="{topic}"}}')
    found = {pattern.fullmatch(key): value for key, value in samples.items()}
    return {int(match[1]): value for match, value in found.items() if match}


def test_a_scrape_opens_no_log_and_passes_over_a_folder_that_is_offline(tmp_path: Path) -> None:
    arguments = "serve --port 0 --control-port 0 --address-file a.json --topic t:4 --data a"
    arguments += f" --set log.dirs={tmp_path / 'a'},{tmp_path / 'b'}"

    def start() -> Served:
        (tmp_path / "a.json").unlink(missing_ok=True)
        return Served(Process(tmp_path, arguments.split(), {}), tmp_path)

    end, start_offset = "kafka_topic_partition_current_offset", "kafka_topic_partition_oldest_offset"
    sizes, lag = "kafka_log_log_size", "kafka_consumergroup_lag_sum"
    served = start()
    lines = "".join(f"key{number}:{number}\n" for number in range(40))
    produce = f"console-producer --bootstrap-server {served.bootstrap} --topic t --property parse.key=true"
    command(*produce.split(), "--property", "key.separator=:", stdin=lines)
    consume = f"console-consumer --bootstrap-server {served.bootstrap} --topic t --group g --from-beginning"
    command(*consume.split(), "--max-messages", "40")
    before = served.samples()
    assert sum(offsets_of(before, end, "t").values()) == 40
    assert before[f'{lag}{{consumergroup="g",topic="t"}}'] == 0
    assert served.process.end(signal.SIGTERM)[0] == 0

    # Stopped in order: all is known as before, and of the topic's logs none is opened.
    served = start()
    assert served.opened_logs(tmp_path) == set()
    after = served.samples()
    for name in (end, start_offset, sizes, "kafka_log_log_logendoffset", "kafka_log_log_numlogsegments"):
        assert offsets_of(after, name, "t") == offsets_of(before, name, "t"), name
    assert served.opened_logs(tmp_path) == set()
    served.process.kill()

    # Killed: the ends are not known until somebody looks.
    served = start()
    killed = served.samples()
    assert offsets_of(killed, end, "t") == {}
    assert offsets_of(killed, sizes, "t") == offsets_of(before, sizes, "t")
    command("get-offsets", "--bootstrap-server", served.bootstrap, "--topic", "t")
    assert offsets_of(served.samples(), end, "t") == offsets_of(before, end, "t")
    assert served.process.end(signal.SIGTERM)[0] == 0

    in_b = {int(path.name.removeprefix("t-")) for path in (tmp_path / "b").glob("t-*")}
    assert in_b
    (tmp_path / "b").rename(tmp_path / "away")
    (tmp_path / "b").write_bytes(b"")
    served = start()
    broken = served.samples()
    left = {index: value for index, value in offsets_of(before, end, "t").items() if index not in in_b}
    assert offsets_of(broken, end, "t") == left
    assert set(offsets_of(broken, "kafka_topic_partition_leader", "t")) == set(range(4))
    assert broken["kafka_log_logmanager_offlinelogdirectorycount"] == 1
    served.process.kill()


def test_both_formats_are_well_formed(served: Served) -> None:
    from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_open
    from prometheus_client.parser import text_string_to_metric_families as parse_text

    plain = {family.name: family.type for family in parse_text(served.get("/metrics")[2])}
    status, kind, body = served.get("/metrics", Accept="application/openmetrics-text; version=1.0.0")
    assert (status, kind.partition(";")[0]) == (200, "application/openmetrics-text")
    assert {family.name: family.type for family in parse_open(body)} == plain
    assert plain["kafka_server_brokertopicmetrics_messagesin"] == "counter"
    assert plain["kafka_brokers"] == "gauge"


def test_what_is_not_http_costs_its_connection_only(served: Served) -> None:
    assert served.raw(b"\0\0\0\x13\0\x12\0\0\0\0\0\1\0\4test\r\n\r\n").startswith(b"HTTP/1.1 400 ")
    too_much = served.raw(b"GET /ready HTTP/1.1\r\nx: " + b"y" * MAX_HEAD_BYTES * 2)
    assert too_much[:13] in (b"HTTP/1.1 431 ", b"")  # a reset may take the answer with it
    assert served.raw(b"GET /ready HTTP/1.1\r\n\r\n").startswith(b"HTTP/1.1 400 ")  # without Host
    assert served.raw(b"GET /ready HTTP/1.0\r\n\r\n").endswith(b"\r\n\r\nready\n")
    assert served.get("/ready")[0] == 200


def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        process = Process(tmp_path, f"serve --port 0 --data d --control-port {port}".split(), {})
        code, _, err = process.end()
    assert code == 1
    assert f"cannot listen on 127.0.0.1:{port}" in err
    assert "--control-port" in err


def test_a_broker_without_it_loads_none_of_it() -> None:
    program = (
        "import sys, klamm.tools.serve, klamm.broker.broker, klamm.broker.handlers.api_versions;"
        "print(sorted({'h11', 'prometheus_client', 'klamm.broker.client_telemetry'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=LIMIT_S)
    assert (done.stdout, done.stderr) == ("[]\n", "")


def test_the_table_in_the_docs_is_complete() -> None:
    assert re.findall(r"^\| `(kafka_\w+)` \|", DOCS.read_text(), re.MULTILINE) == list(MEANINGS)


def test_families_keep_their_order_and_leave_out_what_has_no_samples() -> None:
    found = families([Sample("kafka_brokers", {}, 1), Sample("kafka_log_log_size", {"topic": "t"}, 5)])
    assert [(metric.name, metric.type) for metric in found] == [
        ("kafka_log_log_size", "gauge"),
        ("kafka_brokers", "gauge"),
    ]
