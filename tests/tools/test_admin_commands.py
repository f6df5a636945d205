"""The administrators' commands against a klamm process: what they print, and the codes they end with."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from klamm.tools.admin import metadata_quorum
from klamm.tools.admin.common import CommandError
from klamm.tools.admin.config_entities import Entity, parse_configs, parse_entities
from klamm.tools.admin.feature_levels import NAMES, levels_of, metadata_level
from klamm.tools.admin.get_offsets import parse_rules, parse_time
from klamm.tools.admin.topic_describe import id_text, parse_id
from klamm.tools.cli import main
from klamm.wire.messages.describe_cluster import DescribeClusterResponse
from klamm.wire.messages.describe_quorum import (
    DescribeQuorumResponse,
    DescribeQuorumResponsePartitionData,
    DescribeQuorumResponseTopicData,
    ReplicaState,
)

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(klamm: Callable[..., Any], capsys: pytest.CaptureFixture[str]) -> Run:
    """run(command, *arguments) -> (exit code, stdout, stderr), of a command that is told where klamm is."""
    address = klamm("serve", "--host", "127.0.0.1", "--port", 0, "--ephemeral").listening()

    def call(command: str, *arguments: str) -> tuple[int, str, str]:
        where = ["--bootstrap-server", address]
        words = [*arguments, *where] if command == "cluster" else [*where, *arguments]
        code = main([command, *words])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


def test_topics_from_creation_to_deletion(run: Run) -> None:
    assert run("topics", "--create", "--topic", "a_b", "--partitions", "2", "--config", "retention.ms=9")[:2] == (
        0,
        "WARNING: Due to limitations in metric names, topics with a period ('.') or underscore ('_') could collide."
        " To avoid issues it is best to use either, but not both.\nCreated topic a_b.\n",
    )
    code, out, _ = run("topics", "--describe", "--topic", "a_b")
    assert code == 0
    assert re.sub(r"TopicId: \S{22}\t", "TopicId: ID\t", out) == (
        "Topic: a_b\tTopicId: ID\tPartitionCount: 2\tReplicationFactor: 1\tConfigs: retention.ms=9\n"
        "\tTopic: a_b\tPartition: 0\tLeader: 1\tReplicas: 1\tIsr: 1\tElr: \tLastKnownElr: \n"
        "\tTopic: a_b\tPartition: 1\tLeader: 1\tReplicas: 1\tIsr: 1\tElr: \tLastKnownElr: \n"
    )
    (row,) = json.loads(run("topics", "--describe", "--topic", "a_b", "--json")[1])
    assert [part["partition"] for part in row["partitions"]] == [0, 1]
    assert run("topics", "--describe", "--topic-id", row["topicId"])[1] == out
    assert run("topics", "--alter", "--topic", "a.b", "--partitions", "3")[:2] == (0, "")
    assert run("topics", "--describe", "--topic", "a_b", "--at-min-isr-partitions")[1].count("Partition:") == 3
    assert run("topics", "--describe", "--unavailable-partitions", "--under-replicated-partitions")[1] == ""
    assert run("topics", "--list")[:2] == (0, "a_b\n")
    assert run("topics", "--delete", "--topic", "a.*")[:2] == (0, "")
    assert run("topics", "--list", "--json")[:2] == (0, "[]\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--create", "--topic", "bad/name"], "Topic name is invalid: 'bad/name' contains one or more"),
        (["--create", "--topic", "t", "--config", "foo=1"], "Unknown topic config name: foo"),
        (["--create", "--topic", "t", "--config", "foo"], "requirement failed: Invalid topic config"),
        (["--create", "--topic", "t", "--partitions", "0"], "The partitions must be greater than 0"),
        (["--create", "--topic", "t", "--replica-assignment", "1:1"], "Partition replica lists may not contain"),
        (["--describe", "--topic", "none"], "Topic 'none' does not exist as expected"),
        (["--alter", "--topic", "none", "--partitions", "2"], "Topic 'none' does not exist as expected"),
        (["--delete", "--topic", "none"], "Topic 'none' does not exist as expected"),
        (["--describe", "--topic-id", "abc"], "Input string `abc` decoded as 2 bytes"),
    ],
)
def test_what_topics_cannot_do_ends_with_1_and_kafkas_words(run: Run, arguments: list[str], message: str) -> None:
    code, out, err = run("topics", *arguments)
    assert (code, out.startswith(f"Error while executing topic command : {message}")) == (1, True), out
    assert "(org.apache.kafka.tools.TopicCommand)" in err


def test_if_exists_and_if_not_exists(run: Run) -> None:
    assert run("topics", "--create", "--topic", "t")[0] == 0
    assert run("topics", "--create", "--topic", "t", "--if-not-exists")[:2] == (0, "")
    assert run("topics", "--create", "--topic", "t")[0] == 1
    for action in ("--delete", "--describe"):
        assert run("topics", action, "--topic", "none", "--if-exists")[:2] == (0, "")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--list", "--create"], "Command must include exactly one action"),
        (["--create"], 'Missing required argument "[topic]"'),
        (["--alter", "--topic", "t"], 'Missing required argument "[partitions]"'),
        (["--list", "--partitions", "3"], 'Option "[partitions]" can\'t be used with option "[list]"'),
        (["--nonsense"], "nonsense is not a recognized option"),
    ],
)
def test_options_that_do_not_go_together(run: Run, arguments: list[str], message: str) -> None:
    code, out, err = run("topics", *arguments)
    assert (code, out) == (1, "")
    assert err.startswith(message)


def test_offsets_and_records_deleted(run: Run, tmp_path: Path) -> None:
    run("topics", "--create", "--topic", "t", "--partitions", "2")
    assert run("get-offsets", "--topic", "t")[:2] == (0, "t:0:0\nt:1:0\n")
    assert run("get-offsets", "--topic-partitions", "t:1-", "--json")[1] == '[{"topic":"t","partition":1,"offset":0}]\n'
    assert run("get-offsets", "--topic", "none")[0] == 1
    file = tmp_path / "offsets.json"
    file.write_text('{"partitions": [{"topic": "t", "partition": 0, "offset": 5}], "version": 1}')
    code, out, _ = run("delete-records", "--offset-json-file", str(file))
    assert (code, out.splitlines()[-1]) == (
        0,
        "partition: t-0\terror: org.apache.kafka.common.errors.OffsetOutOfRangeException: The requested offset is not"
        " within the range of offsets maintained by the server.",
    )
    file.write_text('{"partitions": [{"topic": "t", "partition": 0, "offset": 0}], "version": 1}')
    assert run("delete-records", "--offset-json-file", str(file))[1].endswith("partition: t-0\tlow_watermark: 0\n")
    file.write_text("nothing of the kind")
    assert run("delete-records", "--offset-json-file", str(file))[2].startswith(
        "The input string is not a valid JSON\n"
    )


def test_log_dirs_and_elections(run: Run, tmp_path: Path) -> None:
    run("topics", "--create", "--topic", "t")
    found = json.loads(run("log-dirs", "--describe", "--topic-list", "t")[1].splitlines()[-1])
    (directory,) = found["brokers"][0]["logDirs"]
    assert directory["partitions"] == [{"partition": "t-0", "size": 0, "offsetLag": 0, "isFuture": False}]
    assert run("log-dirs", "--describe", "--broker-list", "7") == (
        1,
        "",
        "ERROR: The given brokers do not exist from --broker-list: 7. Current existent brokers: 1\n",
    )
    elect = ("leader-election", "--election-type", "preferred")
    assert run(*elect, "--topic", "t", "--partition", "0")[:2] == (
        0,
        "Valid replica already elected for partitions t-0\n",
    )
    assert run(*elect, "--topic", "none", "--partition", "0")[0] == 1
    assert run(*elect, "--all-topic-partitions")[:2] == (0, "")
    assert run(*elect)[0] == 1


def test_configs_of_everything(run: Run) -> None:
    run("topics", "--create", "--topic", "t")
    assert run("configs", "--alter", "--topic", "t", "--add-config", "retention.ms=5,cleanup.policy=[compact,delete]")[
        :2
    ] == (0, "Completed updating config for topic t.\n")
    assert run("configs", "--describe", "--entity-type", "topics", "--entity-name", "t")[1] == (
        "Dynamic configs for topic t are:\n"
        "  cleanup.policy=compact,delete sensitive=false synonyms={DYNAMIC_TOPIC_CONFIG:cleanup.policy=compact,delete,"
        " DEFAULT_CONFIG:log.cleanup.policy=delete}\n"
        "  retention.ms=5 sensitive=false synonyms={DYNAMIC_TOPIC_CONFIG:retention.ms=5}\n"
    )
    run("configs", "--alter", "--topic", "t", "--delete-config", "retention.ms,cleanup.policy")
    assert run("configs", "--describe", "--topic", "t")[1] == "Dynamic configs for topic t are:\n"
    assert run("configs", "--describe", "--topic", "t", "--all")[1].count("\n") > 30
    run("configs", "--alter", "--user", "u", "--add-config", "producer_byte_rate=20000000")
    assert run("configs", "--describe", "--entity-type", "users")[1].startswith(
        "Quota configs for user-principal 'u' are producer_byte_rate=2.0E7\n"
    )
    assert run("configs", "--alter", "--client", "c", "--add-config", "bogus=1")[0] == 1
    assert run("configs", "--describe")[2] == "At least one entity type must be specified\n"
    code, _, err = run("configs", "--alter", "--topic", "t", "--add-config", "foo=1")
    assert code == 1
    assert "InvalidConfigurationException: Unknown topic config name: foo" in err


def test_metadata_quorum(run: Run, tmp_path: Path) -> None:
    code, out, _ = run("metadata-quorum", "describe", "--status")
    assert code == 0
    assert re.fullmatch(
        r"ClusterId:              \S{22}\nLeaderId:               1\nLeaderEpoch:            1\n"
        r"HighWatermark:          \d+\nMaxFollowerLag:         0\nMaxFollowerLagTimeMs:   0\n"
        r'CurrentVoters:          \[{"id": 1, "endpoints": \["PLAINTEXT://127.0.0.1:\d+"\]}\]\n'
        r"CurrentObservers:       \[\]\n",
        out,
    )
    remove = ("remove-controller", "-i", "1", "-d", "AAAAAAAAAAAAAAAAAAAAAQ")
    assert "UnsupportedVersionException: Cluster doesn't support removing voter" in run("metadata-quorum", *remove)[2]
    code, out, err = run("features", "upgrade", "--release-version", "4.3")
    assert code == 0
    assert "kraft.version was upgraded to 1.\n" in out
    left_out = "eligible.leader.replicas.version, share.version, streams.version"
    assert err == f"Left out, since the broker does not know them: {left_out}\n"
    (voter,) = json.loads(run("metadata-quorum", "--json", "describe", "--status")[1])["currentVoters"]
    assert (
        run("metadata-quorum", "describe", "--replication")[1]
        .split("\n")[1]
        .startswith(f"1     \t{voter['directoryId']}\t")
    )
    assert "VoterNotFoundException: Cannot remove voter ReplicaKey(id=1, " in run("metadata-quorum", *remove)[2]
    controller = tmp_path / "controller.properties"
    (tmp_path / "meta.properties").write_text("node.id=3\ndirectory.id=XZZZZZZZZZZZZZZZZZZZZQ\n")
    listeners = "listeners=CONTROLLER://:19999,B://h:1\ncontroller.listener.names=CONTROLLER,B\n"
    listeners += "advertised.listeners=B://[::1]:2\n"
    controller.write_text(f"process.roles=controller\nnode.id=3\nlog.dirs={tmp_path}\n{listeners}")
    add = ("--command-config", str(controller), "add-controller")
    told = "controller 3 with directory id XZZZZZZZZZZZZZZZZZZZZQ and endpoints: CONTROLLER://localhost:19999, B://[::1]:2\n"
    assert run("metadata-quorum", *add, "--dry-run")[:2] == (0, f"DRY RUN of adding {told}")
    assert "TimeoutException: Aborted add voter operation" in run("metadata-quorum", *add)[2]


def test_a_quorum_of_several(capsys: pytest.CaptureFixture[str]) -> None:
    voters = [
        ReplicaState(replica_id=number, log_end_offset=end, last_fetch_timestamp=time, last_caught_up_timestamp=time)
        for number, end, time in ((2, 90, 900), (1, 100, 1000), (3, 95, -1))
    ]
    observer = ReplicaState(replica_id=9, log_end_offset=1, last_fetch_timestamp=5, last_caught_up_timestamp=-1)
    quorum = DescribeQuorumResponsePartitionData(leader_id=1, leader_epoch=4, high_watermark=95)
    quorum.current_voters, quorum.observers = voters, [observer]
    answer = DescribeQuorumResponse(topics=[DescribeQuorumResponseTopicData(partitions=[quorum])])

    class Asked:
        def controller(self, *_: object) -> DescribeQuorumResponse:
            return answer

        def any(self, *_: object) -> DescribeClusterResponse:
            return DescribeClusterResponse(cluster_id="c")

    def described(*words: str) -> str:
        options = metadata_quorum.parser().parse_args(["--bootstrap-server", "h:1", "describe", *words])
        assert metadata_quorum._describe(Asked(), options) == 0  # type: ignore[arg-type]
        return capsys.readouterr().out

    out = described("--status")
    assert "MaxFollowerLag:         10\nMaxFollowerLagTimeMs:   100\n" in out
    assert 'CurrentVoters:          [{"id": 2}, {"id": 1}, {"id": 3}]\nCurrentObservers:       [{"id": 9}]' in out
    zero = "AAAAAAAAAAAAAAAAAAAAAA"
    assert [line.split() for line in described("--replication").splitlines()[1:]] == [
        ["1", zero, "100", "0", "1000", "1000", "Leader"],
        ["2", zero, "90", "10", "900", "900", "Follower"],
        ["3", zero, "95", "5", "-1", "-1", "Follower"],
        ["9", zero, "1", "99", "5", "-1", "Observer"],
    ]
    human = described("--replication", "--human-readable").splitlines()
    assert " ms ago" in human[1]
    assert human[3].split("\t")[4].strip() == "-1"


def test_cluster_and_features(run: Run) -> None:
    assert re.fullmatch(r"Cluster ID: \S{22}\n", run("cluster", "cluster-id")[1])
    assert run("cluster", "list-endpoints")[1].splitlines()[1].split()[-2:] == ["unfenced", "broker"]
    assert run("cluster", "unregister")[0] == 1
    assert run("cluster", "unregister", "--id", "77")[0] == 1
    assert "Feature: metadata.version " in run("features", "describe")[1]
    assert run("features", "upgrade", "--feature", "group.version=1")[:2] == (0, "group.version was upgraded to 1.\n")
    code, out, err = run("features", "upgrade", "--feature", "foo=1")
    assert (code, err) == (1, "1 out of 1 operation(s) failed.\n")
    assert out.startswith("Could not upgrade foo to 1. ")
    assert run("features", "version-mapping", "--release-version", "3.9")[1].startswith("metadata.version=21 (3.9)\n")


def test_link_commands_makes_scripts_that_run(klamm: Callable[..., Any], tmp_path: Path) -> None:
    address = klamm("serve", "--host", "127.0.0.1", "--port", 0, "--ephemeral", "--topic", "greetings:1").listening()
    folder = tmp_path / "bin"
    assert main(["link-commands", str(folder)]) == 0
    for name in ("kafka-topics.sh", "kafka-topics"):
        done = subprocess.run(
            [folder / name, "--bootstrap-server", address, "--list"], capture_output=True, text=True, timeout=60
        )
        assert (done.returncode, done.stdout) == (0, "greetings\n"), done.stderr
    (folder / "kafka-configs").write_text("somebody's own\n")
    assert main(["link-commands", str(folder)]) == 1
    assert sys.executable in (folder / "kafka-topics").read_text()


def test_what_the_command_lines_mean() -> None:
    both = [Entity("clients", ""), Entity("users", "u")]
    assert (
        parse_entities(["--entity-type", "users", "--entity-name", "u", "--entity-type=clients", "--entity-default"])
        == both
    )
    words = "--entity-type users --entity-name u --entity-type=clients --entity-default"
    assert parse_entities(words.split(" ")) == both
    assert parse_entities(["--client-defaults", "--user", "u"]) == both
    for wrong in (["--entity-type", "cats"], [], ["--entity-name", "x"], ["--topic", "t", "--user", "u"]):
        with pytest.raises(CommandError):
            parse_entities(wrong)
    assert parse_configs("a=1,b=[x,y],c=") == {"a": "1", "b": "x,y", "c": ""}
    wanted = parse_rules("t.*:0,:2-4,u:-1")
    assert [wanted(*key) for key in (("t1", 0), ("t1", 1), ("any", 3), ("any", 4), ("u", 0), ("u", 1))] == [
        True,
        False,
        True,
        False,
        True,
        False,
    ]
    assert (parse_time("latest"), parse_time("-3"), parse_time("17")) == (-1, -3, 17)
    assert id_text(parse_id("x_b-ML8YR_q4E4HCPOZomw")) == "x_b-ML8YR_q4E4HCPOZomw"
    assert metadata_level("3.9") == 21
    assert metadata_level(NAMES[0]) == 7
    assert levels_of("4.0-IV2")["transaction.version"] == 2
