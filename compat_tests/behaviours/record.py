"""Writes what a real Kafka makes of the malformed requests into tests/data/malformed_requests.jsonl.

    python -m compat_tests.behaviours.record HOST:PORT     of a fresh Kafka (compat_tests/kafka_peer/peer.py starts one)

A line is {"name", "hex", "half"?, "kafka": outcome}, in the order of malformed.py; outcomes.py says what an outcome is.
Where klamm is meant to differ, "klamm" and "why" stand beside it, from DIFFERENCES here.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from klamm.wire.errors import ErrorCode
from tests.broker.outcomes import observe

from .malformed import TOPIC, UNREAD, cases, prepare

ROOT = Path(__file__).resolve().parents[2]
TABLE = ROOT / "tests" / "data" / "malformed_requests.jsonl"
#: How long a real Kafka must say nothing to be called silent.
SILENCE_S = 2.0


def _produced(topic: str, error_code: int, base_offset: int | str) -> dict[str, Any]:
    """The outcome of a Produce v9 to partition 0."""
    answer = {
        "index": 0,
        "errorCode": error_code,
        "baseOffset": base_offset,
        "logAppendTimeMs": -1,
        "logStartOffset": 0 if base_offset == "*" else -1,
        "recordErrors": [],
    }
    return {"answer": {"responses": [{"name": topic, "partitionResponses": [answer]}]}}


_UNREAD = "records of a plain topic are not decoded, unless klamm.validate.records is set"

#: Where klamm's outcome is another on purpose: name -> (outcome, why).
DIFFERENCES: dict[str, tuple[dict[str, Any], str]] = {
    "Produce v9: null records": (
        _produced(TOPIC, ErrorCode.INVALID_RECORD, -1),
        "Kafka 4.3.1 never answers, and the connection is stuck: a bug",
    ),
    **{
        f"Produce v9: {name}": (_produced(UNREAD, ErrorCode.NONE, "*"), _UNREAD)
        for name in (
            "garbage for records",
            "three records in a header of two",
            "two records in a header of three",
            "two records in a header of 2^31-1",
            *(
                f"{codec} {what}"
                for codec in ("gzip", "snappy", "lz4", "zstd")
                for what in ("flag over plain records", "cut")
            ),
        )
    },
}


def record(address: str) -> list[dict[str, Any]]:
    """The table's lines, freshly observed."""
    prepare(address)
    lines = []
    for case in cases():
        line: dict[str, Any] = {"name": case.name, "hex": case.data.hex()}
        if case.half:
            line["half"] = True
        line["kafka"] = observe(address, case, SILENCE_S)
        if case.name in DIFFERENCES:
            line["klamm"], line["why"] = DIFFERENCES[case.name]
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
