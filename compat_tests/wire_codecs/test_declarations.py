"""Every declared row beside the JSON definitions inside of Kafka's jars: name, type, versions, nulls, default, tag."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from klamm.wire.catalogue import all_messages, find_message
from klamm.wire.declare import ZERO_UUID, Message, Row, Struct, version_range
from klamm.wire.json_form import uuid_bytes

from .jars import definitions

pytestmark = pytest.mark.bounded(400)

Problems = list[str]

#: Early access in 3.9 (KIP-932), spoken only behind an unstable switch; 4.1 began again with version 1.
PREVIEWS = ("ShareGroupHeartbeat", "ShareGroupDescribe", "ShareFetch", "ShareAcknowledge")
#: ListClientMetricsResources has become ListConfigResources, with the same bytes in version 0 (KIP-1142).
RENAMED = ("ListClientMetricsResources",)


def wanted_default(field: dict[str, Any], row: Row) -> Any:
    """The default that Kafka's generator gives a field (org.apache.kafka.message.FieldSpec.fieldDefault).

    A JSON null, unlike the text "null", is no default at all.
    """
    text = field.get("default")
    if isinstance(text, str) and text == "null":
        return None
    if field["type"].startswith("[]"):
        return []
    if row.of is not None:
        return row.of()
    if row.type == "records":
        return None
    if row.type == "string":
        return text or ""
    if row.type == "bytes":
        return b""
    if row.type == "uuid":
        return uuid_bytes(text) if text else ZERO_UUID
    if text in (None, ""):
        return {"bool": False, "float64": 0.0}.get(row.type, 0)
    if row.type == "bool":
        return text in (True, "true")
    if row.type == "float64":
        return float(text)
    return int(text, 0) if isinstance(text, str) else text


def versions_of(field: dict[str, Any]) -> range:
    """Where nothing else is said, a field is in the versions that tag it."""
    return version_range(field.get("versions", field.get("taggedVersions", "none")))


def declared_type(row: Row) -> str:
    return ("[]" if row.array else "") + ("struct" if row.of is not None else row.type)


def compare_fields(
    where: str,
    declared: type[Struct],
    fields: list[dict[str, Any]],
    commons: dict[str, list[dict[str, Any]]],
    versions: set[int],
    problems: Problems,
    current: bool,
) -> None:
    """Adds to `problems` what differs in `versions`; a field that none of them has is not looked at.

    `current`: also what a field is in all of its versions, where the newest file is right.
    """
    wanted = {field["name"]: field for field in fields if versions & set(versions_of(field))}
    rows = {row.json_name: row for row in declared.ROWS if versions & set(row.versions)}
    names = {name[0].lower() + name[1:]: name for name in wanted}
    # A removed field may stand elsewhere in the old file: the order is that of each version's bytes.
    for version in sorted(versions):
        theirs = [n for n, full in names.items() if version in versions_of(wanted[full])]
        ours = [n for n, row in rows.items() if version in row.versions]
        if theirs != ours:
            problems.append(f"{where} v{version}: Kafka has {theirs}, klamm {ours}")
    for name in names.keys() & rows.keys():
        field, row = wanted[names[name]], rows[name]
        there = f"{where}.{name}"
        bare = field["type"].removeprefix("[]")
        is_struct = bare[0].isupper()
        expected = ("[]" if field["type"].startswith("[]") else "") + ("struct" if is_struct else bare)
        carried = versions & set(versions_of(field))
        tagged = versions & set(version_range(field.get("taggedVersions", "none")))
        facts = {
            "type": (expected, declared_type(row)),
            "versions": (carried, versions & set(row.versions)),
            "nullable": (
                carried & set(version_range(field.get("nullableVersions", "none"))),
                carried & set(row.nullable),
            ),
            "tagged versions": (tagged, versions & set(row.tagged)),
            "tag": (field.get("tag") if tagged else None, row.tag if tagged else None),
            "flexible": (field.get("flexibleVersions"), row.flexible),
            "default": (wanted_default(field, row), row.default_value()),
        }
        if current:
            facts["ignorable"] = field.get("ignorable") in (True, "true"), row.ignorable  # it stands as text, too
            facts["map key"] = field.get("mapKey", False), row.map_key
        for fact, (theirs_, ours_) in facts.items():
            if theirs_ != ours_ or type(theirs_) is not type(ours_):
                problems.append(f"{there}: {fact} is {theirs_!r} in Kafka, {ours_!r} in klamm")
        if is_struct and row.of is not None:
            compare_fields(there, row.of, field.get("fields") or commons[bare], commons, carried, problems, current)


def compare(definition: dict[str, Any], message: type[Message], versions: set[int], current: bool) -> Problems:
    problems: Problems = []
    name = definition["name"]
    if definition["type"] != message.KIND:
        problems.append(f"{name}: {definition['type']} in Kafka, {message.KIND} in klamm")
    if definition.get("apiKey") != message.API_KEY:
        problems.append(f"{name}: key {definition.get('apiKey')} in Kafka, {message.API_KEY} in klamm")
    flexible = versions & set(version_range(definition.get("flexibleVersions", "none")))
    if flexible != versions & set(message.FLEXIBLE):
        problems.append(f"{name}: flexible in {sorted(flexible)} in Kafka")
    commons = {common["name"]: common["fields"] for common in definition.get("commonStructs", [])}
    compare_fields(name, message, definition.get("fields", []), commons, versions, problems, current)
    return problems


def test_every_declaration_is_that_of_4_3_1(current_jars: list[Path]) -> None:
    problems: Problems = []
    seen = set()
    for definition in definitions(current_jars):
        name = definition["name"]
        seen.add(name)
        message = find_message(name)
        versions = set(version_range(definition["validVersions"]))
        if versions != set(message.VERSIONS):
            problems.append(f"{name}: versions {definition['validVersions']} in Kafka, {message.VERSIONS} in klamm")
        problems += compare(definition, message, versions, current=True)
    assert not problems, "\n".join(problems)
    assert len(seen) > 270
    only_ours = {message.__name__ for message in all_messages() if message.VERSIONS} - seen
    # Kafka writes these two without a JSON definition: as a Schema in Java, and as plain struct fields.
    assert only_ours <= {"ControlRecordTypeSchema"}, only_ours


def test_every_older_version_is_that_of_3_9_2(old_clients: Path) -> None:
    problems: Problems = []
    seen: dict[str, set[int]] = {}
    for definition in definitions([old_clients]):
        name = definition["name"]
        if name.removesuffix("Request").removesuffix("Response") in (*PREVIEWS, *RENAMED):
            continue
        try:
            message = find_message(name)
        except KeyError:
            problems.append(f"{name} is in 3.9.2 and not in klamm")
            continue
        versions = set(version_range(definition["validVersions"]))
        seen[name] = versions
        older = versions - set(message.VERSIONS)
        if older != set(message.LEGACY_VERSIONS):
            problems.append(f"{name}: older versions {sorted(older)} in Kafka, {message.LEGACY_VERSIONS} in klamm")
        if older:
            problems += compare(definition, message, older, current=False)
    assert not problems, "\n".join(problems)
    legacy = {message.__name__ for message in all_messages() if message.LEGACY_VERSIONS}
    assert legacy <= set(seen), legacy - set(seen)
    assert len(legacy) == 49


@pytest.mark.parametrize(
    ("field", "change", "said"),
    [
        ("MaxBytes", {"versions": "5+"}, "klamm ["),
        ("MaxBytes", {"type": "int64"}, "type is 'int64' in Kafka, 'int32'"),
        ("MaxBytes", {"default": "0x7ffffffe"}, "default is 2147483646 in Kafka"),
        ("MaxBytes", {"ignorable": False}, "ignorable is False in Kafka"),
        ("ClusterId", {"nullableVersions": "13+"}, "nullable is"),
        ("ClusterId", {"tag": 2}, "tag is 2 in Kafka, 0 in klamm"),
        ("ClusterId", {"taggedVersions": "13+"}, "tagged versions is"),
        ("RackId", {"name": "Rack"}, "'rack'"),
    ],
)
def test_a_difference_would_be_seen(current_jars: list[Path], field: str, change: dict[str, Any], said: str) -> None:
    definition = next(found for found in definitions(current_jars) if found["name"] == "FetchRequest")
    for entry in definition["fields"]:
        if entry["name"] == field:
            entry.update(change)
    message = find_message("FetchRequest")
    problems = compare(definition, message, set(message.VERSIONS), current=True)
    assert problems
    assert said in problems[0]
