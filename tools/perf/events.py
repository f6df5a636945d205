"""What the verifiable tools share: the lines of JSON that they print, an event each, and their file of settings.

Source: org.apache.kafka.tools.VerifiableProducer, VerifiableConsumer.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping

from ..admin.common import OLD_CONFIG
from .statistics import now_ms


def event(name: str, more: Mapping[str, object]) -> None:
    """Prints {"timestamp", "name", ...} and flushes: who reads it counts while the tool runs."""
    print(json.dumps({"timestamp": now_ms(), "name": name, **more}, separators=(",", ":")), flush=True)


def text_of(data: bytes | None) -> str | None:
    """A key or value as Kafka's StringDeserializer reads it."""
    return None if data is None else data.decode(errors="replace")


def config_path(parser: argparse.ArgumentParser, options: argparse.Namespace, old_name: str) -> str | int:
    """The properties file that --command-config or the older option names; "" for none, 1 for both, which it says."""
    old: str | None = getattr(options, old_name)
    if old and options.command_config:
        text = f"Options --{old_name} and --command-config are mutually exclusive."
        print(f"{parser.format_usage()}{parser.prog}: error: {text}", file=sys.stderr)
        return 1
    if old:
        print(OLD_CONFIG.format(old_name))
    return options.command_config or old or ""
