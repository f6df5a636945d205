"""AlterUserScramCredentials v0 (KIP-554): sets and removes users' passwords for SCRAM.

They are stored and survive restarts, also while no listener asks for them. What is refused and why:
metadata/alter_scram.py. Source: kafka.server.ControllerApis.handleAlterUserScramCredentials.

Left out: authorization.
"""

from __future__ import annotations

from ...wire.messages.alter_user_scram_credentials import (
    AlterUserScramCredentialsRequest,
    AlterUserScramCredentialsResponse,
)
from ..commit_or_refuse import commit_or_refuse
from ..context import RequestContext
from ..metadata.alter_scram import alter_scram_credentials
from ..metadata.record_versions import SCRAM_FROM


def handle(request: AlterUserScramCredentialsRequest, context: RequestContext) -> AlterUserScramCredentialsResponse:
    broker = context.broker
    catalogue = broker.catalogue
    supported = catalogue.metadata_version >= SCRAM_FROM
    records, results = alter_scram_credentials(catalogue.scram_credentials, request, supported=supported)
    commit_or_refuse(records, results, context)
    return AlterUserScramCredentialsResponse(throttle_time_ms=0, results=results)
