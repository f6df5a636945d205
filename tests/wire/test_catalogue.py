"""Nothing of Kafka 4.3.1 is missing: every message, API and error, with its versions."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from klamm.wire.apis import BY_KEY, BY_NAME
from klamm.wire.catalogue import all_messages, find_message
from klamm.wire.declare import version_range
from klamm.wire.errors import RETRIABLE, ErrorCode
from klamm.wire.schema import make_schema
from klamm.wire.subcons import minimum_size

ROWS: list[dict[str, Any]] = [
    json.loads(line)
    for line in (Path(__file__).parent.parent / "data" / "kafka_protocol.jsonl").read_text().splitlines()
]


def test_every_message_is_declared_with_its_versions() -> None:
    wanted = {
        row["message"]: (
            row["kind"],
            row["key"],
            list(version_range(row["versions"])),
            list(version_range(row["legacy"])),
        )
        for row in ROWS
        if "message" in row
    }
    declared = {
        message.__name__: (message.KIND, message.API_KEY, list(message.VERSIONS), list(message.LEGACY_VERSIONS))
        for message in all_messages()
    }
    assert declared == wanted
    assert len(declared) == 281


def test_every_message_is_flexible_where_kafkas_is() -> None:
    for row in ROWS:
        if "message" in row:
            message = find_message(row["message"])
            versions = set(message.all_versions())
            assert versions & set(message.FLEXIBLE) == versions & set(version_range(row["flexible"])), row["message"]


@pytest.mark.parametrize("row", [row for row in ROWS if "api" in row], ids=lambda row: row["api"])
def test_every_api_has_kafkas_versions(row: dict[str, Any]) -> None:
    wanted_versions = row["versions"] and range(row["versions"][0], row["latest_stable"] + 1)
    if row["api"] not in BY_NAME:
        # Removed before 3.9: a key that nothing may take.
        assert not row["versions"]
        return
    api = BY_NAME[row["api"]]
    assert BY_KEY[row["key"]] is api
    assert list(api.versions) == list(wanted_versions or ())
    older = row["versions_3_9"]
    assert list(api.versions_3_9) == (list(range(older[0], older[1] + 1)) if older else [])
    assert api.flexible_from == row["flexible_from"]
    assert api.advertised_min == row["advertised_min"]
    assert set(api.listeners) == set(row["listeners"] or ())
    for message in (api.request(), api.response()):
        assert api.key == message.API_KEY
        for version in message.all_versions():
            assert (version in message.FLEXIBLE) == api.is_flexible(version)


def test_every_error_has_kafkas_code() -> None:
    wanted = {row["error"]: (row["code"], row["retriable"]) for row in ROWS if "error" in row}
    assert {code.name: (int(code), code in RETRIABLE) for code in ErrorCode} == wanted


def test_names_lead_to_messages() -> None:
    assert find_message("ProduceRequest").__name__ == "ProduceRequest"
    assert find_message("OffsetCommitValue").API_KEY == 1
    for name in ("Produce", "NoSuchRequest", "", "Request"):
        with pytest.raises(KeyError):
            find_message(name)


def test_no_element_of_an_array_is_without_bytes() -> None:
    """A count of elements of no size would be bounded by nothing."""

    def look(layout: Any, where: str) -> None:
        if type(layout).__name__ == "ArrayOf":
            assert minimum_size(layout.subcon) > 0, where
        for inner in (*getattr(layout, "subcons", ()), *(field.subcon for field in getattr(layout, "fields", ()))):
            look(inner, where)
        if getattr(layout, "subcon", None) is not None:
            look(layout.subcon, where)

    for message in all_messages():
        for version in message.all_versions():
            look(make_schema(message, version), f"{message.__name__} v{version}")


def modules_after(code: str) -> set[str]:
    """What a fresh interpreter has imported after some code."""
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; {code}; print(*sys.modules)"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return set(done.stdout.split())


def test_nothing_is_imported_or_compiled_before_it_is_used() -> None:
    loaded = modules_after("import klamm.wire.codec, klamm.wire.apis, klamm.wire.errors, klamm.wire.catalogue")
    assert "construct" not in loaded
    assert not [name for name in loaded if name.startswith("klamm.wire.messages.")]
    loaded = modules_after("from klamm.wire.apis import BY_NAME; BY_NAME['Produce'].request()()")
    assert [name for name in loaded if name.startswith("klamm.wire.messages.")] == ["klamm.wire.messages.produce"]
    assert "construct" not in loaded
    compiled = modules_after(
        "import klamm.wire.codec as c, klamm.wire.apis as a; c.encode(a.BY_NAME['Heartbeat'].request()(), 4)"
    )
    assert "klamm.wire.compile_encoder" in compiled
    assert "klamm.wire.compile_decoder" not in compiled
    assert "klamm.wire.blame" not in compiled


def test_the_commands_that_need_no_wire_import_none() -> None:
    loaded = modules_after("import klamm.tools.cli as cli; cli.main(['--version'])")
    assert "klamm.tools.cli" in loaded
    assert not loaded & {"construct", "trio", "klamm.wire.codec", "klamm.broker"}
