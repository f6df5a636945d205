"""The controller's part of CreateTopics: what is refused, and the records of what is not.

Checked in Kafka's order, the first failure being the answer: the request's size, a name given twice, the name, its
existence, configs without a value, configs, then counts or assignments. Two new names of one request may collide in
`.` and `_`; only existing topics are compared with. Source: ReplicationControlManager.createTopics, ControllerApis.

Left out: create.topic.policy.class.name, controller mutation quotas, authorization.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from ...wire.declare import Message
from ...wire.errors import ErrorCode, KafkaError
from ...wire.log_records.metadata_topics import ConfigRecord, PartitionRecord, TopicRecord
from ...wire.messages.create_topics import CreatableTopic, CreatableTopicConfigs, CreatableTopicResult
from .image import TOPIC_RESOURCE, BrokerImage, Catalogue
from .placement import manual_assignment, place_replicas
from .topic_names import CLUSTER_METADATA_TOPIC, topic_name_error
from .uuids import UNASSIGNED_DIRECTORY

#: ReplicationControlManager.MAX_PARTITIONS_PER_BATCH and QuorumController.MAX_RECORDS_PER_USER_OP.
MAX_PARTITIONS_PER_REQUEST: Final = 10_000
MAX_RECORDS_PER_REQUEST: Final = 10_000
#: "The broker's default" in a request.
DEFAULT: Final = -1


@dataclass(frozen=True, slots=True)
class TopicRules:
    """What the controller is told of configs and defaults when topics are created.

    `config_error(configs)`: Kafka's message for the first of these topic configs that is refused, or None;
    `describe_configs(configs)`: every topic config with its value and source, given those set for the topic, as
    CreateTopics v5+ answers; `start`: where the placement of a topic's replicas begins, best a random number;
    `new_id`: a topic id of 16 bytes.
    """

    num_partitions: int
    replication_factor: int
    config_error: Callable[[Mapping[str, str]], str | None]
    describe_configs: Callable[[Mapping[str, str]], list[CreatableTopicConfigs]]
    start: Callable[[], int]
    new_id: Callable[[], bytes]


def create_topics(
    catalogue: Catalogue, requested: Sequence[CreatableTopic], rules: TopicRules
) -> tuple[list[Message], list[CreatableTopicResult]]:
    """The records that create what can be created, and one result a name: those given once in the request's order,
    then those given more than once."""
    times = Counter(topic.name for topic in requested)
    single = [topic for topic in requested if times[topic.name] == 1 and topic.name != CLUSTER_METADATA_TOPIC]
    records: list[Message] = []
    results: list[CreatableTopicResult] = []
    try:
        _check_size(single, rules.num_partitions)
        for topic in single:
            try:
                created, result = _create(catalogue, topic, rules)
                records += created
            except KafkaError as error:
                result = failure(topic.name, error)
            results.append(result)
        if len(records) > MAX_RECORDS_PER_REQUEST:
            raise KafkaError(ErrorCode.POLICY_VIOLATION, "Unable to perform excessively large batch operation.")
    except KafkaError as error:
        return [], [failure(topic.name, error) for topic in requested]
    for name, count in times.items():
        if count > 1:
            results.append(failure(name, KafkaError(ErrorCode.INVALID_REQUEST, "Duplicate topic name.")))
        elif name == CLUSTER_METADATA_TOPIC:
            message = f"Creation of internal topic {name} is prohibited."
            results.append(failure(name, KafkaError(ErrorCode.INVALID_REQUEST, message)))
    return records, results


def failure(name: str, error: KafkaError) -> CreatableTopicResult:
    """A result that says why the topic is not created."""
    return CreatableTopicResult(name=name, error_code=error.code, error_message=error.message)


def _check_size(requested: Iterable[CreatableTopic], default_partitions: int) -> None:
    total = 0
    for topic in requested:
        if topic.assignments:
            total += len(topic.assignments)
        else:
            total += default_partitions if topic.num_partitions == DEFAULT else max(topic.num_partitions, 0)
    if total > MAX_PARTITIONS_PER_REQUEST:
        raise KafkaError(ErrorCode.POLICY_VIOLATION, "Excessively large number of partitions per request.")


def _create(
    catalogue: Catalogue, topic: CreatableTopic, rules: TopicRules
) -> tuple[list[Message], CreatableTopicResult]:
    name = topic.name
    _check_name(catalogue, name)
    configs = _configs(topic, rules)
    assignments = _assignments(catalogue.brokers, topic, rules)
    topic_id = rules.new_id()
    records: list[Message] = [TopicRecord(name=name, topic_id=topic_id)]
    records += (
        ConfigRecord(resource_type=TOPIC_RESOURCE, resource_name=name, name=key, value=configs[key])
        for key in sorted(configs)
    )
    records += (
        partition_record(catalogue.brokers, topic_id, index, assignments[index]) for index in sorted(assignments)
    )
    result = CreatableTopicResult(
        name=name,
        topic_id=topic_id,
        error_message=None,
        num_partitions=len(assignments),
        replication_factor=len(assignments[0]),
        configs=rules.describe_configs(configs),
    )
    return records, result


def _check_name(catalogue: Catalogue, name: str) -> None:
    message = topic_name_error(name)
    if message:
        raise KafkaError(ErrorCode.INVALID_TOPIC_EXCEPTION, message)
    if name in catalogue.topics:
        raise KafkaError(ErrorCode.TOPIC_ALREADY_EXISTS, f"Topic '{name}' already exists.")
    other = catalogue.colliding_topic(name)
    if other:
        raise KafkaError(ErrorCode.INVALID_TOPIC_EXCEPTION, f"Topic '{name}' collides with existing topic: {other}")


def _configs(topic: CreatableTopic, rules: TopicRules) -> dict[str, str]:
    """The topic's configs; of a name given twice the last counts."""
    without_value = [config.name for config in topic.configs if config.value is None]
    if without_value:
        message = "Null value not supported for topic configs: " + ",".join(without_value)
        raise KafkaError(ErrorCode.INVALID_CONFIG, message)
    configs = {config.name: config.value for config in topic.configs if config.value is not None}
    problem = rules.config_error(configs) if configs else None
    if problem:
        raise KafkaError(ErrorCode.INVALID_CONFIG, problem)
    return configs


