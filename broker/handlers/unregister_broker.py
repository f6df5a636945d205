"""UnregisterBroker v0 (KIP-631): forgets a broker that will not come back.

Source: kafka.server.ControllerApis.handleUnregisterBroker, ReplicationControlManager.unregisterBroker.

Left out: klamm's only broker is its own controller and cannot be forgotten: INVALID_REQUEST, where Kafka fences it.
"""

from __future__ import annotations

from ...wire.errors import ErrorCode
from ...wire.messages.unregister_broker import UnregisterBrokerRequest, UnregisterBrokerResponse
from ..context import RequestContext


def handle(request: UnregisterBrokerRequest, context: RequestContext) -> UnregisterBrokerResponse:
    if request.broker_id in context.broker.catalogue.brokers:
        code, message = ErrorCode.INVALID_REQUEST, f"Broker ID {request.broker_id} is the controller"
    else:
        code, message = ErrorCode.BROKER_ID_NOT_REGISTERED, f"Broker ID {request.broker_id} is not currently registered"
    return UnregisterBrokerResponse(throttle_time_ms=0, error_code=code, error_message=message)
