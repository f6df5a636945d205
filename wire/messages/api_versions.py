"""ApiVersions (API key 18): versions 0-4; flexible 3+.

Which APIs in which versions, and which features, the broker has. The first request of nearly every client. A version
that the broker does not know is answered in version 0, with error 35 (KIP-511); the answer's header is never
flexible.

- v1: throttle time
- v2: answered before throttled (KIP-219)
- v3: flexible; the client's name and version (KIP-511); features (KIP-584)
- v4: features whose lowest version is 0 are no longer left out (KAFKA-17011)
"""

from __future__ import annotations

from ..declare import Message, Struct, array, boolean, int16, int32, int64, string


class ApiVersionsRequest(Message, kind="request", api_key=18, versions="0-4", flexible="3+"):
    client_software_name: str = string("3+", ignorable=True)
    client_software_version: str = string("3+", ignorable=True)


class ApiVersion(Struct):
    api_key: int = int16("0+", map_key=True)
    min_version: int = int16("0+")
    max_version: int = int16("0+")


class SupportedFeatureKey(Struct):
    name: str = string("3+", map_key=True)
    min_version: int = int16("3+")
    max_version: int = int16("3+")


class FinalizedFeatureKey(Struct):
    name: str = string("3+", map_key=True)
    max_version_level: int = int16("3+")
    min_version_level: int = int16("3+")


class ApiVersionsResponse(Message, kind="response", api_key=18, versions="0-4", flexible="3+"):
    error_code: int = int16("0+")
    api_keys: list[ApiVersion] = array(ApiVersion, "0+")
    throttle_time_ms: int = int32("1+", ignorable=True)
    supported_features: list[SupportedFeatureKey] = array(
        SupportedFeatureKey, "3+", tag=0, default_factory=list, ignorable=True
    )
    finalized_features_epoch: int = int64("3+", tag=1, default=-1, ignorable=True)
    finalized_features: list[FinalizedFeatureKey] = array(
        FinalizedFeatureKey, "3+", tag=2, default_factory=list, ignorable=True
    )
    zk_migration_ready: bool = boolean("3+", tag=3, default=False, ignorable=True)
