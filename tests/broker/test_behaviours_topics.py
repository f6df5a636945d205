"""Line 45 of docs/behaviours.md: what Kafka Connect and Apicurio ask of a topic's cleanup.policy."""

from __future__ import annotations

import pytest

from klamm.wire.errors import ErrorCode
from klamm.wire.messages.describe_configs import DescribeConfigsRequest, DescribeConfigsResource

from .raw_client import ask
from .steps import create_topic

TOPIC = 2


def described(address: str, topic: str, *names: str) -> dict[str, str | None]:
    resource = DescribeConfigsResource(resource_type=TOPIC, resource_name=topic, configuration_keys=list(names))
    for version in (1, 4):
        (answer,) = ask(address, DescribeConfigsRequest(resources=[resource]), version).results
        assert answer.error_code == ErrorCode.NONE
    return {config.name: config.value for config in answer.configs}


@pytest.mark.behaviour("45")
@pytest.mark.parametrize("policy", ["compact", "delete", "compact,delete"])
def test_cleanup_policy_is_reported_as_it_was_given(address: str, policy: str) -> None:
    topic, _ = create_topic(address, {"cleanup.policy": policy})
    assert described(address, topic, "cleanup.policy") == {"cleanup.policy": policy}


@pytest.mark.behaviour("45")
def test_infinite_retention_is_reported(address: str) -> None:
    topic, _ = create_topic(address, {"cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "-1"})
    found = described(address, topic, "cleanup.policy", "retention.ms", "retention.bytes")
    assert found == {"cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "-1"}
