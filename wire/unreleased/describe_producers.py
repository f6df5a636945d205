"""DescribeProducers (API key 61) in 4.4-dev: version 0; flexible 0+.

The bytes are those of 4.3.1; the topic name became a map key.
"""

from __future__ import annotations

from ..declare import Message, Struct, array, string


class TopicRequest(Struct):
    name: str = string("0+", map_key=True)
    partition_indexes: list[int] = array("int32", "0+")


class DescribeProducersRequest(Message, kind="request", api_key=61, versions="0", flexible="0+"):
    topics: list[TopicRequest] = array(TopicRequest, "0+")
