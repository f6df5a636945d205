"""Groups, offsets and transactions as state machines: events in, records and replies out. No I/O, no clock, no trio.

    request --> Shard.handle / Shard.tick --> Effects(records, replies)
    records --> appended to `__consumer_offsets-N` by the caller --> Shard.replay (live and when loading alike)
    replies --> Parked until the high watermark has passed them --> the client

Reading order: `shard.py` (the way in), `shard_state.py` (what it knows), `classic_requests.py`, `classic_table.py`
(what a classic group does in which state), `classic_group.py` (what it knows), `classic_join.py`, `classic_member.py`,
`classic_rebalance.py` (how it does it), `offset_requests.py`, `offsets.py`, `expiry.py`. For groups of KIP-848:
`consumer_heartbeat.py` (one heartbeat), `consumer_group.py` (what a group knows), `consumer_target.py` (from members
and topics to a target), `consumer_assignors.py`, `consumer_reconcile.py` (how a member comes to it),
`consumer_convert.py` and `consumer_classic.py` (the way from the classic protocol and back).
Transactions: `transaction_shard.py` (the way in), `transaction_state.py`, `transaction_end.py`,
`transaction_events.py`; the offsets that a transaction commits: `transactional_offsets.py`, `pending_offsets.py`.
"""
