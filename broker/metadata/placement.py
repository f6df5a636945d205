"""Which brokers hold a new partition's replicas.

Brokers stand in a row in which racks alternate; partition after partition begins one place further, from a random
place on. Brokers that are fenced come last, so that they lead nothing. A manual assignment is only checked.
Source: org.apache.kafka.metadata.placement.StripedReplicaPlacer, ReplicationControlManager.

Left out: Kafka's shuffle after each round of brokers; racks of unequal size are not balanced beyond their alternation.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import zip_longest

from ...wire.errors import ErrorCode, KafkaError
from .image import BrokerImage


def place_replicas(
    brokers: Mapping[int, BrokerImage], partitions: int, replication_factor: int, start: int
) -> list[list[int]]:
    """One list of node ids a partition, the first being the preferred leader. `start`: any number, best a random one.

    Raises KafkaError(INVALID_REPLICATION_FACTOR).
    """
    problem = None
    if replication_factor > len(brokers):
        problem = (
            f"The target replication factor of {replication_factor} cannot be reached because only {len(brokers)} "
            "broker(s) are registered or some brokers have all their log directories cordoned."
        )
    elif not any(broker.is_active for broker in brokers.values()):
        problem = "All brokers are currently fenced or in controlled shutdown."
    if problem:
        raise KafkaError(
            ErrorCode.INVALID_REPLICATION_FACTOR,
            f"Unable to replicate the partition {replication_factor} time(s): {problem}",
        )
    active = _alternating_racks([broker for broker in brokers.values() if broker.is_active])
    fenced = _alternating_racks([broker for broker in brokers.values() if not broker.is_active])
    assignments = []
    for partition in range(partitions):
        turn = (start + partition) % len(active)
        assignments.append((active[turn:] + active[:turn] + fenced)[:replication_factor])
    return assignments


def _alternating_racks(brokers: Sequence[BrokerImage]) -> list[int]:
    racks: dict[str, list[int]] = {}
    for broker in sorted(brokers, key=lambda broker: (broker.rack or "", broker.id)):
        racks.setdefault(broker.rack or "", []).append(broker.id)
    return [node_id for row in zip_longest(*racks.values()) for node_id in row if node_id is not None]


def manual_assignment(
    brokers: Mapping[int, BrokerImage], requested: Iterable[tuple[int, list[int]]]
) -> dict[int, list[int]]:
    """`requested`: (partition index, node ids), which are given back as a dictionary.

    Raises KafkaError(INVALID_REPLICA_ASSIGNMENT).
    """
    assignments: dict[int, list[int]] = {}
    factor: int | None = None
    for index, replicas in requested:
        if index in assignments:
            raise _refused(f"Found multiple manual partition assignments for partition {index}")
        check_assignment(brokers, replicas, factor, index)
        factor = len(replicas)
        assignments[index] = replicas
    if any(index not in assignments for index in range(len(assignments))):
        raise _refused("partitions should be a consecutive 0-based integer sequence")
    return assignments


def check_assignment(
    brokers: Mapping[int, BrokerImage], replicas: Sequence[int], factor: int | None, index: int
) -> None:
    """Whether these node ids may hold partition `index`; `factor`: how many they must be, None for any number.

    Raises KafkaError(INVALID_REPLICA_ASSIGNMENT).
    """
    check_replicas(brokers, replicas, factor)
    if not any(brokers[node_id].is_active for node_id in replicas):
        raise _refused(
            f"All brokers specified in the manual partition assignment for partition {index} are fenced or in "
            "controlled shutdown."
        )


def check_replicas(brokers: Mapping[int, BrokerImage], replicas: Sequence[int], factor: int | None) -> None:
    """The same for brokers that may be fenced. Raises KafkaError(INVALID_REPLICA_ASSIGNMENT)."""
    if not replicas:
        raise _refused("The manual partition assignment includes an empty replica list.")
    previous = None
    for node_id in sorted(replicas):
        if node_id not in brokers:
            raise _refused(
                f"The manual partition assignment includes broker {node_id}, but no such broker is registered."
            )
        if node_id == previous:
            raise _refused(f"The manual partition assignment includes the broker {node_id} more than once.")
        previous = node_id
    if factor is not None and len(replicas) != factor:
        raise _refused(
            f"The manual partition assignment includes a partition with {len(replicas)} replica(s), but this is not "
            f"consistent with previous partitions, which have {factor} replica(s)."
        )


def _refused(message: str) -> KafkaError:
    return KafkaError(ErrorCode.INVALID_REPLICA_ASSIGNMENT, message)
