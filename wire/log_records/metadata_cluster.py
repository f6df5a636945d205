"""Records of `__cluster_metadata` for brokers, controllers, features and the log itself (KIP-500, KIP-868).

A value is an unsigned varint 1 (the frame version), the record type and its version as unsigned varints,
and the body; there is no key.
"""

from __future__ import annotations

from ..declare import Message, Struct, array, boolean, int8, int16, int32, int64, string, uint16, uuid


class AbortTransactionRecord(Message, kind="metadata", api_key=25, versions="0", flexible="0+"):
    reason: str | None = string("0+", nullable="0+", tag=0, default=None)


class BeginTransactionRecord(Message, kind="metadata", api_key=23, versions="0", flexible="0+"):
    name: str | None = string("0+", nullable="0+", tag=0, default=None)


class BrokerRegistrationChangeRecord(Message, kind="metadata", api_key=17, versions="0-3", flexible="0+"):
    broker_id: int = int32("0+")
    broker_epoch: int = int64("0+")
    fenced: int = int8("0+", tag=0, default=0)
    in_controlled_shutdown: int = int8("1+", tag=1, default=0)
    log_dirs: list[bytes] = array("uuid", "2+", tag=2, default_factory=list)
    cordoned_log_dirs: list[bytes] | None = array("uuid", "3+", nullable="3+", tag=3, default=None)


class EndTransactionRecord(Message, kind="metadata", api_key=24, versions="0", flexible="0+"):
    """No fields."""


class FeatureLevelRecord(Message, kind="metadata", api_key=12, versions="0", flexible="0+"):
    name: str = string("0+")
    feature_level: int = int16("0+")


class FenceBrokerRecord(Message, kind="metadata", api_key=7, versions="0", flexible="0+"):
    id: int = int32("0+")
    epoch: int = int64("0+")


class NoOpRecord(Message, kind="metadata", api_key=20, versions="0", flexible="0+"):
    """No fields."""


class BrokerEndpoint(Struct):
    name: str = string("0+", map_key=True)
    host: str = string("0+")
    port: int = uint16("0+")
    security_protocol: int = int16("0+")


class BrokerFeature(Struct):
    name: str = string("0+", map_key=True)
    min_supported_version: int = int16("0+")
    max_supported_version: int = int16("0+")


class RegisterBrokerRecord(Message, kind="metadata", api_key=0, versions="0-4", flexible="0+"):
    broker_id: int = int32("0+")
    is_migrating_zk_broker: bool = boolean("2+", default=False)
    incarnation_id: bytes = uuid("0+")
    broker_epoch: int = int64("0+")
    end_points: list[BrokerEndpoint] = array(BrokerEndpoint, "0+")
    features: list[BrokerFeature] = array(BrokerFeature, "0+")
    rack: str | None = string("0+", nullable="0+")
    fenced: bool = boolean("0+", default=True)
    in_controlled_shutdown: bool = boolean("1+", default=False)
    log_dirs: list[bytes] = array("uuid", "3+", tag=0, default_factory=list)
    cordoned_log_dirs: list[bytes] | None = array("uuid", "4+", nullable="4+", tag=1, default=None)


class ControllerEndpoint(Struct):
    name: str = string("0+", map_key=True)
    host: str = string("0+")
    port: int = uint16("0+")
    security_protocol: int = int16("0+")


class ControllerFeature(Struct):
    name: str = string("0+", map_key=True)
    min_supported_version: int = int16("0+")
    max_supported_version: int = int16("0+")


class RegisterControllerRecord(Message, kind="metadata", api_key=27, versions="0", flexible="0+"):
    controller_id: int = int32("0+")
    incarnation_id: bytes = uuid("0+")
    zk_migration_ready: bool = boolean("0+")
    end_points: list[ControllerEndpoint] = array(ControllerEndpoint, "0+")
    features: list[ControllerFeature] = array(ControllerFeature, "0+")


class UnfenceBrokerRecord(Message, kind="metadata", api_key=8, versions="0", flexible="0+"):
    id: int = int32("0+")
    epoch: int = int64("0+")


class UnregisterBrokerRecord(Message, kind="metadata", api_key=1, versions="0", flexible="0+"):
    broker_id: int = int32("0+")
    broker_epoch: int = int64("0+")


class ZkMigrationStateRecord(Message, kind="metadata", api_key=21, versions="0", flexible="0+"):
    zk_migration_state: int = int8("0+")
