"""Messages that klamm encodes, put through Kafka's own generated classes: the same bytes come back, and the same JSON.

Each message of each version that 4.3.1 has, at its defaults and with values at random: extremes, nulls, tags, unknown
tags. The golden vectors say that klamm reads what Kafka wrote; this says that Kafka reads what klamm writes.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from klamm.wire.catalogue import all_messages, find_message
from klamm.wire.codec import DecodeError, EncodeError, decode, encode
from klamm.wire.declare import Message
from klamm.wire.json_form import to_json

from .values import Values, without_key_clashes

pytestmark = pytest.mark.bounded(400)

HERE = Path(__file__).parent
JVM = ("-Xmx384M", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
ROUNDS = 3
SEED = 431


class Sent(NamedTuple):
    name: str
    version: int
    message: Message
    data: bytes


def messages_to_send() -> list[Sent]:
    source = Values(SEED)
    found = []
    for declared in all_messages():
        for version in declared.VERSIONS:
            made: list[Message] = [declared()]
            made += [source.struct(declared, version, version in declared.FLEXIBLE) for _ in range(ROUNDS)]
            for message in made:
                without_key_clashes(message)
                try:
                    data = encode(message, version)
                except EncodeError as error:
                    raise AssertionError(f"a value of klamm's own making: {error}") from error
                found.append(Sent(declared.__name__, version, message, data))
    return found


def ask_java(jars: list[Path], lines: list[str]) -> list[str]:
    done = subprocess.run(
        ["java", *JVM, "-cp", os.pathsep.join(map(str, jars)), str(HERE / "Codecs.java")],
        input="\n".join(lines) + "\n",
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout.splitlines()


#: Of these fields Kafka's converters show only whether they are null.
RECORDS = ("records", "unalignedRecords")


def same_json(java: Any, ours: Any) -> bool:
    """Whether both say the same; Kafka's converters leave out unknown tagged fields."""
    if isinstance(java, dict) and isinstance(ours, dict):
        shown = {name: value for name, value in ours.items() if name != "_unknownTaggedFields"}
        return java.keys() == shown.keys() and all(
            (java[name] is None) == (shown[name] is None) if name in RECORDS else same_json(java[name], shown[name])
            for name in java
        )
    if isinstance(java, list) and isinstance(ours, list):
        return len(java) == len(ours) and all(map(same_json, java, ours))
    if isinstance(java, float) or isinstance(ours, float):
        return math.isclose(java, ours)
    return bool(java == ours)


#: No generated class: a Schema written in Java (ControlRecordType) that is four bytes of key.
WITHOUT_A_CLASS = ("ControlRecordTypeSchema",)


def test_kafka_reads_what_klamm_writes(current_jars: list[Path]) -> None:
    sent = [one for one in messages_to_send() if one.name not in WITHOUT_A_CLASS]
    answers = ask_java(current_jars, [f"{one.name} {one.version} {one.data.hex()}" for one in sent])
    assert len(answers) == len(sent) > 2000
    failed = []
    jsons = 0
    for one, answer in zip(sent, answers, strict=True):
        verdict, _, rest = answer.partition(" ")
        data, _, text = rest.partition(" ")
        if verdict != "ok" or data != one.data.hex():
            failed.append(f"{one.name} v{one.version}: {one.data.hex()} comes back as {answer[:300]}")
        elif text:
            jsons += 1
            if not same_json(json.loads(text), json.loads(json.dumps(to_json(one.message, one.version)))):
                failed.append(f"{one.name} v{one.version}: {to_json(one.message, one.version)} is {text[:600]}")
    assert not failed, f"{len(failed)} of {len(sent)}: " + "\n".join(failed[:8])
    assert jsons > 2000


LENIENT = [
    ("MetadataRequest", 1, "fffffffb", "ok ffffffff"),  # any negative count is null
    ("ProduceRequest", 3, "fffd00010000000000000000", "ok ffff00010000000000000000"),
    ("DescribeTopicPartitionsRequest", 0, "010000000107026100000005" + "0000", "ok 0100000001010261000000050000"),
    ("DescribeTopicPartitionsRequest", 0, "0100000001fe00", "ok 0100000001ff00"),
    (
        "ApiVersionsResponse",
        3,
        "000001000000000203010101080000000000000009",
        "ok 000001000000000201080000000000000009030101",
    ),
    ("HeartbeatRequest", 4, "02ff00000001026200" + "00", "ok 04efbfbd00000001026200" + "00"),
    ("HeartbeatRequest", 4, "818002" + "78" * 32768 + "000000010000", "error"),  # a string of 32768 bytes
    ("HeartbeatRequest", 4, "ffffffffff0f00000001026200" + "00", "error"),
]


def test_kafka_takes_and_refuses_what_klamm_does(current_jars: list[Path]) -> None:
    answers = ask_java(current_jars, [f"{name} {version} {data}" for name, version, data, _ in LENIENT])
    for (name, version, data, said), answer in zip(LENIENT, answers, strict=True):
        assert answer.startswith(said), f"{name} v{version} {data[:60]}: {answer[:200]}"
        try:
            ours = "ok " + encode(decode(find_message(name), version, bytes.fromhex(data)), version).hex()
        except DecodeError:
            ours = "error"
        assert ours.startswith(said), f"{name} v{version} {data[:60]}: {ours[:200]}"
