"""What librdkafka's admin client changes: partitions, records, configs, groups, leaders, credentials, access rules."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from confluent_kafka import ConsumerGroupTopicPartitions, ElectionType, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
    OffsetSpec,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialDeletion,
    UserScramCredentialUpsertion,
)

from ..support import Broker, unique, wait_until
from .clients import WAIT_S, admin, consumer, create_topic, producer, send


def code(call: Callable[[], Any]) -> int:
    """The error that a call ends with."""
    with pytest.raises(KafkaException) as raised:
        call()
    found: int = raised.value.args[0].code()
    return found


def test_partitions_are_added(broker: Broker) -> None:
    client, topic = admin(broker), create_topic(broker, unique("grown"))
    client.create_partitions([NewPartitions(topic, 3)])[topic].result(WAIT_S)
    wait_until(lambda: len(client.list_topics(topic, timeout=WAIT_S).topics[topic].partitions) == 3, 20, "partitions")
    fewer = client.create_partitions([NewPartitions(topic, 2)])[topic]
    assert code(lambda: fewer.result(WAIT_S)) == KafkaError.INVALID_PARTITIONS


def test_records_are_deleted(broker: Broker) -> None:
    client, topic = admin(broker), create_topic(broker, unique("emptied"))
    send(producer(broker), topic, [(None, b"v", [])] * 5)
    part = TopicPartition(topic, 0, 2)
    assert client.delete_records([part])[part].result(WAIT_S).low_watermark == 2
    earliest = client.list_offsets({part: OffsetSpec.earliest()})[part].result(WAIT_S)
    assert earliest.offset == 2
    beyond = TopicPartition(topic, 0, 9)
    assert code(lambda: client.delete_records([beyond])[beyond].result(WAIT_S)) == KafkaError.OFFSET_OUT_OF_RANGE


def test_configs_are_altered_one_by_one_and_all_at_once(broker: Broker) -> None:
    client, topic = admin(broker), create_topic(broker, unique("configured"), 1, {"retention.ms": "5000"})

    def values() -> tuple[str, str]:
        resource = ConfigResource(ConfigResource.Type.TOPIC, topic)
        found = client.describe_configs([resource])[resource].result(WAIT_S)
        return found["retention.ms"].value, found["max.message.bytes"].value

    change = ConfigEntry("max.message.bytes", "7000", incremental_operation=AlterConfigOpType.SET)
    one = ConfigResource(ConfigResource.Type.TOPIC, topic, incremental_configs=[change])
    client.incremental_alter_configs([one])[one].result(WAIT_S)
    wait_until(lambda: values() == ("5000", "7000"), 20, "one config")
    everything = ConfigResource(ConfigResource.Type.TOPIC, topic, set_config={"max.message.bytes": "8000"})
    client.alter_configs([everything])[everything].result(WAIT_S)
    wait_until(lambda: values() == ("604800000", "8000"), 20, "the others at their defaults")
    wrong = ConfigEntry("retention.ms", "soon", incremental_operation=AlterConfigOpType.SET)
    bad = ConfigResource(ConfigResource.Type.TOPIC, topic, incremental_configs=[wrong])
    assert code(lambda: client.incremental_alter_configs([bad])[bad].result(WAIT_S)) == KafkaError.INVALID_CONFIG


def test_offsets_of_a_group_are_altered_and_the_group_deleted(broker: Broker) -> None:
    client, topic, group = admin(broker), create_topic(broker, unique("read")), unique("group")
    send(producer(broker), topic, [(None, b"v", [])] * 5)
    # On a Kafka without __consumer_offsets librdkafka's alter waits for its coordinator in vain: a commit makes it.
    first = consumer(broker, group_id=group)
    first.commit(offsets=[TopicPartition(topic, 0, 1)], asynchronous=False)
    first.close()
    wanted = ConsumerGroupTopicPartitions(group, [TopicPartition(topic, 0, 3)])
    client.alter_consumer_group_offsets([wanted])[group].result(WAIT_S)
    asked = [ConsumerGroupTopicPartitions(group)]
    found = client.list_consumer_group_offsets(asked)[group].result(WAIT_S)
    assert [(part.topic, part.partition, part.offset) for part in found.topic_partitions] == [(topic, 0, 3)]
    assert group in {row.id for row in client.list_groups(timeout=WAIT_S)}
    assert group in {row.group_id for row in client.list_consumer_groups().result(WAIT_S).valid}
    described = client.describe_consumer_groups([group])[group].result(WAIT_S)
    assert (described.state.name, described.members) == ("EMPTY", [])
    client.delete_consumer_groups([group])[group].result(WAIT_S)
    assert code(lambda: client.delete_consumer_groups([group])[group].result(WAIT_S)) == KafkaError.GROUP_ID_NOT_FOUND


def test_a_leader_that_is_preferred_already(broker: Broker) -> None:
    client, topic = admin(broker), create_topic(broker, unique("led"))
    part = TopicPartition(topic, 0)
    elected = client.elect_leaders(ElectionType.PREFERRED, [part]).result(WAIT_S)
    assert elected[part].code() == KafkaError.ELECTION_NOT_NEEDED


def test_credentials_are_set_and_removed(broker: Broker) -> None:
    client, user = admin(broker), unique("user")
    info = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_256, 4096)
    upsertion = UserScramCredentialUpsertion(user, info, b"password")
    client.alter_user_scram_credentials([upsertion])[user].result(WAIT_S)

    def known() -> list[int] | None:
        try:
            found = client.describe_user_scram_credentials([user])[user].result(WAIT_S)
        except KafkaException:
            return None
        return [row.iterations for row in found.scram_credential_infos]

    wait_until(lambda: known() == [4096], 20, "the credential")
    client.alter_user_scram_credentials([UserScramCredentialDeletion(user, ScramMechanism.SCRAM_SHA_256)])[user].result(
        WAIT_S
    )
    wait_until(lambda: known() is None, 20, "the credential to be gone")


def test_access_control_is_off(broker: Broker) -> None:
    client = admin(broker)
    pattern = (ResourceType.TOPIC, "t", ResourcePatternType.LITERAL, "User:u", "*")
    rule = (*pattern, AclOperation.READ, AclPermissionType.ALLOW)
    binding, wanted = AclBinding(*rule), AclBindingFilter(*rule)
    disabled = KafkaError.SECURITY_DISABLED
    assert code(lambda: client.create_acls([binding])[binding].result(WAIT_S)) == disabled
    # librdkafka shows no error of DescribeAcls, but an empty list.
    assert client.describe_acls(wanted).result(WAIT_S) == []
    assert code(lambda: client.delete_acls([wanted])[wanted].result(WAIT_S)) == disabled
