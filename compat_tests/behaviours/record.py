"""Writes what a real Kafka makes of the malformed requests into tests/data/malformed_requests.jsonl.

    python -m compat_tests.behaviours.record HOST:PORT     of a fresh Kafka (compat_tests/kafka_peer/peer.py starts one)

A line is {"name", "hex", "half"?, "kafka": outcome}, in the order of malformed.py; tests/broker/outcomes.py says what
an outcome is. Where klamm is meant to differ, "klamm" and "why" stand beside it, from DIFFERENCES here.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from klamm.wire.errors import ErrorCode
from klamm.wire.messages.metadata import MetadataRequest
from tests.broker.outcomes import observe
from tests.broker.raw_client import ask

from .build import TOPIC
from .malformed import cases, prepare

Outcome = dict[str, Any]

ROOT = Path(__file__).resolve().parents[2]
TABLE = ROOT / "tests" / "data" / "malformed_requests.jsonl"
#: How long a real Kafka must say nothing to be called silent.
SILENCE_S = 2.0


def _replaced(outcome: Any, **fields: Any) -> Any:
    """The outcome with other values of these fields, wherever they stand in it."""
    if isinstance(outcome, list):
        return [_replaced(item, **fields) for item in outcome]
    if isinstance(outcome, dict):
        return {key: fields.get(key, _replaced(item, **fields)) for key, item in outcome.items()}
    return outcome


def _closed(_kafka: Outcome) -> Outcome:
    return {"closed": True}


def _invalid_record(kafka: Outcome) -> Outcome:
    return dict(_replaced(kafka, errorCode=ErrorCode.INVALID_RECORD))


def _taken(kafka: Outcome) -> Outcome:
    return dict(_replaced(kafka, errorCode=ErrorCode.NONE, baseOffset="*"))


def _null_records(_kafka: Outcome) -> Outcome:
    answer = {"index": 0, "errorCode": ErrorCode.INVALID_RECORD, "baseOffset": -1, "logAppendTimeMs": -1}
    answer |= {"logStartOffset": -1, "recordErrors": []}
    return {"answer": {"responses": [{"name": TOPIC, "partitionResponses": [answer]}]}}


def _read_uncommitted(kafka: Outcome) -> Outcome:
    known = {"highWatermark": 0, "lastStableOffset": 0, "logStartOffset": 0, "abortedTransactions": None}
    known |= {"offset": 0, "leaderEpoch": 0}
    return dict(_replaced(kafka, errorCode=ErrorCode.NONE, **known))


def _unknown(kafka: Outcome) -> Outcome:
    return dict(_replaced(kafka, errorCode=ErrorCode.UNKNOWN_TOPIC_OR_PARTITION))


def _unknown_beside(kafka: Outcome) -> Outcome:
    """Partition 9 is unknown, partition 0 has the error that Kafka gives both."""
    (topic,) = kafka["answer"]["responses"]
    answers = [_unknown(one) if one["index"] == 9 else one for one in topic["partitionResponses"]]
    return {"answer": {"responses": [{**topic, "partitionResponses": answers}]}}


def _invalid_acks(kafka: Outcome) -> Outcome:
    return dict(_replaced(kafka, errorCode=ErrorCode.INVALID_REQUIRED_ACKS))


def _not_timed_out(kafka: Outcome) -> Outcome:
    """What Kafka answers when it is given time."""
    codes = {"a/b": ErrorCode.INVALID_TOPIC_EXCEPTION, TOPIC: ErrorCode.TOPIC_ALREADY_EXISTS}
    ((field, topics),) = kafka["answer"].items()
    answers = [{**one, "errorCode": codes.get(one["name"], ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)} for one in topics]
    return {"answer": {field: answers}}


_WHOLE = (
    "Kafka looks through all batches first, and one that is transactional or cannot be framed fails the whole request"
)
_FRAMING = ("magic 3", "length 13", "length 0", "transactional")
_UNREAD = "records of a plain topic are not decoded, unless klamm.validate.records is set"
_SIGN = "Kafka takes a count above 2^31-1 for a negative one, and so for null or none"
_CRASH = "Kafka fails inside and answers UNKNOWN_SERVER_ERROR"
_CODECS = ("gzip", "snappy", "lz4", "zstd")

#: Where klamm's outcome is another on purpose: name -> (what becomes of Kafka's outcome, why).
DIFFERENCES: dict[str, tuple[Callable[[Outcome], Outcome], str]] = {
    "header: count of tags 2^32-1": (_closed, _SIGN),
    "Metadata v12: 2^32-2 topics announced": (_closed, _SIGN),
    "Produce v9: null records": (_null_records, "Kafka 4.3.1 never answers, and the connection is stuck: a bug"),
    "Produce v9: length 2^31-1": (_invalid_record, _CRASH),
    "Produce v3: length 2^31-1": (_invalid_record, _CRASH),
    "Produce v9: codec 5": (_invalid_record, _CRASH),
    "Produce v3: codec 5": (_invalid_record, _CRASH),
    "Produce v9: codec 7": (_invalid_record, _CRASH),
    "Produce v3: codec 7": (_invalid_record, _CRASH),
    "Produce v9: garbage for records": (_taken, _UNREAD),
    "Produce v9: three records in a header of two": (_taken, _UNREAD),
    "Produce v9: two records in a header of three": (_taken, _UNREAD),
    **{f"Produce v9: {codec} flag over plain records": (_taken, _UNREAD) for codec in _CODECS},
    **{f"Produce v9: {codec} cut": (_taken, _UNREAD) for codec in _CODECS},
    **{f"Produce v9: {what} for an unknown topic": (_unknown, _WHOLE) for what in _FRAMING},
    **{f"Produce v9: {what} for an unknown partition": (_unknown, _WHOLE) for what in _FRAMING},
    **{f"Produce v9: {what} beside an unknown partition": (_unknown_beside, _WHOLE) for what in _FRAMING},
    **{f"Produce v9: {what} and acks 2": (_invalid_acks, _WHOLE) for what in _FRAMING},
    "Produce v9: magic 1 and acks 2": (_invalid_acks, "acks is looked at before the batch"),
    **{
        f"{api}: timeout {timeout_ms}": (_not_timed_out, "klamm's controller answers at once: no time can pass")
        for api in ("CreateTopics v7", "DeleteTopics v6")
        for timeout_ms in (0, -1)
    },
    "Fetch v12: isolation level 2": (_read_uncommitted, _CRASH),
    "Fetch v12: isolation level -1": (_read_uncommitted, _CRASH),
    "ListOffsets v11: isolation level 9": (_read_uncommitted, _CRASH),
}


def record(address: str) -> list[dict[str, Any]]:
    """The table's lines, freshly observed. Raises ValueError for a broker that has topics already: they would tell."""
    known = ask(address, MetadataRequest(topics=None), 12).topics
    if known:
        raise ValueError(f"{address} is not fresh: it has topic {known[0].name}")
    prepare(address)
    lines = []
    for case in cases():
        line: dict[str, Any] = {"name": case.name, "hex": case.data.hex()}
        if case.half:
            line["half"] = True
        line["kafka"] = observe(address, case, SILENCE_S)
        if case.name in DIFFERENCES:
            change, line["why"] = DIFFERENCES[case.name]
            line["klamm"] = change(line["kafka"])
        lines.append(line)
    return lines


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    lines = record(sys.argv[1])
    TABLE.write_text("".join(json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n" for line in lines))
    print(f"{len(lines)} outcomes in {TABLE.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
