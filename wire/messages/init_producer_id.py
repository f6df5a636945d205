"""InitProducerId (API key 22): versions 0-6; flexible 2+.

Gives a producer its id and epoch; with a transactional id it ends what an earlier producer left open (KIP-98).

- v1: answered before throttled (KIP-219)
- v2: flexible
- v3: a producer may ask for its next epoch (KIP-360)
- v4: a fenced producer gets PRODUCER_FENCED
- v5: may answer TRANSACTION_ABORTABLE (KIP-890)
- v6: two-phase commit, not stable in 4.3 (KIP-939)
"""

from __future__ import annotations

from ..declare import Message, boolean, int16, int32, int64, string


class InitProducerIdRequest(Message, kind="request", api_key=22, versions="0-6", flexible="2+"):
    transactional_id: str | None = string("0+", nullable="0+")
    transaction_timeout_ms: int = int32("0+")
    producer_id: int = int64("3+", default=-1)
    producer_epoch: int = int16("3+", default=-1)
    enable2_pc: bool = boolean("6+", default=False)
    keep_prepared_txn: bool = boolean("6+", default=False)


class InitProducerIdResponse(Message, kind="response", api_key=22, versions="0-6", flexible="2+"):
    throttle_time_ms: int = int32("0+", ignorable=True)
    error_code: int = int16("0+")
    producer_id: int = int64("0+", default=-1)
    producer_epoch: int = int16("0+")
    ongoing_txn_producer_id: int = int64("6+", default=-1)
    ongoing_txn_producer_epoch: int = int16("6+", default=-1)
