"""kill -9 at random points under load: what was acknowledged is in the log once and in order, commits hold.

Two producers write to three partitions, one by one or in transactions; a group of one reads, commits synchronously
after each batch, and is replaced now and then by a new member.
"""

from __future__ import annotations

import pytest

from ..support import Broker
from . import runs

BROKER_CONFIG = runs.BROKER_CONFIG


@pytest.mark.bounded(600)
def test_promises_hold_over_kills(broker: Broker) -> None:
    runs.promises_hold_over_kills(broker, runs.IdempotentLoad, runs.kills(12))


@pytest.mark.bounded(600)
def test_transactions_hold_over_kills(broker: Broker) -> None:
    runs.promises_hold_over_kills(broker, runs.TransactionalLoad, runs.kills(4))
