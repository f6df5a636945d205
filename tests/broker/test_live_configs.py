"""Every broker config that may change at run time, and takes effect, does so on a running broker: for the cluster, for
the broker, which comes first, and back again. What a log makes of them is in tests/storage/test_live_configs.py."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from klamm.broker.cleaner import cleaner_config
from klamm.broker.config.definitions import BROKER, TOPIC
from klamm.broker.config.kinds import READ_ONLY, parse
from klamm.broker.config.topic import SYNONYMS
from klamm.storage.files import Files
from klamm.wire.errors import ErrorCode
from klamm.wire.messages.incremental_alter_configs import (
    AlterableConfig,
    AlterConfigsResource,
    IncrementalAlterConfigsRequest,
)
from klamm.wire.messages.offset_fetch import OffsetFetchRequest
from klamm.wire.messages.produce import PartitionProduceData, ProduceRequest, TopicProduceData
from klamm.wire.records import Record, encode_batch

from .site import NOW_MS, Site

BROKER_RESOURCE, SET, DELETE = 4, 0, 1
CLUSTER, ONE = "", "1"
#: The topic config that a broker config is the default of, and by what it is multiplied there.
FOLLOWED = {name: topic for topic, rows in SYNONYMS.items() if not TOPIC[topic].standing for name, _ in rows}

_producer_ids = itertools.count(5)

#: Two values of a config, the first another than its default.
VALUES = {
    "compression.gzip.level": ("5", "7"),
    "compression.lz4.level": ("5", "7"),
    "compression.type": ("zstd", "gzip"),
    "log.cleaner.io.buffer.load.factor": ("0.5", "0.7"),
    "log.cleaner.io.max.bytes.per.second": ("5000000.0", "7000000.0"),
    "log.cleaner.min.cleanable.ratio": ("0.25", "0.75"),
    "log.cleanup.policy": ("compact", "compact,delete"),
    "log.preallocate": ("true", "false"),
    "log.message.timestamp.type": ("LogAppendTime", "CreateTime"),
    "compression.zstd.level": ("5", "7"),
    "transaction.partition.verification.enable": ("false", "true"),
}
NUMBERS = ("5000000", "7000000")


def alter(site: Site, resource: str, name: str, value: str | None) -> None:
    """Set a config, or delete it with None."""
    operation = DELETE if value is None else SET
    configs = [AlterableConfig(name=name, config_operation=operation, value=value)]
    asked = AlterConfigsResource(resource_type=BROKER_RESOURCE, resource_name=resource, configs=configs)
    (answer,) = site.send(IncrementalAlterConfigsRequest(resources=[asked]), 1).result().responses
    assert answer.error_code == ErrorCode.NONE, answer
    site.round()


def in_the_log(name: str) -> Callable[[Site], Any]:
    field = FOLLOWED[name].replace(".", "_")
    return lambda site: getattr(site.partition("t").log.config, field)


def in_the_cleaner(field: str) -> Callable[[Site], Any]:
    return lambda site: getattr(cleaner_config(site.broker.config), field)


def verifies(site: Site) -> bool:
    """Is a batch refused of a transaction that its partition is not part of?"""
    batch = encode_batch(
        [Record(value=b"v", timestamp_ms=NOW_MS)],
        producer_id=next(_producer_ids),
        producer_epoch=0,
        base_sequence=0,
        transactional=True,
    )
    data = [TopicProduceData(name="verified", partition_data=[PartitionProduceData(index=0, records=batch)])]
    request = ProduceRequest(transactional_id="x", acks=-1, timeout_ms=1000, topic_data=data)
    answer = site.send(request, 11).result().responses[0].partition_responses[0]
    return bool(answer.error_code)


def assignment_interval_ms(site: Site) -> int:
    (shard,) = site.broker.coordinators.loaded()
    return shard.settings.consumer_assignment_interval_ms


#: What takes effect elsewhere than in a topic's log.
OBSERVED: dict[str, Callable[[Site], Any]] = {
    "log.cleaner.backoff.ms": lambda site: site.broker.config.get("log.cleaner.backoff.ms"),
    "log.cleaner.dedupe.buffer.size": in_the_cleaner("dedupe_buffer_bytes"),
    "log.cleaner.io.buffer.load.factor": in_the_cleaner("io_buffer_load_factor"),
    "log.cleaner.io.buffer.size": in_the_cleaner("io_buffer_bytes"),
    "log.cleaner.io.max.bytes.per.second": in_the_cleaner("io_max_bytes_per_second"),
    "producer.id.expiration.ms": lambda site: site.partition("t").log.expiration_ms,
    "transaction.partition.verification.enable": verifies,
    "group.consumer.assignment.interval.ms": assignment_interval_ms,
}
#: Those that are refused at run time, and those of which a broker with sockets shows more (test_admin_effects.py).
ELSEWHERE = {
    *("listeners", "listener.security.protocol.map"),
    *("max.connections", "max.connections.per.ip", "max.connections.per.ip.overrides"),
}
LIVE = sorted(
    name for name, key in BROKER.items() if key.update != READ_ONLY and not key.standing and name not in ELSEWHERE
)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path, Files())
    made.topic("t")
    made.topic("verified")
    made.produce("t")
    made.broker.coordinators.ensure_topic()
    made.send(OffsetFetchRequest(group_id="g", topics=None), 5)
    made.round()
    yield made
    made.kill()


@pytest.mark.parametrize("name", LIVE)
def test_a_config_takes_effect_and_goes_again(site: Site, name: str) -> None:
    observe = OBSERVED.get(name) or in_the_log(name)
    of_cluster, of_broker = VALUES.get(name, NUMBERS)
    before = observe(site)
    alter(site, CLUSTER, name, of_cluster)
    assert observe(site) == parse(BROKER[name], of_cluster) != before
    alter(site, ONE, name, of_broker)
    assert observe(site) == parse(BROKER[name], of_broker)
    alter(site, CLUSTER, name, None)
    assert observe(site) == parse(BROKER[name], of_broker)
    alter(site, CLUSTER, name, of_cluster)
    alter(site, ONE, name, None)
    assert observe(site) == parse(BROKER[name], of_cluster)
    alter(site, CLUSTER, name, None)
    assert observe(site) == before
