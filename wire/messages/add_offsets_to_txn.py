"""AddOffsetsToTxn (API key 25): versions 0-4; flexible 3+.

Puts a group's offsets into a transaction.

- v1: answered before throttled (KIP-219)
- v2: may answer PRODUCER_FENCED
- v3: flexible
- v4: may answer TRANSACTION_ABORTABLE (KIP-890)
"""

from __future__ import annotations

from ..declare import Message, int16, int32, int64, string


class AddOffsetsToTxnRequest(Message, kind="request", api_key=25, versions="0-4", flexible="3+"):
    transactional_id: str = string("0+")
    producer_id: int = int64("0+")
    producer_epoch: int = int16("0+")
    group_id: str = string("0+")


class AddOffsetsToTxnResponse(Message, kind="response", api_key=25, versions="0-4", flexible="3+"):
    throttle_time_ms: int = int32("0+")
    error_code: int = int16("0+")
