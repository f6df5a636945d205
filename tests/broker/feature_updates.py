"""UpdateFeatures on clusters of several releases, and what a real Kafka answers and then has.

A line of tests/data/feature_updates.jsonl is {"format": options of the storage tool}, where a fresh cluster begins, or
{"version", "updates": [[feature, level, upgrade type]], "validate"?, "answer": [error code, message, [[feature, error
code, message]]], "finalized": {feature: level}}, a request to it, its answer, and what ApiVersions says after it of the
features that klamm has. A new request is a line without "answer" and "finalized".
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple

from klamm.broker.features import SUPPORTED_FEATURES
from klamm.wire.declare import Message
from klamm.wire.messages.api_versions import ApiVersionsRequest
from klamm.wire.messages.update_features import FeatureUpdateKey, UpdateFeaturesRequest

TABLE: Final = Path(__file__).parents[1] / "data" / "feature_updates.jsonl"

Ask = Callable[[Message, int], Any]


class Cluster(NamedTuple):
    """`options`: of the storage tool; `steps`: lines of the table."""

    options: list[str]
    steps: list[dict[str, Any]]


def clusters() -> list[Cluster]:
    found: list[Cluster] = []
    for line in map(json.loads, TABLE.read_text().splitlines()):
        if "format" in line:
            found.append(Cluster(line["format"], []))
        else:
            found[-1].steps.append(line)
    return found


def request_of(step: dict[str, Any]) -> UpdateFeaturesRequest:
    version = step["version"]
    return UpdateFeaturesRequest(
        timeout_ms=10_000,
        validate_only=step.get("validate", False),
        feature_updates=[
            FeatureUpdateKey(
                feature=feature,
                max_version_level=level,
                **({"upgrade_type": kind} if version else {"allow_downgrade": kind > 1}),
            )
            for feature, level, kind in step["updates"]
        ],
    )


def answer_to(ask: Ask, step: dict[str, Any]) -> list[Any]:
    """Sends the step's request: [error code, message, [[feature, error code, message]]]."""
    answer = ask(request_of(step), step["version"])
    rows = sorted([row.feature, row.error_code, row.error_message] for row in answer.results)
    return [answer.error_code, answer.error_message, rows]


def finalized(ask: Ask) -> tuple[int, dict[str, int]]:
    """(epoch, feature -> level) by ApiVersions."""
    answer = ask(ApiVersionsRequest(client_software_name="test", client_software_version="1"), 4)
    rows = answer.finalized_features
    assert all(row.min_version_level == row.max_version_level for row in rows)
    levels = {row.name: row.max_version_level for row in rows if row.name in SUPPORTED_FEATURES}
    return answer.finalized_features_epoch, dict(sorted(levels.items()))
