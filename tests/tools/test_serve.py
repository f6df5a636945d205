"""`klamm serve` from outside: ports, the address file, settings, signals, the lock, the folder."""

from __future__ import annotations

import os
import resource
import signal
import socket
import struct
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from klamm.wire.apis import BY_NAME
from klamm.wire.codec import decode, encode
from klamm.wire.declare import Message
from klamm.wire.messages.describe_configs import DescribeConfigsRequest, DescribeConfigsResource
from klamm.wire.messages.headers import RequestHeader
from klamm.wire.messages.metadata import MetadataRequest

Start = Callable[..., Any]
AddressOf = Callable[[str], Any]


def ask(address: str, name: str, version: int, request: Message) -> Any:
    """One request on a connection of its own. Versions with header v1 and response header v0 only."""
    api = BY_NAME[name]
    assert not api.is_flexible(version)
    header = RequestHeader(request_api_key=api.key, request_api_version=version, correlation_id=1, client_id="t")
    frame = encode(header, 1) + encode(request, version)
    host, _, port = address.rpartition(":")
    with socket.create_connection((host.strip("[]"), int(port)), timeout=30) as sock:
        sock.sendall(struct.pack(">i", len(frame)) + frame)
        with sock.makefile("rb") as stream:
            (length,) = struct.unpack(">i", stream.read(4))
            return decode(api.response(), version, stream.read(length)[4:])


def topics(address: str) -> dict[str, int]:
    """Topic -> number of partitions."""
    return {
        topic.name: len(topic.partitions) for topic in ask(address, "Metadata", 1, MetadataRequest(topics=None)).topics
    }


def config(address: str, key: str) -> str | None:
    resource = DescribeConfigsResource(resource_type=4, resource_name="1", configuration_keys=[key])
    (result,) = ask(address, "DescribeConfigs", 1, DescribeConfigsRequest(resources=[resource])).results
    value: str | None = result.configs[0].value
    return value


def test_connections_are_bounded_by_the_hard_limit_on_descriptors(klamm: Start) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if 0 <= hard < 1024:
        pytest.skip(f"the hard limit on descriptors is {hard}")
    broker = klamm("serve", "--port", "0", "--ephemeral", "--topic", "t:1", limits="ulimit -S -n 64")
    address = broker.listening()
    host, _, port = address.rpartition(":")
    with ExitStack() as open_ones:
        for _ in range(100):
            open_ones.enter_context(socket.create_connection((host, int(port)), timeout=30))
        # They were accepted in order: this one is behind all of them.
        assert topics(address) == {"t": 1}


def test_port_0_and_the_address_file(klamm: Start, address_of: AddressOf, tmp_path: Path) -> None:
    broker = klamm("serve", "--port", "0", "--data", "d", "--address-file", "a.json")
    listening = broker.listening()
    # The file is there before the line is.
    address = address_of("a.json")
    port = int(listening.rpartition(":")[2])
    assert port != 0
    assert address == {
        "bootstrap_servers": listening,
        "brokers": [
            {
                "id": 1,
                "host": "127.0.0.1",
                "port": port,
                "listeners": {"PLAINTEXT": {"host": "127.0.0.1", "port": port}},
            }
        ],
        "pid": broker.pid,
    }
    assert topics(listening) == {}
    code, out, log = broker.end(signal.SIGTERM)
    assert (code, out) == (0, "")
    assert os.listdir(tmp_path) == ["d"]
    for line in ("[KafkaServer id=1] started", "Transitioning from RECOVERY to RUNNING", "Kafka Server started"):
        assert line in log


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_right_after_the_announcement_is_an_orderly_end(klamm: Start, sign: signal.Signals) -> None:
    broker = klamm("serve", "--port", "0", "--ephemeral")
    broker.listening()
    code, _, log = broker.end(sign)
    assert code == 0
    assert f"stopping: {sign.name}" in log
    assert "Traceback" not in log


def test_a_client_that_stays_connected_does_not_keep_the_broker(klamm: Start) -> None:
    broker = klamm("serve", "--port", "0", "--ephemeral")
    host, _, port = broker.listening().rpartition(":")
    with socket.create_connection((host, int(port)), timeout=30) as idle:
        assert broker.end(signal.SIGTERM)[0] == 0
        assert idle.recv(1) == b""


def test_a_second_start_on_the_folder_is_refused_with_the_pid(klamm: Start) -> None:
    first = klamm("serve", "--port", "0", "--data", "d")
    first.listening()
    code, out, err = klamm("serve", "--port", "0", "--data", "d").end()
    assert (code, out) == (1, "")
    assert f"in use by process {first.pid}" in err
    assert first.end(signal.SIGTERM)[0] == 0
    third = klamm("serve", "--port", "0", "--data", "d")
    third.listening()
    assert third.end(signal.SIGTERM)[0] == 0


