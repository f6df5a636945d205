"""The limits of groups, by Kafka's config keys. Source: org.apache.kafka.coordinator.group.GroupCoordinatorConfig."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class GroupSettings:
    """Kafka's defaults, but for what makes every test with a group slow: the initial rebalance delay of 3 s, and the
    second that lies between two assignments of a consumer group."""

    initial_rebalance_delay_ms: int = 0  # group.initial.rebalance.delay.ms
    min_session_timeout_ms: int = 6_000  # group.min.session.timeout.ms
    max_session_timeout_ms: int = 1_800_000  # group.max.session.timeout.ms
    max_size: int = 2_147_483_647  # group.max.size
    offset_metadata_max_bytes: int = 4_096  # offset.metadata.max.bytes; counted in UTF-16 units, as Kafka does
    offsets_retention_ms: int = 604_800_000  # offsets.retention.minutes
    offsets_retention_check_interval_ms: int = 600_000  # offsets.retention.check.interval.ms

    consumer_session_timeout_ms: int = 45_000  # group.consumer.session.timeout.ms
    consumer_heartbeat_interval_ms: int = 5_000  # group.consumer.heartbeat.interval.ms
    consumer_max_size: int = 2_147_483_647  # group.consumer.max.size
    consumer_assignors: tuple[str, ...] = ("uniform", "range")  # group.consumer.assignors; the first is the default
    consumer_migration_policy: str = "bidirectional"  # group.consumer.migration.policy
    consumer_assignment_interval_ms: int = 0  # group.consumer.assignment.interval.ms
    consumer_regex_refresh_interval_ms: int = 600_000  # group.consumer.regex.refresh.interval.ms

    #: How long a JoinGroup of a new member may wait: such a member has no session yet, and its client may have gone.
    #: Not configurable in Kafka (GroupCoordinatorConfig.CLASSIC_GROUP_NEW_MEMBER_JOIN_TIMEOUT_MS).
    new_member_join_timeout_ms: int = 300_000
