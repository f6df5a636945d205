"""Where klamm is better than the Kafka that it is held to: lines 44 and 47 of docs/behaviours.md, and null records."""

from __future__ import annotations

import pytest

from compat_tests.support import unique
from klamm.wire.errors import ErrorCode
from klamm.wire.messages.create_topics import CreatableTopic, CreateTopicsRequest
from klamm.wire.messages.find_coordinator import FindCoordinatorRequest
from klamm.wire.messages.init_producer_id import InitProducerIdRequest
from klamm.wire.messages.join_group import JoinGroupRequest, JoinGroupRequestProtocol
from klamm.wire.messages.metadata import MetadataRequest, MetadataRequestTopic

from .raw_client import RawClient
from .steps import batch, create_topic, produce, produce_request, produced


@pytest.mark.behaviour("null-records")
@pytest.mark.parametrize("version", [3, 9, 12])
def test_null_records_are_answered(address: str, version: int) -> None:
    topic, _ = create_topic(address)
    with RawClient(address) as client:
        assert produce(client, topic, None, version).error_code == ErrorCode.INVALID_RECORD
        assert produced(client, topic, batch(b"a")) == 0


@pytest.mark.behaviour("44")
def test_a_topic_is_usable_when_create_topics_returns(address: str) -> None:
    with RawClient(address) as client:
        for _ in range(20):
            topic = CreatableTopic(name=unique("created"), num_partitions=3, replication_factor=1)
            client.send(CreateTopicsRequest(topics=[topic], timeout_ms=5000), 7)
            client.send(produce_request(topic.name, batch(b"a")), 9)
            assert client.receive().topics[0].error_code == ErrorCode.NONE
            assert client.receive().responses[0].partition_responses[0].error_code == ErrorCode.NONE


@pytest.mark.behaviour("44")
@pytest.mark.parametrize("version", [0, 1, 4, 9, 12, 13])
def test_an_auto_created_topic_is_usable_at_once(address: str, version: int) -> None:
    name = unique("auto")
    with RawClient(address) as client:
        request = MetadataRequest(topics=[MetadataRequestTopic(name=name)], allow_auto_topic_creation=True)
        (topic,) = client.request(request, version).topics
        assert (topic.error_code, topic.name) == (ErrorCode.NONE, name)
        assert [(one.error_code, one.leader_id) for one in topic.partitions] == [(ErrorCode.NONE, 1)]
        assert produced(client, name, batch(b"a")) == 0


@pytest.mark.behaviour("44")
def test_a_producer_id_and_a_coordinator_are_there_at_the_first_request(address: str) -> None:
    with RawClient(address) as client:
        request = InitProducerIdRequest(transactional_id=None, transaction_timeout_ms=1000)
        assert client.request(request, 4).error_code == ErrorCode.NONE
        found = client.request(FindCoordinatorRequest(key=unique("first")), 3)
        assert found.error_code == ErrorCode.NONE
        assert f"{found.host}:{found.port}" == address


@pytest.mark.behaviour("47")
def test_a_group_s_first_member_does_not_wait_for_others(address: str) -> None:
    """With Kafka's default of 3 s for group.initial.rebalance.delay.ms this client would run into its 2.5 s.

    Nor does it depend on what the member says to the others: Kafka 4.3.1 fails inside when a consumer's subscription
    cannot be read, and never answers.
    """
    protocol = JoinGroupRequestProtocol(name="range", metadata=b"no subscription")
    request = JoinGroupRequest(
        group_id=unique("alone"),
        session_timeout_ms=10_000,
        rebalance_timeout_ms=10_000,
        protocol_type="consumer",
        protocols=[protocol],
    )
    with RawClient(address, timeout_s=2.5) as client:
        client.request(FindCoordinatorRequest(key=request.group_id), 3)
        answer = client.request(request, 3)
        assert (answer.error_code, answer.generation_id) == (ErrorCode.NONE, 1)
