"""Thousands of groups that do nothing but stay: what their heartbeats cost the broker."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from dataclasses import asdict

from tests.broker.raw_client import wait_for_coordinators

from .group_load import Held, Load

#: Descriptors that a process needs besides its connections; the broker's half for files among them.
SPARE_DESCRIPTORS = 5_000
#: The client's defaults: heartbeat.interval.ms, and group.consumer.heartbeat.interval.ms.
INTERVAL_S = {"classic": 3.0, "consumer": 5.0}
#: The first members of a classic group are waited for so long, and KIP-848 assigns at once: both only while the groups
#: are set up, before anything is measured.
BROKER_CONFIG = {"group.initial.rebalance.delay.ms": "1000", "group.consumer.assignment.interval.ms": "0"}
TIMEOUT_S = 900.0


def raise_limit() -> int:
    """Has this process and those it starts open as many descriptors as they may; how many connections that allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return sys.maxsize if hard == resource.RLIM_INFINITY else max(100, hard - SPARE_DESCRIPTORS)


def measure(load: Load) -> Held:
    """Runs the load in a process of its own. Raises RuntimeError when it does not end well."""
    wait_for_coordinators(f"{load.host}:{load.port}")
    done = subprocess.run(
        [sys.executable, "-m", "compat_tests.bench.group_load"],
        input=json.dumps(asdict(load)) + "\n",
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"the load of groups failed:\n{done.stderr[-2000:]}")
    return Held(**json.loads(done.stdout))
