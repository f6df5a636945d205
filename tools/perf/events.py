"""The lines of JSON that the verifiable tools print, an event each.

Source: org.apache.kafka.tools.VerifiableProducer, VerifiableConsumer.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from .statistics import now_ms


def event(name: str, more: Mapping[str, object]) -> None:
    """Prints {"timestamp", "name", ...} and flushes: who reads it counts while the tool runs."""
    print(json.dumps({"timestamp": now_ms(), "name": name, **more}, separators=(",", ":")), flush=True)


def text_of(data: bytes | None) -> str | None:
    """A key or value as Kafka's StringDeserializer reads it."""
    return None if data is None else data.decode(errors="replace")
