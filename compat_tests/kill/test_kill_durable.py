"""The same over kills of a broker whose acknowledgements wait for the device (log.flush.interval.messages=1)."""

from __future__ import annotations

import pytest

from ..support import Broker
from . import runs

BROKER_CONFIG = {**runs.BROKER_CONFIG, "log.flush.interval.messages": "1"}


@pytest.mark.bounded(600)
def test_promises_hold_over_kills(broker: Broker) -> None:
    runs.promises_hold_over_kills(broker, runs.IdempotentLoad, runs.kills(4))


@pytest.mark.bounded(600)
def test_transactions_hold_over_kills(broker: Broker) -> None:
    runs.promises_hold_over_kills(broker, runs.TransactionalLoad, runs.kills(3))
