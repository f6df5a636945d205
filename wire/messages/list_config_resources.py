"""ListConfigResources (API key 74): versions 0-1; flexible 0+.

Resources that have configs (KIP-1142).

- v0: those of client metrics only, as ListClientMetricsResources (KIP-1000)
- v1: of the types asked for, with their type
"""

from __future__ import annotations

from ..declare import Message, Struct, array, int8, int16, int32, string


class ListConfigResourcesRequest(Message, kind="request", api_key=74, versions="0-1", flexible="0+"):
    resource_types: list[int] = array("int8", "1+")


class ConfigResource(Struct):
    resource_name: str = string("0+")
    resource_type: int = int8("1+", default=16, ignorable=True)


class ListConfigResourcesResponse(Message, kind="response", api_key=74, versions="0-1", flexible="0+"):
    throttle_time_ms: int = int32("0+")
    error_code: int = int16("0+")
    config_resources: list[ConfigResource] = array(ConfigResource, "0+")
