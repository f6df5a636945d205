"""Requests about topics, brokers and producer ids, and what a real Kafka answers.

tests/data/topic_requests.jsonl holds them in the order in which they are sent to one fresh broker: {"api", "version",
"request", "response"}, both in Kafka's JSON form, the response masked. `"topicId": "$name"` in a request stands for the
id of that topic. `"config": true`: the answer's topic configs are listed whole, elsewhere only their number.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from klamm.wire.apis import BY_NAME
from klamm.wire.declare import Message
from klamm.wire.json_form import from_json, to_json

TABLE = Path(__file__).parents[1] / "data" / "topic_requests.jsonl"
#: Differs from broker to broker, or is drawn.
_MASKED = frozenset({"topicId", "host", "port", "clusterId", "producerId", "rack"})
_UNSET = (None, "", -1, "AAAAAAAAAAAAAAAAAAAAAA")
#: Kafka's order of these is that of a hash, or shuffled.
_UNORDERED = ("topics", "responses")


class Step(NamedTuple):
    line: int
    api: str
    version: int
    request: dict[str, Any]
    response: dict[str, Any] | None
    config: bool

    def __str__(self) -> str:
        return f"line {self.line}: {self.api} v{self.version}"


def steps(table: Path = TABLE) -> Iterator[Step]:
    """The table. `config`: the answer lists a topic's configs whole."""
    for number, text in enumerate(table.read_text().splitlines(), 1):
        line = json.loads(text)
        yield Step(
            number, line["api"], line["version"], line["request"], line.get("response"), line.get("config", False)
        )


class Conversation:
    """Sends steps in order. `ask(request, version)` gives the response."""

    def __init__(self, ask: Callable[[Message, int], Message]) -> None:
        self._ask = ask
        self._ids: dict[str, str] = {}

    def run(self, step: Step) -> dict[str, Any]:
        """The masked response to a step."""
        request = from_json(BY_NAME[step.api].request(), self._with_ids(step.request), step.version)
        shown = to_json(self._ask(request, step.version), step.version)
        for topic in shown.get("topics", ()):
            if topic.get("name") and topic.get("topicId", _UNSET[-1]) != _UNSET[-1]:
                self._ids[topic["name"]] = topic["topicId"]
        return masked(shown, step.config)

    def _with_ids(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self._with_ids(item) for item in value]
        if isinstance(value, dict):
            return {key: self._with_ids(item) for key, item in value.items()}
        return self._ids[value[1:]] if isinstance(value, str) and value.startswith("$") else value


def masked(value: Any, config: bool = False) -> Any:
    """A response without what differs from broker to broker; lists without an order are sorted, and of a topic's
    configs only their number is left unless `config`."""
    if isinstance(value, list):
        return [masked(item, config) for item in value]
    if not isinstance(value, dict):
        return value
    if value.get("name") == "min.insync.replicas":
        # Kafka writes its default into the cluster's own configs (eligible.leader.replicas.version), klamm does not.
        value = value | {"configSource": "*"}
    shown = {}
    for key, item in value.items():
        if key == "configs" and item and not config:
            shown[key] = len(item)
        elif key in _MASKED and item not in _UNSET:
            shown[key] = "*"
        else:
            shown[key] = masked(item, config)
        if key in _UNORDERED and isinstance(item, list):
            shown[key].sort(key=lambda row: json.dumps(row, sort_keys=True))
    return shown
