"""Produce (API key 0): versions 3-13; 0-2 up to 3.9; flexible 9+.

Appends record batches to partitions and answers with the offset of each one's first record. With acks=0 there is no
answer.

- v1: throttle time
- v2: log append time
- v3: transactional id; batches are in format v2 from here on
- v4: may answer KAFKA_STORAGE_ERROR
- v5: log start offset in the answer
- v6: answered before throttled (KIP-219)
- v7: zstd (KIP-110)
- v8: which records made a batch fail, and why (KIP-467)
- v9: flexible
- v10: the current leader and its address, where the one asked is not it (KIP-951)
- v11: may answer TRANSACTION_ABORTABLE (KIP-890)
- v12: adds its partitions to the transaction by itself (KIP-890)
- v13: topics by id (KIP-516)

Kafka 4 advertises 0-2 for old librdkafka's sake and rejects them (KAFKA-18659).
"""

from __future__ import annotations

from ..declare import Message, RecordBytes, Struct, array, int16, int32, int64, records_, string, struct, uuid


class PartitionProduceData(Struct):
    index: int = int32("0+")
    records: RecordBytes | None = records_("0+", nullable="0+")


class TopicProduceData(Struct):
    name: str = string("0-12", ignorable=True, map_key=True)
    topic_id: bytes = uuid("13+", ignorable=True, map_key=True)
    partition_data: list[PartitionProduceData] = array(PartitionProduceData, "0+")


class ProduceRequest(Message, kind="request", api_key=0, versions="3-13", legacy="0-2", flexible="9+"):
    transactional_id: str | None = string("3+", nullable="3+", default=None)
    acks: int = int16("0+")
    timeout_ms: int = int32("0+")
    topic_data: list[TopicProduceData] = array(TopicProduceData, "0+")


class BatchIndexAndErrorMessage(Struct):
    batch_index: int = int32("8+")
    batch_index_error_message: str | None = string("8+", nullable="8+", default=None)


class LeaderIdAndEpoch(Struct):
    leader_id: int = int32("10+", default=-1)
    leader_epoch: int = int32("10+", default=-1)


class PartitionProduceResponse(Struct):
    index: int = int32("0+")
    error_code: int = int16("0+")
    base_offset: int = int64("0+")
    log_append_time_ms: int = int64("2+", default=-1, ignorable=True)
    log_start_offset: int = int64("5+", default=-1, ignorable=True)
    record_errors: list[BatchIndexAndErrorMessage] = array(BatchIndexAndErrorMessage, "8+", ignorable=True)
    error_message: str | None = string("8+", nullable="8+", default=None, ignorable=True)
    current_leader: LeaderIdAndEpoch = struct(LeaderIdAndEpoch, "10+", tag=0, default_factory=LeaderIdAndEpoch)


class TopicProduceResponse(Struct):
    name: str = string("0-12", ignorable=True, map_key=True)
    topic_id: bytes = uuid("13+", ignorable=True, map_key=True)
    partition_responses: list[PartitionProduceResponse] = array(PartitionProduceResponse, "0+")


class NodeEndpoint(Struct):
    node_id: int = int32("10+", map_key=True)
    host: str = string("10+")
    port: int = int32("10+")
    rack: str | None = string("10+", nullable="10+", default=None)


class ProduceResponse(Message, kind="response", api_key=0, versions="3-13", legacy="0-2", flexible="9+"):
    responses: list[TopicProduceResponse] = array(TopicProduceResponse, "0+")
    throttle_time_ms: int = int32("1+", default=0, ignorable=True)
    node_endpoints: list[NodeEndpoint] = array(NodeEndpoint, "10+", tag=0, default_factory=list)
