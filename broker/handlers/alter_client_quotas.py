"""AlterClientQuotas v0-1 (KIP-546): sets and removes quotas of users, client ids and addresses.

They are stored, described and survive restarts. What is refused and why: metadata/alter_client_quotas.py.
Source: kafka.server.ControllerApis.handleAlterClientQuotas.

Left out: throttling by them (security); authorization.
"""

from __future__ import annotations

from ...wire.messages.alter_client_quotas import AlterClientQuotasRequest, AlterClientQuotasResponse
from ..commit_or_refuse import commit_or_refuse
from ..context import RequestContext
from ..metadata.alter_client_quotas import alter_client_quotas


def handle(request: AlterClientQuotasRequest, context: RequestContext) -> AlterClientQuotasResponse:
    broker = context.broker
    records, results = alter_client_quotas(broker.catalogue.client_quotas, request.entries)
    if not request.validate_only:
        commit_or_refuse(records, results, context)
    return AlterClientQuotasResponse(throttle_time_ms=0, entries=results)
