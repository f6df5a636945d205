"""AbortedTxn: an entry of the transaction index as a declared message.

4.3.1 writes the same entry by hand (org.apache.kafka.storage.internals.log.AbortedTxn).
"""

from __future__ import annotations

from ..declare import Message, int64


class AbortedTxn(Message, kind="data", versions="0"):
    producer_id: int = int64("0+")
    first_offset: int = int64("0+")
    last_offset: int = int64("0+")
    last_stable_offset: int = int64("0+")
