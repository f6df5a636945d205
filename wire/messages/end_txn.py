"""EndTxn (API key 26): versions 0-5; flexible 3+.

Commits or aborts a transaction.

- v1: answered before throttled (KIP-219)
- v2: may answer PRODUCER_FENCED
- v3: flexible
- v4: may answer TRANSACTION_ABORTABLE (KIP-890)
- v5: bumps the epoch, and answers with the new id and epoch (KIP-890)
"""

from __future__ import annotations

from ..declare import Message, boolean, int16, int32, int64, string


class EndTxnRequest(Message, kind="request", api_key=26, versions="0-5", flexible="3+"):
    transactional_id: str = string("0+")
    producer_id: int = int64("0+")
    producer_epoch: int = int16("0+")
    committed: bool = boolean("0+")


class EndTxnResponse(Message, kind="response", api_key=26, versions="0-5", flexible="3+"):
    throttle_time_ms: int = int32("0+")
    error_code: int = int16("0+")
    producer_id: int = int64("5+", default=-1, ignorable=True)
    producer_epoch: int = int16("5+", default=-1, ignorable=True)
