"""What klamm serves: one row an API, with its versions and the file of its handler.

ApiVersions and the checks of each request are views of this table. A handler's file is imported at the first request
that needs it, so that start-up pays for none. The versions are those of Kafka 4.3.1 (`wire/apis.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from types import ModuleType
from typing import Any, Final

from ..wire.apis import BY_NAME, Api
from ..wire.codec import compiled_decoder, compiled_encoder

API_VERSIONS_KEY: Final = 18


class Served:
    """One served API.

    `versions`: what is answered; `advertised`: what ApiVersions says; `handle(request, context)`: its handler, which
    gives a response, a `Pending` of one, or None where no answer is due. `decoders` and `encoders` hold the compiled
    functions by version, filled at first use. `sends_files`: its responses may hold ranges of files.
    """

    __slots__ = (
        "_module",
        "advertised",
        "api",
        "decoders",
        "encoders",
        "flexible_from",
        "handle",
        "name",
        "sends_files",
        "versions",
    )

    def __init__(self, name: str) -> None:
        self.api: Api = BY_NAME[name]
        self.name = name
        self.versions = self.api.versions
        low = self.api.advertised_min
        self.advertised = range(low if low is not None else self.versions.start, self.versions.stop)
        # An API that never became flexible has its first flexible version beyond all.
        self.flexible_from: int = self.api.flexible_from if self.api.flexible_from is not None else 32767
        self.decoders: dict[int, Callable[..., Any]] = {}
        self.encoders: dict[int, Callable[..., Any]] = {}
        self.handle: Callable[..., Any] = self._first_request
        self.sends_files = name == "Fetch"
        self._module: ModuleType | None = None

    @property
    def module(self) -> ModuleType:
        """The handler's file, imported now if need be."""
        if self._module is None:
            self._module = import_module(f".handlers.{self.api.module}", __package__)
        return self._module

    def _first_request(self, request: Any, context: Any) -> Any:
        self.handle = self.module.handle
        return self.handle(request, context)

    def decoder(self, version: int) -> Callable[..., Any]:
        """`decode(buffer, position) -> (request, end)`, compiled now if need be."""
        self.decoders[version] = run = compiled_decoder(self.api.request(), version).run
        return run

    def encoder(self, version: int) -> Callable[..., Any]:
        """`encode(response, append)`, compiled now if need be."""
        self.encoders[version] = run = compiled_encoder(self.api.response(), version).run
        return run


SERVED: Final[dict[int, Served]] = {
    row.api.key: row
    for row in map(
        Served,
        (
            "Produce",
            "Fetch",
            "ListOffsets",
            "Metadata",
            "OffsetCommit",
            "OffsetFetch",
            "FindCoordinator",
            "JoinGroup",
            "Heartbeat",
            "LeaveGroup",
            "SyncGroup",
            "DescribeGroups",
            "ListGroups",
            "SaslHandshake",
            "ApiVersions",
            "CreateTopics",
            "DeleteTopics",
            "DeleteRecords",
            "InitProducerId",
            "AddPartitionsToTxn",
            "AddOffsetsToTxn",
            "EndTxn",
            "WriteTxnMarkers",
            "TxnOffsetCommit",
            "OffsetForLeaderEpoch",
            "DescribeAcls",
            "CreateAcls",
            "DeleteAcls",
            "DescribeConfigs",
            "AlterConfigs",
            "AlterReplicaLogDirs",
            "DescribeLogDirs",
            "SaslAuthenticate",
            "CreatePartitions",
            "CreateDelegationToken",
            "RenewDelegationToken",
            "ExpireDelegationToken",
            "DescribeDelegationToken",
            "DeleteGroups",
            "ElectLeaders",
            "IncrementalAlterConfigs",
            "AlterPartitionReassignments",
            "ListPartitionReassignments",
            "OffsetDelete",
            "DescribeClientQuotas",
            "AlterClientQuotas",
            "DescribeUserScramCredentials",
            "AlterUserScramCredentials",
            "DescribeQuorum",
            "UpdateFeatures",
            "DescribeCluster",
            "DescribeProducers",
            "DescribeTransactions",
            "ListTransactions",
            "UnregisterBroker",
            "ConsumerGroupHeartbeat",
            "ConsumerGroupDescribe",
            "GetTelemetrySubscriptions",
            "PushTelemetry",
            "ListConfigResources",
            "DescribeTopicPartitions",
            "AddRaftVoter",
            "RemoveRaftVoter",
        ),
    )
}
