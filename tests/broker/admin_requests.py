"""Requests of administrators - configs, partitions, quotas, credentials, quorum - and what a real Kafka answers.

tests/data/admin_requests.jsonl holds them as topic_requests.jsonl does (see `topic_requests.py`), in the order in which
they are sent to one fresh broker; hunted_admin_requests.jsonl those that compat_tests/behaviours/hunt.py drew.
`"$@logDir"` in a request stands for the broker's log directory, which an answer of DescribeLogDirs has told before,
`"$@memberId"` for the member id of the last JoinGroup.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from klamm.wire.apis import BY_NAME
from klamm.wire.declare import Message
from klamm.wire.json_form import from_json, to_json

from .topic_requests import Step, steps

TABLE: Final = Path(__file__).parents[1] / "data" / "admin_requests.jsonl"
HUNTED: Final = TABLE.with_name("hunted_admin_requests.jsonl")
#: What the broker must be set to that is asked the requests of TABLE, and of HUNTED.
CONFIG: Final = {"num.partitions": "3", "offsets.topic.num.partitions": "4"}
HUNT_CONFIG: Final = {
    **CONFIG,
    "transaction.state.log.num.partitions": "4",
    "group.consumer.assignment.interval.ms": "0",
    # No member's session ends while they are asked.
    "group.consumer.max.session.timeout.ms": "3600000",
    "group.consumer.session.timeout.ms": "3600000",
    # Nor is a log looked at for what is too old.
    "log.initial.task.delay.ms": "36000000",
    "log.retention.check.interval.ms": "36000000",
}
LOG_DIR: Final = "$@logDir"
MEMBER_ID: Final = "$@memberId"

#: Differs from broker to broker, or from moment to moment.
_MASKED: Final = frozenset(
    {
        *("topicId", "host", "port", "clusterId", "logDir", "replicaDirectoryId", "totalBytes", "usableBytes"),
        *("logEndOffset", "highWatermark", "lastFetchTimestamp", "lastCaughtUpTimestamp", "listeners"),
        *("memberId", "leader", "transactionStartTimeMs"),
    }
)
#: Masked only here: elsewhere they are the point of the answer.
_MASKED_IN: Final = {"DescribeQuorum": frozenset({"leaderEpoch"}), "Produce": frozenset({"errorMessage"})}
#: Their order is the point; elsewhere Kafka's order is that of a hash, or of the request in klamm.
_ORDERED: Final = frozenset({"synonyms", "currentVoters"})
_ORDERED_APIS: Final = frozenset({"DescribeTopicPartitions"})


def admin_steps(table: Path = TABLE) -> Iterator[Step]:
    return steps(table)


class AdminConversation:
    """Sends steps in order. `ask(request, version)` gives the response."""

    def __init__(self, ask: Callable[[Message, int], Message]) -> None:
        self._ask = ask
        self._log_dir = self._member_id = ""

    def run(self, step: Step) -> dict[str, Any]:
        """The masked response to a step."""
        text = json.dumps(step.request).replace(LOG_DIR, self._log_dir).replace(MEMBER_ID, self._member_id)
        request = from_json(BY_NAME[step.api].request(), json.loads(text), step.version)
        shown = to_json(self._ask(request, step.version), step.version)
        if step.api == "DescribeLogDirs":
            self._log_dir = shown["results"][0]["logDir"]
        if step.api == "JoinGroup":
            self._member_id = shown["memberId"]
        found: dict[str, Any] = masked(shown, step.api, self._log_dir)
        return found


def masked(value: Any, api: str, log_dir: str) -> Any:
    """A response without what differs from broker to broker; lists whose order has no meaning are sorted."""
    if isinstance(value, str) and log_dir:
        return value.replace(log_dir, "*")
    if isinstance(value, list):
        return [masked(item, api, log_dir) for item in value]
    if not isinstance(value, dict):
        return value
    hidden = _MASKED | _MASKED_IN.get(api, frozenset())
    shown: dict[str, Any] = {}
    for key, item in value.items():
        if key in hidden and (item not in (None, [], -1) or key == "errorMessage"):
            shown[key] = "*"
        else:
            shown[key] = masked(item, api, log_dir)
        if isinstance(item, list) and key not in _ORDERED and api not in _ORDERED_APIS and shown[key] != "*":
            shown[key].sort(key=lambda row: json.dumps(row, sort_keys=True))
    return shown
