"""DescribeConfigs and the configs in CreateTopics' answer, held to what a real Kafka 4.3.1 answered.

data/describe_configs.jsonl: the broker's properties and topics, then one request and its answer a line, recorded from
Kafka with these properties; configs sorted by name, each [name, value, read only, source, sensitive, type, synonyms].
"""

from __future__ import annotations

import json
import logging
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from klamm.broker.config import Config, Setting, definitions
from klamm.broker.handlers.describe_configs import handle
from klamm.wire.codec import decode, encode
from klamm.wire.messages.describe_configs import (
    DescribeConfigsRequest,
    DescribeConfigsResource,
    DescribeConfigsResponse,
)

DATA = Path(__file__).resolve().parents[1] / "data"
WORLD, *CASES = [json.loads(line) for line in (DATA / "describe_configs.jsonl").read_text().splitlines()]

#: 4.3.1 finalizes eligible.leader.replicas.version, which writes min.insync.replicas as a dynamic config of the
#: cluster (source 3); klamm does not have that feature. klamm's own configs are in no answer of Kafka's.
OTHERWISE = {"min.insync.replicas", "klamm.validate.records", "klamm.telemetry.file"}


def context_of(config: Config, topics: dict[str, dict[str, str]], version: int = 4) -> Any:
    catalogue = SimpleNamespace(
        topic=lambda name: SimpleNamespace(configs=topics[name]) if name in topics else None,
        configs=lambda kind, name: {},
    )
    broker = SimpleNamespace(config=config, node_id=config.get("node.id"), catalogue=catalogue)
    return SimpleNamespace(broker=broker, api_version=version)


def ask(
    context: Any, resources: list[tuple[int, str, list[str] | None]], synonyms: bool, documentation: bool = False
) -> DescribeConfigsResponse:
    """The answer after a trip over the wire, which also shows that each version can carry it."""
    request = DescribeConfigsRequest(
        resources=[
            DescribeConfigsResource(resource_type=kind, resource_name=name, configuration_keys=keys)
            for kind, name, keys in resources
        ],
        include_synonyms=synonyms,
        include_documentation=documentation,
    )
    version = context.api_version
    return decode(DescribeConfigsResponse, version, encode(handle(request, context), version))


def rows(result: Any) -> list[Any]:
    return sorted(
        [
            entry.name,
            entry.value,
            entry.read_only,
            entry.config_source,
            entry.is_sensitive,
            entry.config_type,
            [[synonym.name, synonym.value, synonym.source] for synonym in entry.synonyms],
        ]
        for entry in result.configs
        if entry.name not in OTHERWISE
    )


@pytest.fixture
def kafkas_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(definitions.DIFFERENT_DEFAULTS):
        monkeypatch.delitem(definitions.DIFFERENT_DEFAULTS, name)


@pytest.fixture
def config(kafkas_defaults: None) -> Config:
    return Config({name: Setting(text, "server.properties") for name, text in WORLD["properties"].items()})


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"v{case['version']} {str(case['resources'])[:60]}")
def test_answers_are_kafkas(case: dict[str, Any], config: Config) -> None:
    context = context_of(config, WORLD["topics"], case["version"])
    response = ask(context, [tuple(resource) for resource in case["resources"]], case["synonyms"])
    assert len(response.results) == len(case["results"])
    for result, (code, message, kind, name, configs) in zip(response.results, case["results"], strict=True):
        assert (result.error_code, result.error_message) == (code, message)
        assert (result.resource_type, result.resource_name) == (kind, name)
        assert rows(result) == [row for row in configs if row[0] not in OTHERWISE]


def test_configs_of_a_created_topic_are_kafkas(config: Config) -> None:
    lines = [json.loads(line) for line in (DATA / "created_topic_configs.jsonl").read_text().splitlines()]
    for line in lines:
        answer = [
            [row.name, row.value, row.read_only, row.config_source, row.is_sensitive]
            for row in config.created_topic_configs(line["configs"])
        ]
        for ours, kafkas in zip(answer, line["answer"], strict=True):
            assert ours == kafkas or ours[0] in OTHERWISE


def test_documentation_comes_only_when_asked_for() -> None:
    context = context_of(Config(), {"t": {}})
    (asked,) = ask(context, [(2, "t", ["retention.ms"])], synonyms=False, documentation=True).results
    (not_asked,) = ask(context, [(2, "t", ["retention.ms"])], synonyms=False).results
    assert asked.configs[0].documentation == (
        "How long records are kept; -1 keeps all. In klamm: takes effect. Allowed: [-1,...]."
    )
    assert not_asked.configs[0].documentation is None


def test_klamms_own_defaults_show_as_defaults() -> None:
    context = context_of(Config(), {})
    (result,) = ask(context, [(4, "1", ["group.initial.rebalance.delay.ms", "node.id"])], synonyms=True).results
    assert rows(result) == [
        ["group.initial.rebalance.delay.ms", "0", True, 5, False, 3, [["group.initial.rebalance.delay.ms", "0", 5]]],
        ["node.id", "1", True, 5, False, 3, [["node.id", "1", 5]]],
    ]


def test_an_internal_config_shows_only_if_it_was_set() -> None:
    asked = [(4, "1", ["unstable.api.versions.enable"])]
    (unset,) = ask(context_of(Config(), {}), asked, synonyms=False).results
    (set_,) = ask(context_of(Config.of(unstable_api_versions_enable="true"), {}), asked, synonyms=False).results
    assert rows(unset) == []
    assert [row[:2] for row in rows(set_)] == [["unstable.api.versions.enable", "true"]]


def test_loggers_have_kafkas_names_of_levels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logging.getLogger("klamm.connection"), "level", logging.WARNING)
    (result,) = ask(context_of(Config(), {}), [(8, "1", ["klamm.connection", "root"])], synonyms=True).results
    assert [row[0] for row in rows(result)] == ["klamm.connection", "root"]
    assert rows(result)[0] == ["klamm.connection", "WARN", False, 6, False, 0, []]


@pytest.mark.parametrize("name", ["9" * 10_000, "4294967297", " 1", "1 ", "1.0", "x"])
@pytest.mark.parametrize("kind", [4, 8])
def test_what_is_no_broker_id_is_refused(kind: int, name: str) -> None:
    (result,) = ask(context_of(Config(), {}), [(kind, name, None)], synonyms=False).results
    assert (result.error_code, result.error_message) == (42, f"Broker id must be an integer, but it is: {name}")


@pytest.mark.behaviour("45")
@pytest.mark.behaviour("46")
@pytest.mark.parametrize("configs", [{"cleanup.policy": "compact"}, {"cleanup.policy": "delete", "retention.ms": "-1"}])
def test_connect_and_apicurio_read_back_exactly_what_they_set(configs: dict[str, str]) -> None:
    """Both look at the text: Connect for exactly "compact", Apicurio for exactly "delete" and "-1"."""
    broker_says_both = Config.of(log_cleanup_policy="compact,delete", log_retention_hours="1")
    (result,) = ask(context_of(broker_says_both, {"t": configs}), [(2, "t", sorted(configs))], synonyms=False).results
    assert {entry.name: (entry.value, entry.config_source) for entry in result.configs} == {
        name: (value, 1) for name, value in configs.items()
    }
