"""A broker's configuration: sources and their order, what is refused, listeners, and what the tables promise."""

from __future__ import annotations

import ast
from dataclasses import fields
from pathlib import Path

import pytest

from klamm.broker.config import Config, ConfigError, Setting
from klamm.broker.config.config import differences, ignored
from klamm.broker.config.definitions import BROKER, CLIENT_METRICS, DIFFERENT_DEFAULTS, GROUP, TOPIC, broker_default
from klamm.broker.config.kinds import READ_ONLY, parse
from klamm.broker.config.sources import environment_configs, load
from klamm.broker.config.topic import SYNONYMS
from klamm.storage.config import LogConfig

ROOT = Path(__file__).resolve().parents[2]

#: config/consumer_groups.py reads group.consumer.NAME with its bounds.
BOUNDED = ("session.timeout.ms", "heartbeat.interval.ms", "assignment.interval.ms")

#: Kafka 4.3.1's own config/server.properties, without its comments.
KAFKAS_SERVER_PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.bootstrap.servers=localhost:9093
listeners=PLAINTEXT://:9092,CONTROLLER://:9093
inter.broker.listener.name=PLAINTEXT
advertised.listeners=PLAINTEXT://localhost:9092,CONTROLLER://localhost:9093
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT,SASL_SSL:SASL_SSL
num.network.threads=3
num.io.threads=8
socket.send.buffer.bytes=102400
socket.receive.buffer.bytes=102400
socket.request.max.bytes=104857600
log.dirs=/tmp/kraft-combined-logs
num.partitions=1
num.recovery.threads.per.data.dir=2
offsets.topic.replication.factor=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
log.retention.hours=168
log.segment.bytes=1073741824
log.retention.check.interval.ms=300000
"""

#: Of the time of ZooKeeper, as tutorials show it.
OLD_SERVER_PROPERTIES = """\
broker.id=0
listeners=PLAINTEXT://:9092
log.dirs=/tmp/kafka-logs
zookeeper.connect=localhost:2181
zookeeper.connection.timeout.ms=18000
delete.topic.enable=true
num.partitions=1
"""


def refused(**values: str) -> str:
    with pytest.raises(ConfigError) as caught:
        Config.of(**values)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# --- the tables -------------------------------------------------------------------------------------------------------


def test_every_config_of_kafka_is_known() -> None:
    assert [len(BROKER) - 2, len(TOPIC), len(GROUP), len(CLIENT_METRICS)] == [360, 34, 17, 3]
    assert [name for name in BROKER if name.startswith("klamm.")] == ["klamm.telemetry.file", "klamm.validate.records"]


def test_defaults_are_values_that_their_own_rules_allow() -> None:
    # Kafka's own defaults break their rules in a few places; it never checks a default.
    for key in [*BROKER.values(), *TOPIC.values(), *GROUP.values(), *CLIENT_METRICS.values()]:
        parse(key, broker_default(key.name) if key.name in BROKER and BROKER[key.name] is key else key.default)


def test_a_topic_config_follows_broker_configs_of_its_own_type_and_default() -> None:
    for name, followed in SYNONYMS.items():
        own, first = TOPIC[name], BROKER[followed[0][0]]
        assert own.type == first.type
        assert first.default in (own.default, None)
        assert all(broker_name in BROKER for broker_name, _ in followed)


def test_differing_defaults_differ_and_have_a_reason() -> None:
    for name, kafkas, ours, reason in differences():
        assert kafkas != ours
        assert reason
        assert name in BROKER
    assert Config().get("group.initial.rebalance.delay.ms") == 0


def config_names_in_code() -> set[str]:
    """Broker configs that the broker's rooms read by name, outside the tables."""
    found: set[str] = set()
    for room in ("broker", "coordinator", "storage"):
        for path in (ROOT / room).rglob("*.py"):
            if "config" in path.parts or path.name == "describe_configs.py":
                continue
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Constant) and node.value in BROKER:
                    found.add(node.value)
    return found


