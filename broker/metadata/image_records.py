"""An image as the records that make it: what a snapshot of the metadata log holds.

Source: org.apache.kafka.image.MetadataImage.write.
"""

from __future__ import annotations

from collections.abc import Iterator

from ...wire.declare import Message
from ...wire.log_records.metadata_cluster import (
    BrokerEndpoint,
    BrokerFeature,
    RegisterBrokerRecord,
)
from ...wire.log_records.metadata_security import ClientQuotaRecord, EntityData, UserScramCredentialRecord
from ...wire.log_records.metadata_topics import ConfigRecord, PartitionRecord, ProducerIdsRecord, TopicRecord
from ..features import feature_records
from .image import BrokerImage, Catalogue, PartitionImage

_NO_BROKER = -1


def image_records(catalogue: Catalogue) -> Iterator[Message]:
    """Replayed into an empty catalogue they give this one, but for the log's offset, epoch and leader, and what control
    records say of its quorum."""
    yield from feature_records(catalogue.finalized_features)
    for broker in catalogue.brokers.values():
        yield broker_record(broker)
    for topic in catalogue.topics.values():
        yield TopicRecord(name=topic.name, topic_id=topic.topic_id)
        for partition in topic.partitions.values():
            yield partition_record(topic.topic_id, partition)
    for kind, resource, configs in catalogue.all_configs():
        for name, value in configs.items():
            yield ConfigRecord(resource_type=kind, resource_name=resource, name=name, value=value)
    for entity, quotas in catalogue.client_quotas.entities.items():
        for key, quota in quotas.items():
            rows = [EntityData(entity_type=kind, entity_name=name) for kind, name in sorted(entity, key=repr)]
            yield ClientQuotaRecord(entity=rows, key=key, value=quota, remove=False)
    if catalogue.next_producer_id:
        yield ProducerIdsRecord(broker_id=_NO_BROKER, broker_epoch=-1, next_producer_id=catalogue.next_producer_id)
    for user, credentials in catalogue.scram_credentials.users.items():
        for mechanism, found in credentials.items():
            yield UserScramCredentialRecord(
                name=user,
                mechanism=mechanism,
                salt=found.salt,
                stored_key=found.stored_key,
                server_key=found.server_key,
                iterations=found.iterations,
            )


def broker_record(broker: BrokerImage) -> RegisterBrokerRecord:
    """A broker's registration as it stands."""
    return RegisterBrokerRecord(
        broker_id=broker.id,
        incarnation_id=broker.incarnation_id,
        broker_epoch=broker.epoch,
        end_points=[
            BrokerEndpoint(name=name, host=found.host, port=found.port, security_protocol=found.security_protocol)
            for name, found in broker.endpoints.items()
        ],
        features=[
            BrokerFeature(name=name, min_supported_version=low, max_supported_version=high)
            for name, (low, high) in broker.features.items()
        ],
        rack=broker.rack,
        fenced=broker.fenced,
        in_controlled_shutdown=broker.in_controlled_shutdown,
        log_dirs=list(broker.log_dirs),
    )


def partition_record(topic_id: bytes, partition: PartitionImage) -> PartitionRecord:
    """A partition as it stands. `topic_id`: 16 bytes."""
    return PartitionRecord(
        partition_id=partition.index,
        topic_id=topic_id,
        replicas=partition.replicas,
        isr=partition.isr,
        removing_replicas=partition.removing_replicas,
        adding_replicas=partition.adding_replicas,
        leader=partition.leader,
        leader_recovery_state=partition.leader_recovery_state,
        leader_epoch=partition.leader_epoch,
        partition_epoch=partition.partition_epoch,
        directories=partition.directories,
        eligible_leader_replicas=partition.eligible_leader_replicas or None,
        last_known_elr=partition.last_known_elr or None,
    )
