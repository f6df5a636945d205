"""Configs of groups (KIP-848, KIP-932, KIP-1071) and of client metrics subscriptions (KIP-714). Their order is that of
Kafka's definitions: of several values that are refused it names the first."""

from .kinds import (
    ANY,
    AT_LEAST_0,
    AT_LEAST_1,
    BOOLEAN,
    CLUSTER_WIDE,
    HONOURED,
    INT,
    LIST,
    MAYBE_EMPTY,
    NOT_YET,
    OFFSET_RESET,
    STRING,
    at_least,
    one_of,
)

# fmt: off
GROUP_ROWS = (
    ("consumer.session.timeout.ms", INT, "45000", AT_LEAST_1, CLUSTER_WIDE, HONOURED),
    ("consumer.heartbeat.interval.ms", INT, "5000", AT_LEAST_1, CLUSTER_WIDE, HONOURED),
    ("consumer.assignment.interval.ms", INT, "1000", AT_LEAST_0, CLUSTER_WIDE, HONOURED),
    ("share.session.timeout.ms", INT, "45000", AT_LEAST_1, CLUSTER_WIDE, NOT_YET),
    ("share.heartbeat.interval.ms", INT, "5000", AT_LEAST_1, CLUSTER_WIDE, NOT_YET),
    ("share.record.lock.duration.ms", INT, "30000", at_least(1000), CLUSTER_WIDE, NOT_YET),
    ("share.delivery.count.limit", INT, "5", at_least(2), CLUSTER_WIDE, NOT_YET),
    ("share.partition.max.record.locks", INT, "2000", at_least(100), CLUSTER_WIDE, NOT_YET),
    ("share.auto.offset.reset", STRING, "latest", OFFSET_RESET, CLUSTER_WIDE, NOT_YET),
    ("share.isolation.level", STRING, "read_uncommitted",
     one_of("read_committed", "read_uncommitted"), CLUSTER_WIDE, NOT_YET),
    ("share.renew.acknowledge.enable", BOOLEAN, "true", ANY, CLUSTER_WIDE, NOT_YET),
    ("share.assignment.interval.ms", INT, "1000", AT_LEAST_0, CLUSTER_WIDE, NOT_YET),
    ("streams.session.timeout.ms", INT, "45000", AT_LEAST_1, CLUSTER_WIDE, NOT_YET),
    ("streams.heartbeat.interval.ms", INT, "5000", AT_LEAST_1, CLUSTER_WIDE, NOT_YET),
    ("streams.num.standby.replicas", INT, "0", AT_LEAST_0, CLUSTER_WIDE, NOT_YET),
    ("streams.initial.rebalance.delay.ms", INT, "3000", AT_LEAST_0, CLUSTER_WIDE, NOT_YET),
    ("streams.assignment.interval.ms", INT, "1000", AT_LEAST_0, CLUSTER_WIDE, NOT_YET),
)

CLIENT_METRICS_ROWS = (
    ("metrics", LIST, "", MAYBE_EMPTY, CLUSTER_WIDE, HONOURED),
    ("interval.ms", INT, "300000", ANY, CLUSTER_WIDE, HONOURED),
    ("match", LIST, "", MAYBE_EMPTY, CLUSTER_WIDE, HONOURED),
)