def test_a_config_is_marked_as_taking_effect_exactly_if_code_reads_it() -> None:
    in_config_package = {
        "listeners",
        "advertised.listeners",
        "listener.security.protocol.map",
        "inter.broker.listener.name",
        "controller.listener.names",
        "security.inter.broker.protocol",
        "process.roles",
        "node.id",
        "broker.id",
        "log.dir",
        "log.dirs",
        "metadata.log.dir",
        "authorizer.class.name",
        "remote.log.storage.system.enable",
        "klamm.validate.records",
        "group.consumer.assignors",
    }
    in_config_package |= {
        f"group.consumer.{bound}.{name}"
        for bound in ("min", "max")
        for name in ("heartbeat.interval.ms", "session.timeout.ms", "assignment.interval.ms")
    }
    behind_topics = {name for topic, key in TOPIC.items() if not key.standing for name, _ in SYNONYMS.get(topic, ())}
    # A name that brokers and topics share is read for topics; its row counts through the topic's.
    read = {name for name in config_names_in_code() if name not in TOPIC} | in_config_package | behind_topics
    marked = {name for name, key in BROKER.items() if not key.standing}
    assert sorted(marked - read) == [], "their rows in broker/config/ say HONOURED, and no code reads them"
    assert sorted(read - marked) == [], "set their rows in broker/config/ to HONOURED"


def test_a_topic_config_is_marked_as_taking_effect_exactly_if_storage_uses_it() -> None:
    source = "".join(p.read_text() for p in (ROOT / "storage").glob("*.py") if p.name != "config.py")
    used = {f.name.replace("_", ".") for f in fields(LogConfig) if f".{f.name}" in source}
    # It stands for segment.bytes where it is set.
    used.add("internal.segment.bytes")
    assert {name for name, key in TOPIC.items() if not key.standing} == used & set(TOPIC)


def test_what_takes_effect_is_read_outside_of_the_tables() -> None:
    files = [path for room in ("broker", "storage", "coordinator", "tools") for path in (ROOT / room).rglob("*.py")]
    code = "".join(text for path in files if "ROWS = (" not in (text := path.read_text()))
    # Brokers give topics their defaults, and consumer groups theirs with the bounds of what may be set.
    read = {name for topic, rows in SYNONYMS.items() if not TOPIC[topic].standing for name, _ in rows}
    read |= {f"group.consumer.{bound}.{name}" for bound in ("min", "max") for name in BOUNDED}
    for table in (BROKER, GROUP, CLIENT_METRICS):
        honoured = [name for name, key in table.items() if not key.standing]
        assert [name for name in honoured if name not in read and f'"{name}"' not in code] == []


# --- sources ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("variable", "name"),
    [
        ("KAFKA_NUM_PARTITIONS", "num.partitions"),
        ("KAFKA_LOG_RETENTION_HOURS", "log.retention.hours"),
        ("KAFKA_A__B___C_D", "a_b-c.d"),
        ("KAFKA_A____B", "a-.b"),
    ],
)
def test_names_of_variables(variable: str, name: str) -> None:
    assert environment_configs({variable: "1"}) == {name: (variable, "1")}


def test_variables_of_kafkas_scripts_are_no_configs() -> None:
    assert environment_configs({"KAFKA_HEAP_OPTS": "-Xmx1G", "KAFKA_OPTS": "", "KAFKA_": "", "HOME": "/"}) == {}


def test_a_later_source_wins(tmp_path: Path) -> None:
    path = tmp_path / "server.properties"
    path.write_text("num.partitions=2\nlog.retention.hours=2\nauto.create.topics.enable=false\n")
    environment = {"KAFKA_NUM_PARTITIONS": "3", "KAFKA_LOG_RETENTION_HOURS": "3"}
    config = load(str(path), environment, [("num.partitions", Setting("4", "--set"))])
    assert [config.get(name) for name in ("num.partitions", "log.retention.hours")] == [4, 3]
    assert config.get("auto.create.topics.enable") is False
    assert config.get("delete.topic.enable") is True
    assert config.given["log.retention.hours"].origin == "KAFKA_LOG_RETENTION_HOURS"


def test_an_unknown_key_is_a_note_with_the_nearest_known_one() -> None:
    config = load(overrides=[("nun.partitions", Setting("4", "--set"))])
    assert config.notes == ["unknown config nun.partitions (--set): did you mean num.partitions?"]
    assert Config.of(zzz="1").notes == ["unknown config zzz (given)"]


def test_a_bad_value_names_key_value_source_and_what_is_allowed() -> None:
    message = refused(num_partitions="many")
    assert message == (
        "Invalid value many for configuration num.partitions: Not a number of type INT (given; allowed: [1,...])"
    )
    assert "Value must be at least 1" in refused(num_partitions="0")


def test_a_file_that_cannot_be_read_is_an_error_of_one_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        load(str(tmp_path / "none.properties"))
    bad = tmp_path / "bad.properties"
    bad.write_text("a=\\u12")
    with pytest.raises(ConfigError, match="Malformed"):
        load(str(bad))


