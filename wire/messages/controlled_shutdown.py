"""ControlledShutdown (API key 7): not served since 4.0; 0-3 up to 3.9; flexible 3+.

A broker asks the controller to move its leaderships away before it stops. ZooKeeper clusters only; gone in 4.0.
Version 0 alone has request header v0, without a client id.
"""

from __future__ import annotations

from ..declare import Message, Struct, array, int16, int32, int64, string


class ControlledShutdownRequest(Message, kind="request", api_key=7, versions="none", legacy="0-3", flexible="3+"):
    broker_id: int = int32("0+")
    broker_epoch: int = int64("2+", default=-1, ignorable=True)


class RemainingPartition(Struct):
    topic_name: str = string("0+", map_key=True)
    partition_index: int = int32("0+", map_key=True)


class ControlledShutdownResponse(Message, kind="response", api_key=7, versions="none", legacy="0-3", flexible="3+"):
    error_code: int = int16("0+")
    remaining_partitions: list[RemainingPartition] = array(RemainingPartition, "0+")
