"""ApiVersions (KIP-35, KIP-511, KIP-584): what this broker speaks.

A version above ours is answered in version 0 with UNSUPPORTED_VERSION and the range of ApiVersions itself, so that
the client can ask again. From v3 the client names its software; a malformed name or version is INVALID_REQUEST
without keys, and the connection stays. Up to v3 supported features whose minimum is 0 are left out (KAFKA-17492).
Source: org.apache.kafka.server.ApiVersionManager, ApiVersionsRequest.isValid.
"""

from __future__ import annotations

import re
from typing import Final

from ...wire.errors import ErrorCode
from ...wire.messages.api_versions import (
    ApiVersion,
    ApiVersionsRequest,
    ApiVersionsResponse,
    FinalizedFeatureKey,
    SupportedFeatureKey,
)
from ..api_table import API_VERSIONS_KEY, SERVED
from ..context import RequestContext
from ..features import SUPPORTED_FEATURES

_SOFTWARE = re.compile(r"[a-zA-Z0-9](?:[a-zA-Z0-9\-.]*[a-zA-Z0-9])?")
#: The first version that lists supported features whose minimum is 0.
_ALL_FEATURES_FROM: Final = 4
#: GetTelemetrySubscriptions and PushTelemetry: clients learn of them where somebody receives what they push (KIP-714).
_TELEMETRY_KEYS: Final = (71, 72)


def _keys(context: RequestContext) -> list[ApiVersion]:
    hidden = _TELEMETRY_KEYS if not context.broker.config.get("klamm.telemetry.file") else ()
    return [
        ApiVersion(api_key=key, min_version=row.advertised.start, max_version=row.advertised.stop - 1)
        for key, row in sorted(SERVED.items())
        if key not in hidden
    ]


def handle(request: ApiVersionsRequest, context: RequestContext) -> ApiVersionsResponse:
    version = context.api_version
    if version >= 3:
        name, software_version = request.client_software_name, request.client_software_version
        if not (_SOFTWARE.fullmatch(name) and _SOFTWARE.fullmatch(software_version)):
            return ApiVersionsResponse(error_code=ErrorCode.INVALID_REQUEST, api_keys=[], throttle_time_ms=0)
        if context.connection is not None:
            context.connection.client_software = (name, software_version)
    catalogue = context.broker.catalogue
    return ApiVersionsResponse(
        error_code=ErrorCode.NONE,
        api_keys=_keys(context),
        throttle_time_ms=0,
        supported_features=[
            SupportedFeatureKey(name=name, min_version=low, max_version=high)
            for name, (low, high) in SUPPORTED_FEATURES.items()
            if low > 0 or version >= _ALL_FEATURES_FROM
        ],
        finalized_features_epoch=catalogue.metadata_offset,
        finalized_features=[
            FinalizedFeatureKey(name=name, max_version_level=level, min_version_level=level)
            for name, level in sorted(catalogue.finalized_features.items())
            if level > 0
        ],
    )


def unsupported_version(context: RequestContext) -> ApiVersionsResponse:
    """The answer, in version 0, to a version that is not served."""
    row = SERVED[API_VERSIONS_KEY]
    return ApiVersionsResponse(
        error_code=ErrorCode.UNSUPPORTED_VERSION,
        api_keys=[
            ApiVersion(api_key=API_VERSIONS_KEY, min_version=row.advertised.start, max_version=row.advertised.stop - 1)
        ],
        throttle_time_ms=0,
    )