def test_kafkas_own_server_properties_starts_without_a_note(tmp_path: Path) -> None:
    path = tmp_path / "server.properties"
    path.write_text(KAFKAS_SERVER_PROPERTIES)
    config = load(str(path))
    assert config.notes == []
    assert [(listener.name, listener.host, listener.port) for listener in config.listeners] == [("PLAINTEXT", "", 9092)]
    assert config.advertised_listeners == {"PLAINTEXT": ("localhost", 9092)}
    assert config.log_dirs == ["/tmp/kraft-combined-logs"]
    assert ignored(config) == [
        ("controller.quorum.bootstrap.servers", BROKER["controller.quorum.bootstrap.servers"].standing)
    ]


def test_a_server_properties_of_zookeepers_time_starts_with_notes(tmp_path: Path) -> None:
    path = tmp_path / "server.properties"
    path.write_text(OLD_SERVER_PROPERTIES)
    config = load(str(path))
    assert config.get("node.id") == 0
    assert [note.split(" (")[0] for note in config.notes] == [
        "config zookeeper.connect",
        "config zookeeper.connection.timeout.ms",
    ]


# --- values -----------------------------------------------------------------------------------------------------------


def test_values_are_typed() -> None:
    config = Config.of(log_cleanup_policy=" compact , delete ", min_insync_replicas=" 2 ")
    assert config.get("log.cleanup.policy") == ("compact", "delete")
    assert config.get("min.insync.replicas") == 2
    assert config.get("log.retention.ms") is None
    assert config.get("log.cleaner.io.buffer.load.factor") == 0.9
    assert config.text("log.cleanup.policy") == "compact,delete"
    with pytest.raises(KeyError):
        config.get("no.such.config")


def test_node_id_and_broker_id_stand_for_each_other() -> None:
    assert Config.of(broker_id="7").get("node.id") == 7
    assert Config.of(node_id="7").get("broker.id") == 7
    assert Config().get("node.id") == 1
    assert "Value must be at least 0" in refused(node_id="-1")


@pytest.mark.parametrize(
    ("values", "part"),
    [
        ({"process_roles": "controller"}, "process.roles"),
        ({"authorizer_class_name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer"}, "no authorizer"),
        ({"remote_log_storage_system_enable": "true"}, "no tiered storage"),
        ({"security_inter_broker_protocol": "SSL"}, "PLAINTEXT only"),
        ({"log_retention_hours": "0"}, "equal or greater than 1"),
        ({"log_retention_ms": "-2"}, "equal or greater than 1"),
    ],
)
def test_what_klamm_cannot_do_is_refused(values: dict[str, str], part: str) -> None:
    assert part in refused(**values)


def test_configs_without_effect_are_named_if_they_were_changed() -> None:
    assert ignored(Config.of(num_io_threads="8", socket_request_max_bytes="5000000")) == []
    ((name, reason),) = ignored(Config.of(num_io_threads="16"))
    assert name == "num.io.threads"
    assert "one event loop" in reason


# --- listeners --------------------------------------------------------------------------------------------------------


def test_several_named_listeners() -> None:
    config = Config.of(
        listeners="internal://127.0.0.1:0,EXTERNAL://[::1]:9094,CONTROLLER://:9093",
        listener_security_protocol_map="INTERNAL:PLAINTEXT, EXTERNAL:plaintext, CONTROLLER:SASL_SSL",
        advertised_listeners="EXTERNAL://kafka.example.com:19094",
        inter_broker_listener_name="INTERNAL",
        controller_listener_names="CONTROLLER",
    )
    assert [tuple(listener) for listener in config.listeners] == [
        ("INTERNAL", "127.0.0.1", 0, 0),
        ("EXTERNAL", "::1", 9094, 0),
    ]
    assert config.advertised_listeners == {"EXTERNAL": ("kafka.example.com", 19094)}
    assert config.security_protocols == {"INTERNAL": 0, "EXTERNAL": 0}


def test_without_a_word_the_listener_is_on_loopback() -> None:
    assert [tuple(listener) for listener in Config().listeners] == [("PLAINTEXT", "127.0.0.1", 9092, 0)]
    assert Config().advertised_listeners == {}
    # Kafka would look up its host's name; klamm answers with the address that a client reached.
    assert Config.of(advertised_listeners="PLAINTEXT://:9092").advertised_listeners == {}


