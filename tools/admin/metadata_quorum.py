"""`klamm metadata-quorum`: who leads the metadata log, how far its voters are, and voters added and removed, as by
Kafka's MetadataQuorumCommand."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Final

from ...storage import checkpoints
from ...wire.declare import ZERO_UUID
from ...wire.json_form import uuid_text
from ...wire.messages.add_raft_voter import AddRaftVoterRequest, AddRaftVoterResponse, Listener
from ...wire.messages.describe_cluster import DescribeClusterRequest, DescribeClusterResponse
from ...wire.messages.describe_quorum import (
    DescribeQuorumRequest,
    DescribeQuorumRequestPartitionData,
    DescribeQuorumRequestTopicData,
    DescribeQuorumResponse,
    DescribeQuorumResponsePartitionData,
    ReplicaState,
)
from ...wire.messages.remove_raft_voter import RemoveRaftVoterRequest, RemoveRaftVoterResponse
from ..cli import FailedError
from ..client import Client, ClientError, open_client
from ..client.errors import ServerError, check, failure_line
from ..client.settings import read_properties
from .actions import add_json, parse_or_code, parser_of
from .common import CommandError, print_json, tab_table

EXAMPLES: Final = """\
    klamm metadata-quorum --bootstrap-server localhost:9092 describe --status
    klamm metadata-quorum --bootstrap-server localhost:9092 describe --replication --human-readable"""

_ACTIONS: Final = {
    "describe": "Describe the metadata quorum info",
    "add-controller": "Add a controller to the KRaft controller cluster",
    "remove-controller": "Remove a controller from the KRaft controller cluster",
}
_HEADS: Final = (
    "NodeId",
    "DirectoryId",
    "LogEndOffset",
    "Lag",
    "LastFetchTimestamp",
    "LastCaughtUpTimestamp",
    "Status",
)
_NO_ROLE: Final = "process.roles did not contain 'controller' in configuration file."
_NOT_A_CONTROLLERS: Final = "{} Is this a valid controller configuration file?"


def parser() -> argparse.ArgumentParser:
    """The command line: where the cluster is, an action and its options."""
    found = parser_of("metadata-quorum", "This tool describes kraft metadata quorum status.", EXAMPLES)
    where = found.add_mutually_exclusive_group(required=True)
    where.add_argument("--bootstrap-server", help="host:port,... of brokers")
    where.add_argument("--bootstrap-controller", help="host:port,... of controllers")
    found.add_argument("--command-config", help="a properties file for the admin client, and of the controller to add")
    add_json(found)
    actions = found.add_subparsers(dest="action", required=True)
    for name, text in _ACTIONS.items():
        action = actions.add_parser(name, help=text, description=text)
        add_json(action, again=True)
        if name == "describe":
            action.add_argument("--status", action="store_true", help="a short summary of the quorum")
            action.add_argument("--replication", action="store_true", help="how far each replica is")
            action.add_argument("--human-readable", action="store_true", help="times as how long ago")
        else:
            action.add_argument("--dry-run", action="store_true", help="print what would be done")
        if name == "remove-controller":
            action.add_argument("--controller-id", "-i", type=int, required=True, help="the controller's id")
            action.add_argument("--controller-directory-id", "-d", required=True, help="its directory's id")
    return found


# --- describe ---------------------------------------------------------------------------------------------------------


def _describe(client: Client, options: argparse.Namespace) -> int:
    if options.status and options.replication:
        raise CommandError("Only one of --status or --replication should be specified with describe sub-command")
    if not options.status and not options.replication:
        raise CommandError("One of --status or --replication must be specified with describe sub-command")
    if options.status and options.human_readable:
        raise CommandError("The option --human-readable is only supported along with --replication")
    asked = DescribeQuorumRequestTopicData(
        topic_name="__cluster_metadata", partitions=[DescribeQuorumRequestPartitionData(partition_index=0)]
    )
    answer = client.controller(DescribeQuorumRequest(topics=[asked]), DescribeQuorumResponse)
    check(answer.error_code, answer.error_message)
    quorum = answer.topics[0].partitions[0]
    check(quorum.error_code, quorum.error_message)
    return _status(client, options, answer, quorum) if options.status else _replication(options, quorum)


def _leader(quorum: DescribeQuorumResponsePartitionData) -> ReplicaState:
    return next(row for row in quorum.current_voters if row.replica_id == quorum.leader_id)


def _status(
    client: Client,
    options: argparse.Namespace,
    answer: DescribeQuorumResponse,
    quorum: DescribeQuorumResponsePartitionData,
) -> int:
    cluster_id = client.any(DescribeClusterRequest(), DescribeClusterResponse).cluster_id
    leader = _leader(quorum)
    slowest = min(quorum.current_voters, key=lambda row: row.log_end_offset)
    lag = leader.log_end_offset - slowest.log_end_offset
    lag_ms = 0
    if slowest is not leader:
        known = -1 not in (leader.last_caught_up_timestamp, slowest.last_caught_up_timestamp)
        lag_ms = leader.last_caught_up_timestamp - slowest.last_caught_up_timestamp if known else -1
    endpoints = {
        node.node_id: [f"{row.name}://{_in_brackets(row.host)}:{row.port}" for row in node.listeners]
        for node in answer.nodes
    }
    if options.json:
        print_json(
            {
                "clusterId": cluster_id,
                "leaderId": quorum.leader_id,
                "leaderEpoch": quorum.leader_epoch,
                "highWatermark": quorum.high_watermark,
                "maxFollowerLag": lag,
                "maxFollowerLagTimeMs": lag_ms,
                "currentVoters": [_replica(row, endpoints) for row in quorum.current_voters],
                "currentObservers": [_replica(row, endpoints) for row in quorum.observers],
            }
        )
        return 0
    print(f"ClusterId:              {cluster_id}")
    print(f"LeaderId:               {quorum.leader_id}")
    print(f"LeaderEpoch:            {quorum.leader_epoch}")
    print(f"HighWatermark:          {quorum.high_watermark}")
    print(f"MaxFollowerLag:         {lag}")
    print(f"MaxFollowerLagTimeMs:   {lag_ms}")
    print(f"CurrentVoters:          {_shown(quorum.current_voters, endpoints)}")
    print(f"CurrentObservers:       {_shown(quorum.observers, endpoints)}")
    return 0


def _in_brackets(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _replica(row: ReplicaState, endpoints: Mapping[int, list[str]]) -> dict[str, object]:
    directory_id = {} if row.replica_directory_id == ZERO_UUID else {"directoryId": uuid_text(row.replica_directory_id)}
    found = endpoints.get(row.replica_id)
    return {"id": row.replica_id, **directory_id, **({"endpoints": found} if found else {})}


def _shown(rows: Sequence[ReplicaState], endpoints: Mapping[int, list[str]]) -> str:
    """As Kafka shows them, which is JSON with blanks."""
    from json import dumps

    return f"[{', '.join(dumps(_replica(row, endpoints)) for row in rows)}]"


def _replication(options: argparse.Namespace, quorum: DescribeQuorumResponsePartitionData) -> int:
    leader = _leader(quorum)
    followers = [row for row in quorum.current_voters if row is not leader]
    rows = [(leader, "Leader"), *((row, "Follower") for row in followers)]
    rows += ((row, "Observer") for row in quorum.observers)
    table = [
        (
            row.replica_id,
            uuid_text(row.replica_directory_id),
            row.log_end_offset,
            leader.log_end_offset - row.log_end_offset,
            _time(row.last_fetch_timestamp, options.human_readable),
            _time(row.last_caught_up_timestamp, options.human_readable),
            status,
        )
        for row, status in rows
    ]
    if options.json:
        names = [name[0].lower() + name[1:] for name in _HEADS]
        print_json([dict(zip(names, row, strict=True)) for row in table])
        return 0
    return tab_table(_HEADS, table)


def _time(timestamp_ms: int, human_readable: bool) -> int | str:
    if timestamp_ms == -1 or not human_readable:
        return timestamp_ms
    return f"{max(time.time_ns() // 1_000_000 - timestamp_ms, 0)} ms ago"


# --- voters -----------------------------------------------------------------------------------------------------------


def _add(client: Client, options: argparse.Namespace) -> int:
    if options.command_config is None:
        raise CommandError(
            "You must supply the configuration file of the controller you are adding when using add-controller."
        )
    properties = read_properties(options.command_config)
    node_id = _node_id(properties)
    directory_id = _directory_id(_metadata_dir(properties))
    listeners = _listeners(properties)
    where = ", ".join(f"{row.name}://{_in_brackets(row.host)}:{row.port}" for row in listeners)
    if not options.dry_run:
        request = AddRaftVoterRequest(
            cluster_id=None,
            timeout_ms=client.settings.request_timeout_ms,
            voter_id=node_id,
            voter_directory_id=checkpoints.decode_uuid(directory_id),
            listeners=listeners,
        )
        answer = client.controller(request, AddRaftVoterResponse)
        check(answer.error_code, answer.error_message)
    if options.json:
        print_json({"added": node_id, "directoryId": directory_id, "endpoints": where.split(", ")})
        return 0
    done = "DRY RUN of adding" if options.dry_run else "Added"
    print(f"{done} controller {node_id} with directory id {directory_id} and endpoints: {where}")
    return 0


def _node_id(properties: Mapping[str, str]) -> int:
    """Raises CommandError for a file that is none of a controller's, as the next two do."""
    text = properties.get("node.id")
    if text is None:
        raise CommandError(_NOT_A_CONTROLLERS.format("node.id not found in configuration file."))
    if int(text) < 0:
        raise CommandError(_NOT_A_CONTROLLERS.format("node.id was negative in configuration file."))
    if "controller" not in properties.get("process.roles", ""):
        raise CommandError(_NOT_A_CONTROLLERS.format(_NO_ROLE))
    return int(text)


