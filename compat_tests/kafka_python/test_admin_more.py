"""The rest of kafka-python's admin client: transactions, members, offsets, features, credentials, access rules."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import (
    ACL,
    AbortTransactionSpec,
    ACLFilter,
    ACLOperation,
    ACLPermissionType,
    MemberToRemove,
    OffsetSpec,
    ResourcePattern,
    ResourceType,
    ScramMechanism,
    UpdateFeatureType,
    UserScramCredentialDeletion,
    UserScramCredentialUpsertion,
)
from kafka.errors import KafkaError

from ..support import Broker, unique, wait_until
from .test_admin_changes import produce


@pytest.fixture
def admin(broker: Broker) -> Iterator[KafkaAdminClient]:
    client = KafkaAdminClient(bootstrap_servers=broker.bootstrap_servers)
    yield client
    client.close()


@pytest.fixture
def topic(admin: KafkaAdminClient) -> str:
    name = unique("more")
    admin.create_topics({name: {"num_partitions": 2}}, wait_for_metadata=True)
    return name


def test_a_transaction_is_listed_described_and_aborted(admin: KafkaAdminClient, broker: Broker, topic: str) -> None:
    name, part = unique("transaction"), TopicPartition(topic, 0)
    producer = KafkaProducer(bootstrap_servers=broker.bootstrap_servers, transactional_id=name)
    producer.init_transactions()
    producer.begin_transaction()
    producer.send(topic, b"v", partition=0).get(20)
    assert name in {row.transactional_id for rows in listed(admin) for row in rows}
    described = admin.describe_transactions([name])[name]
    assert described.topic_partitions == {part}
    assert admin.find_hanging_transactions() in ([], {})
    (state,) = admin.describe_producers([part])[part].active_producers
    assert state.current_transaction_start_offset == 0
    admin.abort_transaction(AbortTransactionSpec(part, state.producer_id, state.producer_epoch))
    (state,) = admin.describe_producers([part])[part].active_producers
    assert state.current_transaction_start_offset == -1
    producer.close(timeout=1)


def listed(admin: KafkaAdminClient) -> list[list[object]]:
    found = admin.list_transactions()
    return [found] if isinstance(found, list) else list(found.values())


def test_members_are_removed_and_offsets_reset(admin: KafkaAdminClient, broker: Broker, topic: str) -> None:
    group, part = unique("group"), TopicPartition(topic, 0)
    produce(broker, topic, 4)
    consumer = KafkaConsumer(
        topic, bootstrap_servers=broker.bootstrap_servers, group_id=group, group_instance_id="here",
        auto_offset_reset="earliest", enable_auto_commit=False,
    )  # fmt: skip
    read = []
    wait_until(lambda: read.extend(consumer.poll(500).values()) or read, 30, "records")
    consumer.commit()
    consumer.close()
    admin.remove_group_members(group, [MemberToRemove(group_instance_id="here")])
    assert admin.describe_groups([group])[group]["members"] == []
    offsets = admin.list_partition_offsets({part: OffsetSpec.LATEST})
    assert offsets[part].offset == 4
    admin.reset_group_offsets(group, {part: OffsetSpec.EARLIEST})
    assert admin.list_group_offsets({group: [part]})[group][part].offset == 0


def test_features_resources_and_versions(admin: KafkaAdminClient, topic: str) -> None:
    assert "transaction.version" in str(admin.describe_features())
    admin.update_features({"transaction.version": (UpdateFeatureType.SAFE_DOWNGRADE, 1)}, validate_only=True)
    with pytest.raises(KafkaError):
        admin.update_features({"transaction.version": (UpdateFeatureType.UPGRADE, 99)})
    assert topic in str(admin.list_config_resources(["TOPIC"]))
    node = admin.describe_cluster()["brokers"][0]["broker_id"]
    assert admin.api_versions()
    assert admin.get_broker_version_data(node)
    assert admin.alter_replica_log_dirs({(topic, 0, node): "/no/such/folder"})


def test_credentials(admin: KafkaAdminClient) -> None:
    user = unique("user")
    upsertion = UserScramCredentialUpsertion(user, ScramMechanism.SCRAM_SHA_256, "password", iterations=4096)
    assert admin.alter_user_scram_credentials([upsertion])[user] is None

    def known() -> bool:
        return "4096" in str(admin.describe_user_scram_credentials([user]))

    wait_until(known, 20, "the credential")
    deletion = UserScramCredentialDeletion(user, ScramMechanism.SCRAM_SHA_256)
    assert admin.alter_user_scram_credentials([deletion])[user] is None
    assert admin.alter_user_scram_credentials([deletion])[user] is not None


def test_access_control_is_off(admin: KafkaAdminClient) -> None:
    pattern = ResourcePattern(ResourceType.TOPIC, "t")
    rule = ("User:u", "*", ACLOperation.READ, ACLPermissionType.ALLOW, pattern)
    for call in (lambda: admin.create_acls([ACL(*rule)]), lambda: admin.delete_acls([ACLFilter(*rule)])):
        try:
            outcome = str(call())
        except KafkaError as error:
            outcome = repr(error)
        assert "SecurityDisabled" in outcome
