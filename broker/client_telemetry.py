"""Clients' own metrics (KIP-714): which of them a client shall send and how often, and what it has sent.

An administrator's subscriptions are configs of client metrics in the catalogue (`interval.ms`, `metrics`, `match`). A
client asks what it is subscribed to, by an instance id that it gets here at first, and pushes. What was pushed goes to
a receiver; `FileReceiver` is klamm's. Without one clients are not told that they may push, and are answered all the
same if they do. An instance that has been silent for three intervals is a new one when it comes back; the one that was
silent for longest goes when there are too many.
Source: org.apache.kafka.server.ClientMetricsManager, ClientMetricsInstance.

Left out: quotas.
"""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol
from uuid import uuid4

import google_crc32c

from ..wire.compression import Codec, CompressionError, decompress
from ..wire.errors import ErrorCode

#: Uuids that Kafka gives to nobody: Uuid.RESERVED.
RESERVED_IDS: Final = frozenset(number.to_bytes(16, "big") for number in (0, 1))
#: What a client may compress its metrics with, the best first.
COMPRESSION_TYPES: Final = (Codec.ZSTD, Codec.LZ4, Codec.GZIP, Codec.SNAPPY)
DEFAULT_INTERVAL_MS: Final = 300_000
ALL_METRICS: Final = "*"
MAX_INSTANCES: Final = 16_384
#: After so many of its intervals of silence an instance is forgotten.
FORGOTTEN_AFTER: Final = 3
#: A client that was refused for one of these may ask anew at once.
_ASK_AGAIN: Final = frozenset({ErrorCode.UNKNOWN_SUBSCRIPTION_ID, ErrorCode.UNSUPPORTED_COMPRESSION_TYPE})


@dataclass(frozen=True, slots=True)
class Push:
    """`instance_id`: 16 bytes; `client`: what subscriptions match by, by name; `metrics`: OpenTelemetry's MetricsData
    in protobuf, not compressed any more."""

    instance_id: bytes
    client: Mapping[str, str]
    subscription_id: int
    terminating: bool
    metrics: bytes
    time_ms: int


class Receiver(Protocol):
    def receive(self, push: Push) -> None:
        """Raises OSError if it cannot be kept."""


class FileReceiver:
    """A line of JSON for each push, appended to a file (klamm.telemetry.file)."""

    def __init__(self, path: str) -> None:
        self.path = path

    def receive(self, push: Push) -> None:
        row = {
            "timeMs": push.time_ms,
            "clientInstanceId": push.instance_id.hex(),
            **push.client,
            "subscriptionId": push.subscription_id,
            "terminating": push.terminating,
            "metrics": b64encode(push.metrics).decode(),
        }
        with open(self.path, "a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")


@dataclass(slots=True)
class Subscription:
    """What one client instance shall send."""

    id: int
    interval_ms: int
    metrics: list[str]


@dataclass(slots=True)
class _Instance:
    subscription: Subscription
    seen_ms: tuple[float, float] = (float("-inf"), float("-inf"))  # its last question, its last push
    error: ErrorCode = ErrorCode.NONE
    terminating: bool = False
    heard_ms: float = 0.0


#: Name of a subscription -> its configs as text.
Configs = Callable[[], Iterable[Mapping[str, str]]]


