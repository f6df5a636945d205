"""WriteTxnMarkers v1-2 (KIP-98, KIP-890): end transactions in partitions that this broker leads.

Coordinators on other brokers send it, and an administrator who aborts a hanging transaction. v2 says by which
transaction.version a marker's epoch is checked. Answered when the markers are safe.
Source: kafka.server.KafkaApis.handleWriteTxnMarkersRequest.

Left out: authorization.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final

from ...storage.pending import Pending
from ...wire.errors import ErrorCode, KafkaError
from ...wire.messages.write_txn_markers import (
    WritableTxnMarker,
    WritableTxnMarkerPartitionResult,
    WritableTxnMarkerResult,
    WritableTxnMarkerTopicResult,
    WriteTxnMarkersRequest,
    WriteTxnMarkersResponse,
)
from ..context import RequestContext
from ..coordinators import gather

#: A group coordinator that cannot take the marker now: to the sender it is a partition without its leader.
_LATER: Final = frozenset(
    {ErrorCode.COORDINATOR_LOAD_IN_PROGRESS, ErrorCode.COORDINATOR_NOT_AVAILABLE, ErrorCode.NOT_COORDINATOR}
)


def handle(request: WriteTxnMarkersRequest, context: RequestContext) -> WriteTxnMarkersResponse | Pending[Any]:
    keys = [
        (topic.name, index)
        for marker in request.markers
        for topic in marker.topics
        for index in topic.partition_indexes
    ]
    answer: Callable[[], WriteTxnMarkersResponse | Pending[WriteTxnMarkersResponse]] = partial(
        _handle, request, context
    )
    return context.broker.partitions.when_open(keys, answer)


def _handle(
    request: WriteTxnMarkersRequest, context: RequestContext
) -> WriteTxnMarkersResponse | Pending[WriteTxnMarkersResponse]:
    return gather(
        [
            _write(marker, topic.name, index, context)
            for marker in request.markers
            for topic in marker.topics
            for index in topic.partition_indexes
        ],
        lambda errors: _response(request, errors),
    )


def _write(
    marker: WritableTxnMarker, topic: str, index: int, context: RequestContext
) -> ErrorCode | Pending[ErrorCode]:
    try:
        partition = context.broker.transactions.write_marker(
            (topic, index),
            producer_id=marker.producer_id,
            producer_epoch=marker.producer_epoch,
            commit=marker.transaction_result,
            coordinator_epoch=marker.coordinator_epoch,
            transaction_version=marker.transaction_version,
        )
    except KafkaError as error:
        return ErrorCode.NOT_LEADER_OR_FOLLOWER if error.code in _LATER else error.code
    end = partition.log.log_end_offset
    if partition.high_watermark >= end:
        return ErrorCode.NONE
    pending: Pending[ErrorCode] = Pending()
    partition.when_high_watermark(end, lambda error: pending.complete(ErrorCode.NONE if error is None else error.code))
    return pending


def _response(request: WriteTxnMarkersRequest, errors: list[ErrorCode]) -> WriteTxnMarkersResponse:
    left = iter(errors)
    return WriteTxnMarkersResponse(
        markers=[
            WritableTxnMarkerResult(
                producer_id=marker.producer_id,
                topics=[
                    WritableTxnMarkerTopicResult(
                        name=topic.name,
                        partitions=[
                            WritableTxnMarkerPartitionResult(partition_index=index, error_code=next(left))
                            for index in topic.partition_indexes
                        ],
                    )
                    for topic in marker.topics
                ],
            )
            for marker in request.markers
        ]
    )
