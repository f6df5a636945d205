"""`klamm wire`: what it prints, and the one line that it says when something is wrong."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from klamm.tools import wire_command
from klamm.tools.cli import FAILED, OK, FailedError, UsageError
from klamm.wire.apis import APIS
from klamm.wire.catalogue import all_messages

DATA = Path(__file__).parent.parent / "data"
FRAME = "00000012 0003 0001 00000007 0004 6d796964 ffffffff"


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert wire_command.run(arguments) == OK
    return capsys.readouterr().out


def test_list_has_a_row_for_each_api(capsys: pytest.CaptureFixture[str]) -> None:
    lines = printed(capsys, "list").splitlines()
    assert len(lines) == len(APIS) + 1
    assert lines[0].split() == ["key", "API", "4.3", "3.9", "flexible", "klamm"]
    assert lines[1].split() == ["0", "Produce", "3-13", "0-11", "9+", "3-13"]
    assert ["47", "OffsetDelete", "0", "0", "never", "0"] in [line.split() for line in lines]


def test_list_messages_names_all(capsys: pytest.CaptureFixture[str]) -> None:
    lines = printed(capsys, "list", "--messages").splitlines()
    assert {line.split()[0] for line in lines[1:]} == {message.__name__ for message in all_messages()}


def test_show_is_a_table_of_the_schema(capsys: pytest.CaptureFixture[str]) -> None:
    lines = printed(capsys, "show", "Produce", "9", "--request").splitlines()
    assert lines[0] == "ProduceRequest v9: request, API key 0, flexible"
    assert [line.split()[0] for line in lines[2:8]] == [
        "transactional_id",
        "acks",
        "timeout_ms",
        "topic_data",
        "name",
        "partition_data",
    ]
    assert lines[2].split() == ["transactional_id", "compact", "string", "null", "null", "1+"]
    assert lines[3].split() == ["acks", "int16", "2"]
    assert lines[6].startswith("  name ")


def test_show_both_sides_of_an_api_and_any_message(capsys: pytest.CaptureFixture[str]) -> None:
    both = printed(capsys, "show", "produce", "3")
    assert "ProduceRequest v3" in both
    assert "ProduceResponse v3" in both
    assert "tag 0" in printed(capsys, "show", "OffsetCommitValue", "4")


@pytest.mark.parametrize("message", list(all_messages()), ids=lambda message: message.__name__)
def test_every_message_can_be_shown(message: type, capsys: pytest.CaptureFixture[str]) -> None:
    for version in message.all_versions():  # type: ignore[attr-defined]
        assert f" v{version}: " in printed(capsys, "show", message.__name__, str(version))


def test_unreleased_messages_are_shown_to_who_asks(capsys: pytest.CaptureFixture[str]) -> None:
    both = printed(capsys, "show", "UnregisterController", "0", "--unreleased")
    assert "UnregisterControllerRequest v0: request, API key 94" in both
    assert "UnregisterControllerResponse v0" in both
    assert "topic_id" in printed(capsys, "show", "TxnOffsetCommit", "6", "--request", "--unreleased")
    with pytest.raises(UsageError, match="versions 0-5, not 6"):
        wire_command.run(["show", "TxnOffsetCommit", "6", "--request"])
    assert json.loads(printed(capsys, "decode", "UnregisterController", "0", "--unreleased", "00000007 00")) == {
        "controllerId": 7
    }


def test_decode_and_encode_undo_each_other(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    for line in (DATA / "golden_messages.jsonl").read_text().splitlines()[::97]:
        vector = json.loads(line)
        shown = printed(capsys, "decode", vector["m"], str(vector["v"]), vector["hex"])
        assert json.loads(shown) == vector["j"]
        monkeypatch.setattr("sys.stdin", io.StringIO(shown))
        assert printed(capsys, "encode", vector["m"], str(vector["v"]), "-").strip() == vector["hex"]


def test_which_side_of_an_api(capsys: pytest.CaptureFixture[str]) -> None:
    assert json.loads(printed(capsys, "decode", "Heartbeat", "0", "--response", "00 1b")) == {"errorCode": 27}
    assert json.loads(printed(capsys, "decode", "--response", "Heartbeat", "0", "00:1b")) == {"errorCode": 27}
    assert json.loads(printed(capsys, "decode", "Metadata", "1", "ffffffff")) == {"topics": None}


def test_unknown_tagged_fields_are_shown_and_written_back(capsys: pytest.CaptureFixture[str]) -> None:
    data = "02610000000102620001070161"
    shown = printed(capsys, "decode", "Heartbeat", "4", data)
    assert json.loads(shown)["_unknownTaggedFields"] == {"7": "YQ=="}
    assert printed(capsys, "encode", "Heartbeat", "4", shown).strip() == data


@pytest.mark.parametrize("frame", [FRAME, FRAME[9:]], ids=["with its size", "without"])
def test_a_whole_request_frame(capsys: pytest.CaptureFixture[str], frame: str) -> None:
    shown = printed(capsys, "decode", "--frame", frame)
    assert json.loads(shown) == {
        "api": "Metadata",
        "kind": "request",
        "version": 1,
        "correlationId": 7,
        "clientId": "myid",
        "body": {"topics": None},
    }
    assert printed(capsys, "encode", "--frame", shown).strip() == FRAME.replace(" ", "")


def test_a_whole_response_frame(capsys: pytest.CaptureFixture[str]) -> None:
    frame = "0000000c" + "00000007" + "00" + "00000000" + "001b" + "00"
    shown = printed(capsys, "decode", "Heartbeat", "4", "--response", "--frame", frame)
    assert json.loads(shown)["body"] == {"throttleTimeMs": 0, "errorCode": 27}
    assert printed(capsys, "encode", "--frame", shown).strip() == frame


def test_source_is_what_runs(capsys: pytest.CaptureFixture[str]) -> None:
    source = printed(capsys, "source", "Produce", "9")
    assert "def decode_ProduceRequest_v9(b, p):" in source
    assert "def encode_ProduceRequest_v9(o0, w):" in source
    assert "def encode_" not in printed(capsys, "source", "Produce", "9", "--decode")


def test_check_counts_what_passes(capsys: pytest.CaptureFixture[str]) -> None:
    assert printed(capsys, "check", str(DATA / "golden_messages.jsonl")) == "2496 passed, 0 failed\n"
    assert printed(capsys, "check", str(DATA / "golden_records.jsonl")) == "13 passed, 0 failed\n"


def test_check_names_what_fails(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    good = {"m": "HeartbeatResponse", "v": 0, "j": {"errorCode": 27}, "hex": "001b"}
    batch = json.loads((DATA / "golden_records.jsonl").read_text().splitlines()[0])
    broken = bytearray.fromhex(batch["hex"])
    broken[-1] ^= 1
    rows = [
        good,
        {**good, "j": {"errorCode": 28}},
        {**good, "hex": "00"},
        {**good, "hex": "0"},
        {**good, "m": "NoSuch"},
        {**good, "v": 77},
        {"m": "HeartbeatResponse", "v": 0, "hex": "001b"},
        {**batch, "hex": broken.hex()},
        {**batch, "records": []},
    ]
    file = tmp_path / "vectors.jsonl"
    file.write_text("\n".join(["not json", "", *map(json.dumps, rows)]))
    assert wire_command.run(["check", str(file)]) == FAILED
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == "2 passed, 8 failed"
    assert [line.split(":")[0] for line in lines[:-1]] == [f"line {number}" for number in (1, 4, 5, 6, 7, 8, 10, 11)]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["decode", "Metdata", "1", "00"], "do you mean Metadata?"),
        (["decode", "Metadata", "99", "00"], "MetadataRequest has versions 0-13, not 99"),
        (["decode", "Metadata", "x", "00"], "not x"),
        (["decode", "Metadata", "1", "0g"], "not hexadecimal"),
        (["decode", "OffsetCommitValue", "1", "--request", "00"], "OffsetCommitValue is not a request"),
        (["decode", "Metadata"], "needs NAME and VERSION"),
        (["decode", "OffsetCommitValue", "1", "--frame", "00"], "has no frame of its own"),
        (["encode", "Metadata", "1", "{"], "not JSON"),
        (["encode", "Metadata", "1", '{"topicz": 1}'], "has no field 'topicz'"),
        (["encode", "Metadata", "1", '{"topics": 5}'], "topics: 5 is not an array"),
        (["encode", "Metadata", "1", '{"topics": [5]}'], "topics: 5 is not an object"),
        (["encode", "Metadata", "12", '{"topics": [{"topicId": 5}]}'], "topics: topicId: "),
        (["encode", "--frame", "{}"], "a frame has api"),
        (["check", "/no/such/file"], "cannot be read"),
        (["show", "Metadata", "1", "--what"], "klamm wire --help"),
        ([], "klamm wire --help"),
    ],
)
def test_wrong_usage(arguments: list[str], said: str) -> None:
    with pytest.raises(UsageError) as caught:
        wire_command.run(arguments)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["decode", "Metadata", "1", "0000"], "MetadataRequest v1: topics at byte 0: the bytes end too soon"),
        (["decode", "--frame", "7fff00000000"], "RequestHeader"),
        (["encode", "Heartbeat", "0", '{"generationId": 2147483648}'], "generation_id: 2147483648 is not int32"),
    ],
)
def test_what_cannot_be_decoded_or_encoded(arguments: list[str], said: str) -> None:
    with pytest.raises(FailedError) as caught:
        wire_command.run(arguments)
    assert said in str(caught.value)