def _metadata_dir(properties: Mapping[str, str]) -> str:
    found = properties.get("metadata.log.dir") or properties.get("log.dirs", "").split(",")[0].strip()
    if not found:
        raise CommandError(_NOT_A_CONTROLLERS.format("Neither metadata.log.dir nor log.dirs were found."))
    return found


def _directory_id(folder: str) -> str:
    try:
        with open(os.path.join(folder, checkpoints.META_PROPERTIES), "rb") as file:
            return checkpoints.decode_properties(file.read())["directory.id"]
    except OSError:
        raise CommandError(f"Unable to read meta.properties from {folder}") from None
    except KeyError:
        raise CommandError(f"No directory id found in {folder}") from None


def _listeners(properties: Mapping[str, str]) -> list[Listener]:
    """The controller's endpoints: what is advertised, or else listened on."""
    endpoints: dict[str, tuple[str, int]] = {}
    for key in ("listeners", "advertised.listeners"):
        for text in filter(None, properties.get(key, "").split(",")):
            name, _, address = text.strip().partition("://")
            host, _, port = address.rpartition(":")
            endpoints[name.upper()] = (host.strip("[]") or "localhost", int(port))
    names = properties.get("controller.listener.names")
    if names is None:
        raise CommandError(_NOT_A_CONTROLLERS.format("controller.listener.names was not found."))
    found = []
    for name in names.split(","):
        if name.upper() not in endpoints:
            raise CommandError(f"Cannot find information about controller listener name: {name}")
        where = endpoints[name.upper()]
        found.append(Listener(name=name, host=where[0], port=where[1]))
    return found


