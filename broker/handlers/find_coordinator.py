"""FindCoordinator v0-6 (KIP-98, KIP-699, KIP-932): which broker coordinates a group or a transactional id.

v0 knows groups only, v1 key types, v4 several keys at once, each with its error; v6 the type SHARE, which before is
INVALID_REQUEST like any unknown type. Kafka answers COORDINATOR_NOT_AVAILABLE while the coordinators' topic is being
created; here it is there when the answer is. Source: kafka.server.KafkaApis.getCoordinator.

Left out: authorization. Share groups come with their coordinator: until then SHARE is INVALID_REQUEST in every
version, as from a Kafka without share groups.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final, NamedTuple

from ...coordinator.partitioning import partition_for
from ...wire.errors import ErrorCode, KafkaError
from ...wire.messages.find_coordinator import Coordinator, FindCoordinatorRequest, FindCoordinatorResponse
from ..context import RequestContext
from .metadata import broker_addresses

if TYPE_CHECKING:
    from ..coordinators import Coordinators
    from ..transaction_coordinators import TransactionCoordinators

log = logging.getLogger("klamm.coordinators")

_GROUP: Final = 0
_TRANSACTION: Final = 1
_SHARE: Final = 2
_KEYS_FROM: Final = 4

#: Kafka's texts of the errors.
_MESSAGES: Final = {
    ErrorCode.NONE: "NONE",
    ErrorCode.COORDINATOR_NOT_AVAILABLE: "The coordinator is not available.",
    ErrorCode.INVALID_REQUEST: (
        "This most likely occurs because of a request being malformed by the client library or the message was sent "
        "to an incompatible broker. See the broker logs for more details."
    ),
}


class _Found(NamedTuple):
    error: ErrorCode
    node_id: int = -1
    host: str = ""
    port: int = -1


def handle(request: FindCoordinatorRequest, context: RequestContext) -> FindCoordinatorResponse:
    if context.api_version >= _KEYS_FROM:
        return FindCoordinatorResponse(
            coordinators=[
                Coordinator(
                    key=key,
                    node_id=found.node_id,
                    host=found.host,
                    port=found.port,
                    error_code=found.error,
                    error_message=_MESSAGES[found.error] if not _GROUP <= request.key_type <= _SHARE else "",
                )
                for key in request.coordinator_keys
                for found in (_find(request.key_type, key, context),)
            ]
        )
    found = _find(request.key_type, request.key, context)
    return FindCoordinatorResponse(
        error_code=found.error,
        error_message=_MESSAGES[found.error],
        node_id=found.node_id,
        host=found.host,
        port=found.port,
    )


def _find(key_type: int, key: str, context: RequestContext) -> _Found:
    broker = context.broker
    coordinators: Coordinators | TransactionCoordinators
    if key_type == _GROUP:
        coordinators = broker.coordinators
    elif key_type == _TRANSACTION:
        coordinators = broker.transactions
    else:
        return _Found(ErrorCode.INVALID_REQUEST)
    topic = coordinators.topic
    try:
        index = partition_for(key, coordinators.ensure_topic())
    except KafkaError as error:
        log.warning("%s cannot be created: %s", topic, error)
        return _Found(ErrorCode.COORDINATOR_NOT_AVAILABLE)
    image = broker.catalogue.topic(topic)
    leader = image.partitions[index].leader if image is not None else -1
    address = broker_addresses(context).get(leader)
    if address is None:
        return _Found(ErrorCode.COORDINATOR_NOT_AVAILABLE)
    return _Found(ErrorCode.NONE, leader, *address)
