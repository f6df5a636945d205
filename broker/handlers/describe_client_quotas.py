"""DescribeClientQuotas v0-1 (KIP-546): the quotas of users, client ids and addresses that match a filter.

A filter that is wrong fails the whole request. Source: org.apache.kafka.image.ClientQuotasImage.describe.

Left out: authorization.
"""

from __future__ import annotations

from ...wire.errors import ErrorCode, KafkaError
from ...wire.messages.describe_client_quotas import (
    DescribeClientQuotasRequest,
    DescribeClientQuotasResponse,
    EntityData,
    EntryData,
    ValueData,
)
from ..context import RequestContext
from ..metadata.alter_client_quotas import filter_of


def handle(request: DescribeClientQuotasRequest, context: RequestContext) -> DescribeClientQuotasResponse:
    try:
        wanted = filter_of(request.components, request.strict)
    except KafkaError as error:
        return DescribeClientQuotasResponse(
            throttle_time_ms=0, error_code=error.code, error_message=error.message, entries=None
        )
    return DescribeClientQuotasResponse(
        throttle_time_ms=0,
        error_code=ErrorCode.NONE,
        error_message="",
        entries=[
            EntryData(
                entity=[EntityData(entity_type=kind, entity_name=name) for kind, name in entity],
                values=[ValueData(key=key, value=value) for key, value in quotas.items()],
            )
            for entity, quotas in context.broker.catalogue.client_quotas.entities.items()
            if wanted.matches(entity)
        ],
    )