@pytest.mark.parametrize(
    ("values", "part"),
    [
        ({"listeners": "PLAINTEXT//:9092"}, "Unable to parse PLAINTEXT//:9092 to a broker endpoint"),
        ({"listeners": "PLAINTEXT://:70000"}, "Unable to parse"),
        ({"listeners": "PLAINTEXT://:-1"}, "Unable to parse"),
        ({"listeners": "CLIENTS://:9092"}, "no protocol for CLIENTS"),
        ({"listeners": "SSL://:9092"}, "PLAINTEXT only"),
        ({"listeners": "CONTROLLER://:9092"}, "none of them is for clients"),
        ({"listeners": "PLAINTEXT://a:1,PLAINTEXT://b:2"}, "different name"),
        (
            {"listeners": "A://h:1,B://h:1", "listener_security_protocol_map": "A:PLAINTEXT,B:PLAINTEXT"},
            "different port",
        ),
        ({"inter_broker_listener_name": "INTERNAL"}, "it must be one of the listeners: PLAINTEXT"),
        ({"advertised_listeners": "OTHER://h:1"}, "Found OTHER"),
        ({"advertised_listeners": "PLAINTEXT://0.0.0.0:1"}, "nonroutable"),
        ({"listener_security_protocol_map": "PLAINTEXT:NOISE"}, "PLAINTEXT:NOISE is not NAME:PROTOCOL"),
    ],
)
def test_bad_listeners_are_refused(values: dict[str, str], part: str) -> None:
    assert part in refused(**values)


# --- topics -----------------------------------------------------------------------------------------------------------


def test_a_logs_configs_follow_topic_then_broker_then_default() -> None:
    config = Config.of(log_retention_hours="2", log_roll_hours="1", message_max_bytes="2000", log_retention_bytes="7")
    told = LogConfig.from_strings(config.log_configs({"retention.bytes": "9", "cleanup.policy": "compact,delete"}))
    assert told.retention_ms == 7_200_000
    assert told.segment_ms == 3_600_000
    assert told.max_message_bytes == 2000
    assert told.retention_bytes == 9
    assert told.cleanup_policy == ("compact", "delete")
    assert told.index_interval_bytes == 4096


def test_ms_wins_over_minutes_and_minutes_over_hours() -> None:
    def retention_ms(**values: str) -> int:
        return LogConfig.from_strings(Config.of(**values).log_configs({})).retention_ms

    assert retention_ms(log_retention_minutes="3", log_retention_hours="2") == 180_000
    assert retention_ms(log_retention_ms="5", log_retention_minutes="3") == 5
    assert retention_ms(log_retention_hours="-1") == -1
    assert retention_ms() == 604_800_000


def test_tests_of_logs_may_have_tiny_segments() -> None:
    configs = Config().log_configs({"internal.segment.bytes": "1000"})
    assert LogConfig.from_strings(configs).segment_bytes == 1000
    assert "internal.segment.bytes" not in configs


def test_validation_of_records_reaches_the_log() -> None:
    assert LogConfig.from_strings(Config.of(klamm_validate_records="TRUE").log_configs({})).klamm_validate_records
    assert not LogConfig.from_strings(Config().log_configs({})).klamm_validate_records


@pytest.mark.parametrize(
    ("configs", "message"),
    [
        ({"retention.ms": "1000", "cleanup.policy": ""}, None),
        ({"retention.ms": "abc"}, "Invalid value abc for configuration retention.ms: Not a number of type LONG"),
        ({"retention.ms": "x", "nope": "1"}, "Unknown topic config name: nope"),
        ({"segment.bytes": "100"}, "Invalid value 100 for configuration segment.bytes: Value must be at least 1048576"),
        ({"internal.segment.bytes": "100"}, None),
        (
            {"max.compaction.lag.ms": "1", "min.compaction.lag.ms": "5"},
            "conflict topic config setting min.compaction.lag.ms (5) > max.compaction.lag.ms (1)",
        ),
        (
            {"remote.storage.enable": "true"},
            "Tiered Storage functionality is disabled in the broker. "
            "Topic cannot be configured with remote log storage.",
        ),
    ],
)
def test_topic_configs_are_refused_in_kafkas_words(configs: dict[str, str], message: str | None) -> None:
    assert Config().topic_configs_error(configs) == message


def test_configs_that_change_at_start_only_are_read_only() -> None:
    assert BROKER["num.partitions"].update == READ_ONLY
    assert BROKER["log.retention.ms"].update != READ_ONLY
    assert DIFFERENT_DEFAULTS["listeners"].default == "PLAINTEXT://127.0.0.1:9092"