def _remove(client: Client, options: argparse.Namespace) -> int:
    node_id, directory_id = options.controller_id, options.controller_directory_id
    if node_id < 0:
        raise CommandError(f"Invalid negative --controller-id: {node_id}")
    try:
        uuid = checkpoints.decode_uuid(directory_id)
    except checkpoints.CheckpointError as error:
        raise CommandError(f"Failed to parse --controller-directory-id: {error}") from None
    if not options.dry_run:
        request = RemoveRaftVoterRequest(cluster_id=None, voter_id=node_id, voter_directory_id=uuid)
        answer = client.controller(request, RemoveRaftVoterResponse)
        check(answer.error_code, answer.error_message)
    if options.json:
        print_json({"removed": node_id, "directoryId": directory_id})
        return 0
    done = "DRY RUN of removing " if options.dry_run else "Removed"
    print(f"{done} KRaft controller {node_id} with directory id {directory_id}")
    return 0


def run(arguments: Sequence[str]) -> int:
    options = parse_or_code(parser(), arguments)
    if isinstance(options, int):
        return options
    act = {"describe": _describe, "add-controller": _add, "remove-controller": _remove}[options.action]
    if options.command_config and not os.path.exists(options.command_config):
        print(f"Properties file {options.command_config} does not exists!", file=sys.stderr)
        return 1
    try:
        with open_client(
            options.bootstrap_server or options.bootstrap_controller,
            command_config=options.command_config,
            client_id="adminclient-1",
        ) as client:
            return act(client, options)
    except (CommandError, FailedError) as error:
        print(error, file=sys.stderr)
    except ClientError as error:
        line = failure_line(error)
        print(line, file=sys.stderr)
        if isinstance(error, ServerError):
            print(f"java.util.concurrent.ExecutionException: {line}", file=sys.stderr)
    return 1
