"""Control records: transaction markers, Raft leader changes, snapshot ends.

The key of a control record is an int16 version and the int16 type; the body of the value follows its own version.
"""

from __future__ import annotations

from ..declare import Message, Struct, array, int16, int32, int64, string, struct, uint16, uuid


class ControlRecordTypeSchema(Message, kind="data", versions="0"):
    type: int = int16("0+")


class EndTxnMarker(Message, kind="data", versions="0"):
    coordinator_epoch: int = int32("0+")


class LeaderChangeMessageVoter(Struct):
    voter_id: int = int32("0+")
    voter_directory_id: bytes = uuid("1+")


class LeaderChangeMessage(Message, kind="data", versions="0-1", flexible="0+"):
    version: int = int16("0+")
    leader_id: int = int32("0+")
    voters: list[LeaderChangeMessageVoter] = array(LeaderChangeMessageVoter, "0+")
    granting_voters: list[LeaderChangeMessageVoter] = array(LeaderChangeMessageVoter, "0+")


class SnapshotHeaderRecord(Message, kind="data", versions="0", flexible="0+"):
    version: int = int16("0+")
    last_contained_log_timestamp: int = int64("0+")


class SnapshotFooterRecord(Message, kind="data", versions="0", flexible="0+"):
    version: int = int16("0+")


class KRaftVersionRecord(Message, kind="data", versions="0", flexible="0+"):
    version: int = int16("0+")
    kraft_version: int = int16("0+", kafka_name="KRaftVersion")


class Endpoint(Struct):
    name: str = string("0+", map_key=True)
    host: str = string("0+")
    port: int = uint16("0+")


class KRaftVersionFeature(Struct):
    min_supported_version: int = int16("0+")
    max_supported_version: int = int16("0+")


class VotersRecordVoter(Struct):
    voter_id: int = int32("0+")
    voter_directory_id: bytes = uuid("0+")
    endpoints: list[Endpoint] = array(Endpoint, "0+")
    kraft_version_feature: KRaftVersionFeature = struct(KRaftVersionFeature, "0+", kafka_name="KRaftVersionFeature")


class VotersRecord(Message, kind="data", versions="0", flexible="0+"):
    version: int = int16("0+")
    voters: list[VotersRecordVoter] = array(VotersRecordVoter, "0+")
