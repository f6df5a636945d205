"""Records of `__cluster_metadata` for access control, credentials, tokens and quotas.

A value is an unsigned varint 1 (the frame version), the record type and its version as unsigned varints,
and the body; there is no key.
"""

from __future__ import annotations

from ..declare import Message, Struct, array, boolean, bytes_, float64, int8, int32, int64, string, uuid


class AccessControlEntryRecord(Message, kind="metadata", api_key=18, versions="0", flexible="0+"):
    id: bytes = uuid("0+")
    resource_type: int = int8("0+")
    resource_name: str = string("0+")
    pattern_type: int = int8("0+")
    principal: str = string("0+")
    host: str = string("0+")
    operation: int = int8("0+")
    permission_type: int = int8("0+")


class EntityData(Struct):
    entity_type: str = string("0+")
    entity_name: str | None = string("0+", nullable="0+")


class ClientQuotaRecord(Message, kind="metadata", api_key=14, versions="0", flexible="0+"):
    entity: list[EntityData] = array(EntityData, "0+")
    key: str = string("0+")
    value: float = float64("0+")
    remove: bool = boolean("0+")


class DelegationTokenRecord(Message, kind="metadata", api_key=10, versions="0", flexible="0+"):
    owner: str = string("0+")
    requester: str = string("0+")
    renewers: list[str] = array("string", "0+")
    issue_timestamp: int = int64("0+")
    max_timestamp: int = int64("0+")
    expiration_timestamp: int = int64("0+")
    token_id: str = string("0+")


class RemoveAccessControlEntryRecord(Message, kind="metadata", api_key=19, versions="0", flexible="0+"):
    id: bytes = uuid("0+")


class RemoveDelegationTokenRecord(Message, kind="metadata", api_key=26, versions="0", flexible="0+"):
    token_id: str = string("0+")


class RemoveUserScramCredentialRecord(Message, kind="metadata", api_key=22, versions="0", flexible="0+"):
    name: str = string("0+")
    mechanism: int = int8("0+")


class UserScramCredentialRecord(Message, kind="metadata", api_key=11, versions="0", flexible="0+"):
    name: str = string("0+")
    mechanism: int = int8("0+")
    salt: bytes = bytes_("0+")
    stored_key: bytes = bytes_("0+")
    server_key: bytes = bytes_("0+")
    iterations: int = int32("0+")