def _assignments(brokers: Mapping[int, BrokerImage], topic: CreatableTopic, rules: TopicRules) -> dict[int, list[int]]:
    """Partition index -> node ids."""
    partitions, factor = topic.num_partitions, topic.replication_factor
    if topic.assignments:
        return _manual_assignments(brokers, topic)
    if factor == 0 or factor < DEFAULT:
        raise KafkaError(
            ErrorCode.INVALID_REPLICATION_FACTOR,
            "Replication factor must be larger than 0, or -1 to use the default value.",
        )
    if partitions == 0 or partitions < DEFAULT:
        raise KafkaError(ErrorCode.INVALID_PARTITIONS, "Number of partitions was set to an invalid non-positive value.")
    placed = place_replicas(
        brokers,
        rules.num_partitions if partitions == DEFAULT else partitions,
        rules.replication_factor if factor == DEFAULT else factor,
        rules.start(),
    )
    return dict(enumerate(placed))


def _manual_assignments(brokers: Mapping[int, BrokerImage], topic: CreatableTopic) -> dict[int, list[int]]:
    for value, what in ((topic.replication_factor, "replication factor"), (topic.num_partitions, "numPartitions")):
        if value != DEFAULT:
            raise KafkaError(
                ErrorCode.INVALID_REQUEST,
                f"A manual partition assignment was specified, but {what} was not set to -1.",
            )
    requested = ((assignment.partition_index, assignment.broker_ids) for assignment in topic.assignments)
    return manual_assignment(brokers, requested)


def partition_record(
    brokers: Mapping[int, BrokerImage], topic_id: bytes, index: int, replicas: list[int]
) -> PartitionRecord:
    """A new partition, led by the first of its replicas (node ids) that is active."""
    isr = [node_id for node_id in replicas if brokers[node_id].is_active]
    return PartitionRecord(
        partition_id=index,
        topic_id=topic_id,
        replicas=replicas,
        isr=isr,
        leader=isr[0],
        leader_epoch=0,
        partition_epoch=0,
        directories=[_directory(brokers[node_id]) for node_id in replicas],
    )


def _directory(broker: BrokerImage) -> bytes:
    """Where the broker will put a new replica, if that is certain."""
    return broker.log_dirs[0] if len(broker.log_dirs) == 1 else UNASSIGNED_DIRECTORY