def test_a_port_in_use_fails_with_one_line_and_leaves_the_folder_as_it_was(klamm: Start, tmp_path: Path) -> None:
    first = klamm("serve", "--port", "0", "--data", "d")
    first.listening()
    assert first.end(signal.SIGTERM)[0] == 0
    clean_mark = tmp_path / "d" / ".kafka_cleanshutdown"
    assert clean_mark.exists()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        code, out, err = klamm("serve", "--port", port, "--data", "d").end()
    assert (code, out) == (1, "")
    assert err == f"klamm: cannot listen on 127.0.0.1:{port}: Address already in use; choose another with --port\n"
    assert clean_mark.exists()
    second = klamm("serve", "--port", "0", "--data", "d")
    second.listening()
    second.end(signal.SIGKILL)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        klamm("serve", "--port", str(taken.getsockname()[1]), "--data", "d").end()
    assert not clean_mark.exists()


def test_the_folder_of_another_node_is_refused(klamm: Start) -> None:
    first = klamm("serve", "--port", "0", "--data", "d")
    first.listening()
    first.end(signal.SIGTERM)
    code, _, err = klamm("serve", "--port", "0", "--data", "d", "--set", "node.id=2").end()
    assert code == 2
    assert "Stored node id 1 doesn't match previous node id 2" in err


def test_an_ephemeral_folder_goes_with_the_broker(klamm: Start, tmp_path: Path) -> None:
    (tmp_path / "t").mkdir()
    broker = klamm("serve", "--port", "0", "--ephemeral", "--topic", "foo:1", TMPDIR=str(tmp_path / "t"))
    broker.listening()
    (folder,) = (tmp_path / "t").iterdir()
    assert (folder / "meta.properties").exists()
    assert broker.end(signal.SIGTERM)[0] == 0
    assert list((tmp_path / "t").iterdir()) == []
    assert not (tmp_path / "klamm-data").exists()


def test_topics_are_there_from_the_start_and_stay(klamm: Start) -> None:
    first = klamm("serve", "--port", "0", "--topic", "foo:3", "--topic", "bar:1:1", "--topic", "baz")
    assert topics(first.listening()) == {"foo": 3, "bar": 1, "baz": 1}
    first.end(signal.SIGTERM)
    again = klamm("serve", "--port", "0", "--topic", "foo:5")
    assert topics(again.listening()) == {"foo": 3, "bar": 1, "baz": 1}
    assert again.end(signal.SIGTERM)[0] == 0


def test_a_topic_that_cannot_be_is_refused(klamm: Start) -> None:
    code, out, err = klamm("serve", "--port", "0", "--topic", "foo:1:3").end()
    assert (code, out) == (2, "")
    assert "--topic foo: " in err
    assert "Traceback" not in err


def test_settings_come_from_file_environment_and_options(klamm: Start, tmp_path: Path) -> None:
    (tmp_path / "server.properties").write_text(
        "node.id=1\nnum.partitions=2\nlog.retention.hours=2\nlog.segment.bytes=2000000\nlog.dirs=from-file\n"
        "nun.partitions=1\n"
    )
    broker = klamm(
        *("serve", "server.properties", "--port", "0", "--set", "num.partitions=4"),
        KAFKA_NUM_PARTITIONS="3",
        KAFKA_LOG_RETENTION_HOURS="3",
    )
    address = broker.listening()
    assert config(address, "num.partitions") == "4"
    assert config(address, "log.retention.hours") == "3"
    assert config(address, "log.segment.bytes") == "2000000"
    assert (tmp_path / "from-file" / "meta.properties").exists()
    code, _, log = broker.end(signal.SIGTERM)
    assert code == 0
    assert "WARN unknown config nun.partitions (server.properties): did you mean num.partitions?" in log


def test_several_listeners_are_announced_and_answer(klamm: Start, address_of: AddressOf, tmp_path: Path) -> None:
    (tmp_path / "server.properties").write_text(
        "listeners=INTERNAL://127.0.0.1:0,EXTERNAL://127.0.0.1:0,CONTROLLER://127.0.0.1:0\n"
        "listener.security.protocol.map=INTERNAL:PLAINTEXT,EXTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT\n"
        "advertised.listeners=EXTERNAL://kafka.example.com:19092,INTERNAL://127.0.0.1:1\n"
        "inter.broker.listener.name=INTERNAL\ncontroller.listener.names=CONTROLLER\n"
    )
    broker = klamm("serve", "server.properties", "--ephemeral", "--address-file", "a.json")
    broker.listening()
    listeners = address_of("a.json")["brokers"][0]["listeners"]
    assert sorted(listeners) == ["EXTERNAL", "INTERNAL"]

    def told(name: str) -> tuple[str, int]:
        (node,) = ask(f"127.0.0.1:{listeners[name]['port']}", "Metadata", 1, MetadataRequest()).brokers
        return node.host, node.port

    assert told("EXTERNAL") == ("kafka.example.com", 19092)
    assert told("INTERNAL") == ("127.0.0.1", 1)
    assert broker.end(signal.SIGTERM)[0] == 0


def test_a_quiet_log_level_keeps_the_line_on_stdout(klamm: Start) -> None:
    broker = klamm("serve", "--port", "0", "--ephemeral", "--log-level", "error", "--set", "nun.partitions=1")
    broker.listening()
    assert broker.end(signal.SIGTERM) == (0, "", "")


def test_configs_without_effect_are_named_in_the_log(klamm: Start) -> None:
    broker = klamm("serve", "--port", "0", "--ephemeral", "--set", "num.io.threads=16")
    broker.listening()
    assert "num.io.threads=16: accepted without effect" in broker.end(signal.SIGTERM)[2]