@dataclass(slots=True)
class ClientTelemetry:
    """`configs()`: those of every subscription, as they are now; `new_id`: 16 random bytes."""

    configs: Configs
    receiver: Receiver | None = None
    new_id: Callable[[], bytes] = lambda: uuid4().bytes
    _instances: OrderedDict[bytes, _Instance] = field(default_factory=OrderedDict)

    def ask(
        self, instance_id: bytes, client: Mapping[str, str], now_ms: int
    ) -> tuple[bytes, Subscription | None, ErrorCode]:
        """What a client shall send: (its id, the subscription, the error that stands instead of one)."""
        if instance_id == bytes(16):
            while (instance_id := self.new_id()) in RESERVED_IDS:
                pass
        instance = self._instance(instance_id, client, now_ms)
        asked_ms, pushed_ms = instance.seen_ms
        if now_ms - max(asked_ms, pushed_ms) < instance.subscription.interval_ms and instance.error not in _ASK_AGAIN:
            return instance_id, None, ErrorCode.THROTTLING_QUOTA_EXCEEDED
        instance.seen_ms = (now_ms, pushed_ms)
        instance.error = ErrorCode.NONE
        return instance_id, instance.subscription, ErrorCode.NONE

    def push(self, push: Push, compression_type: int, max_bytes: int) -> ErrorCode:
        """Takes what a client has sent; `push.metrics` is compressed yet."""
        if push.instance_id in RESERVED_IDS:
            return ErrorCode.INVALID_REQUEST
        instance = self._instance(push.instance_id, push.client, push.time_ms)
        instance.error = self._refuse(instance, push, compression_type, max_bytes)
        if instance.error:
            return instance.error
        instance.terminating = push.terminating
        if not push.metrics or self.receiver is None:
            return ErrorCode.NONE
        try:
            metrics = decompress(compression_type, push.metrics)
            self.receiver.receive(Push(**{name: getattr(push, name) for name in _FIELDS} | {"metrics": metrics}))
        except (CompressionError, OSError):
            instance.error = ErrorCode.INVALID_RECORD
        return instance.error

    def _refuse(self, instance: _Instance, push: Push, compression_type: int, max_bytes: int) -> ErrorCode:
        """In Kafka's order."""
        if instance.terminating:
            return ErrorCode.INVALID_REQUEST
        asked_ms, pushed_ms = instance.seen_ms
        # The first push after a question may come early: clients choose its time at random.
        in_time = asked_ms > pushed_ms or push.time_ms - pushed_ms >= instance.subscription.interval_ms
        if in_time:
            instance.seen_ms = (asked_ms, push.time_ms)
        elif not push.terminating:
            return ErrorCode.THROTTLING_QUOTA_EXCEEDED
        if push.subscription_id != instance.subscription.id:
            return ErrorCode.UNKNOWN_SUBSCRIPTION_ID
        if compression_type not in (Codec.NONE, *COMPRESSION_TYPES):
            return ErrorCode.UNSUPPORTED_COMPRESSION_TYPE
        return ErrorCode.TELEMETRY_TOO_LARGE if len(push.metrics) > max_bytes else ErrorCode.NONE

    def _instance(self, instance_id: bytes, client: Mapping[str, str], now_ms: int) -> _Instance:
        subscription = subscription_of(
            self.configs(), {**client, "client_instance_id": _text(instance_id)}, instance_id
        )
        found = self._instances.get(instance_id)
        if found is not None and now_ms - found.heard_ms >= FORGOTTEN_AFTER * found.subscription.interval_ms:
            found = None
        if found is None or found.subscription.id != subscription.id:
            # What the client knows of is gone: it learns that by UNKNOWN_SUBSCRIPTION_ID and asks.
            found = self._instances[instance_id] = _Instance(subscription)
        found.heard_ms = now_ms
        self._instances.move_to_end(instance_id)
        if len(self._instances) > MAX_INSTANCES:
            self._instances.popitem(last=False)
        return found


_FIELDS: Final = ("instance_id", "client", "subscription_id", "terminating", "time_ms")


def _text(instance_id: bytes) -> str:
    from ..storage.checkpoints import encode_uuid

    return encode_uuid(instance_id)


def subscription_of(
    configs: Iterable[Mapping[str, str]], client: Mapping[str, str], instance_id: bytes
) -> Subscription:
    """All that fits a client, together: every metric, the shortest interval."""
    metrics: set[str] = set()
    interval_ms = DEFAULT_INTERVAL_MS
    for row in configs:
        if all(_fits(pattern, client) for pattern in _list(row.get("match", ""))):
            metrics.update(_list(row.get("metrics", "")))
            interval_ms = min(interval_ms, int(row.get("interval.ms", DEFAULT_INTERVAL_MS)))
    wanted = [ALL_METRICS] if ALL_METRICS in metrics else sorted(metrics)
    checksum = google_crc32c.value(f"{wanted}{interval_ms}".encode() + instance_id)
    return Subscription(checksum - (1 << 32) if checksum >> 31 else checksum, interval_ms, wanted)


def _list(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _fits(pattern: str, client: Mapping[str, str]) -> bool:
    name, _, expression = pattern.partition("=")
    return re.fullmatch(expression.strip(), client.get(name.strip(), "")) is not None
