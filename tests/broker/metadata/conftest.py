"""A cluster of one broker without sockets or files: the handlers, the controller and a metadata log in memory."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from klamm.broker.api_table import SERVED
from klamm.broker.config import Config, Setting
from klamm.broker.context import RequestContext
from klamm.broker.metadata.controller import Controller, Registration
from klamm.broker.metadata.image import Catalogue, Delta, Endpoint
from klamm.broker.metadata.metadata_log import MetadataLog
from klamm.broker.metadata.producer_ids import ProducerIds
from klamm.broker.metadata.voters import own_voter
from klamm.wire.apis import BY_NAME
from klamm.wire.codec import decode, encode
from klamm.wire.declare import Message
from klamm.wire.log_records.control import VotersRecordVoter

NODE_ID = 1
CONFIG = {"num.partitions": "3", "offsets.topic.num.partitions": "4"}


class OneBroker:
    """What a handler finds under `context.broker`. `log`: the metadata log's bytes; `start` is a broker's start on
    them, `kill` and `start` again a restart."""

    def __init__(self, log: bytes = b"", *, directory_id: bytes = b"d" * 16, **changed: str) -> None:
        self.log = bytearray(log)
        given = CONFIG | {key.replace("_", "."): value for key, value in changed.items()}
        self.config = Config({key: Setting(value, "test") for key, value in given.items()})
        self.node_id = NODE_ID
        self.rack = None
        self.cluster_id = "klamm-test-AAAAAAAAAAA"
        self.directory_id = directory_id
        self.logs = SimpleNamespace(directory_ids=[directory_id])
        self.deltas: list[Delta] = []
        self.append: Callable[[bytes], object] = self.log.extend
        self.start()

    def start(self) -> None:
        self.catalogue = Catalogue(self.cluster_id)
        self.metadata_log = MetadataLog(self.catalogue, lambda batch: self.append(batch))
        self.metadata_log.load([bytes(self.log)])
        config = self.config
        self.controller = Controller(self.catalogue, config, config.topic_configs_error, config.created_topic_configs)
        self.metadata_log.open_epoch(self.voter(), 1000)
        self.commit(self.controller.bootstrap())
        endpoints = {"PLAINTEXT": Endpoint("127.0.0.1", 9092, 0)}
        self.commit(self.controller.register_broker(Registration(NODE_ID, endpoints, self.rack, [self.directory_id])))
        for changes in self.controller.elect_leaders(NODE_ID, new_epochs=False):
            self.commit(changes)
        self.producer_ids = ProducerIds(self.reserve)
        self.metadata_log.listeners.append(self.deltas.append)

    def voter(self) -> VotersRecordVoter:
        return own_voter(self.config, self.directory_id)

    def commit(self, records: list[Message]) -> None:
        self.metadata_log.commit(records, 1000)

    def reserve(self) -> range:
        change = self.controller.allocate_producer_ids(NODE_ID)
        self.commit(change.records)
        return change.results

    def advertised(self, context: RequestContext) -> tuple[str, int]:
        return f"{context.listener.lower()}.example", 9092

    def ask(self, request: Message, version: int, listener: str = "PLAINTEXT") -> Any:
        """The response as a client decodes it."""
        api = BY_NAME[type(request).__name__.removesuffix("Request")]
        context = RequestContext(self, None, version, "test", "/127.0.0.1", listener, 1000)  # type: ignore[arg-type]
        arrived = decode(api.request(), version, encode(request, version))
        return decode(api.response(), version, encode(SERVED[api.key].module.handle(arrived, context), version))


@pytest.fixture(scope="session")
def one_broker() -> Callable[..., OneBroker]:
    return OneBroker


@pytest.fixture
def broker() -> OneBroker:
    return OneBroker()
