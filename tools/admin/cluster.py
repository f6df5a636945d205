"""`klamm cluster`: the cluster's id, its endpoints, and brokers to forget, as Kafka's ClusterTool."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Final

from ...wire.messages.describe_cluster import DescribeClusterRequest, DescribeClusterResponse
from ...wire.messages.unregister_broker import UnregisterBrokerRequest, UnregisterBrokerResponse
from ..client import Client, ClientError, UnsupportedError, open_client
from ..client.errors import check, failure_line
from .actions import add_json, parse_or_code, parser_of
from .common import OLD_CONFIG, columns, print_json

EXAMPLES: Final = """\
    klamm cluster cluster-id --bootstrap-server localhost:9092
    klamm cluster list-endpoints --bootstrap-server localhost:9092 --include-fenced-brokers
    klamm cluster unregister --bootstrap-server localhost:9092 --id 3"""

_CONTROLLERS: Final = 2
_ACTIONS: Final = {
    "cluster-id": "Get information about the ID of a cluster.",
    "unregister": "Unregister a broker.",
    "list-endpoints": "List endpoints",
}


def parser() -> argparse.ArgumentParser:
    """The command line: an action and its options."""
    found = parser_of("cluster", "The Kafka cluster tool.", EXAMPLES)
    actions = found.add_subparsers(dest="action", required=True)
    for name, text in _ACTIONS.items():
        action = actions.add_parser(name, help=text, description=text)
        where = action.add_mutually_exclusive_group(required=True)
        where.add_argument("--bootstrap-server", "-b", help="host:port,... of brokers")
        where.add_argument("--bootstrap-controller", "-C", help="host:port,... of controllers")
        action.add_argument("--config", help="the same as --command-config (up to 4.x, KIP-1147)")
        action.add_argument("--command-config", "-c", help="a properties file for the admin client")
        add_json(action)
        if name == "unregister":
            action.add_argument("--id", "-i", type=int, required=True, help="the broker to unregister")
        if name == "list-endpoints":
            action.add_argument("--include-fenced-brokers", action="store_true", help="also brokers that are fenced")
    return found


def _cluster_id(client: Client, options: argparse.Namespace) -> int:
    found = _describe(client, options, fenced=False).cluster_id
    if options.json:
        print_json({"clusterId": found})
    else:
        print(f"Cluster ID: {found}")
    return 0


def _describe(client: Client, options: argparse.Namespace, fenced: bool) -> DescribeClusterResponse:
    kind = _CONTROLLERS if options.bootstrap_controller else 1

    def request(version: int) -> DescribeClusterRequest:
        if fenced and version < 2:
            raise UnsupportedError("Including fenced broker endpoints is not supported by the broker")
        if kind == _CONTROLLERS and version < 1:
            raise UnsupportedError("The node cannot describe controllers")
        return DescribeClusterRequest(endpoint_type=kind, include_fenced_brokers=fenced)

    answer = client.any(request, DescribeClusterResponse)
    check(answer.error_code, answer.error_message)
    return answer


def _list_endpoints(client: Client, options: argparse.Namespace) -> int:
    fenced = options.include_fenced_brokers
    if fenced and options.bootstrap_controller:
        print("The option --include-fenced-brokers is only supported with --bootstrap-server option", file=sys.stderr)
        return 1
    answer = _describe(client, options, fenced)
    kind = "controller" if options.bootstrap_controller else "broker"
    rows = sorted(answer.brokers, key=lambda row: row.broker_id)
    if options.json:
        print_json(
            [
                {"id": r.broker_id, "host": r.host, "port": r.port, "rack": r.rack, "fenced": r.is_fenced, "type": kind}
                for r in rows
            ]
        )
        return 0
    head = ["ID", "HOST", "PORT", "RACK", *([] if options.bootstrap_controller else ["STATE"]), "ENDPOINT_TYPE"]
    table = [head]
    for row in rows:
        state = [] if options.bootstrap_controller else ["fenced" if row.is_fenced else "unfenced"]
        table.append([str(row.broker_id), row.host, str(row.port), row.rack or "null", *state, kind])
    # The widths of Kafka's format; a longer host pushes its column.
    host = max(len(row[1]) for row in table)
    print(columns(table, (10, host, 10, 10, *([] if options.bootstrap_controller else [10]), 15)))
    return 0


def _unregister(client: Client, options: argparse.Namespace) -> int:
    answer = client.controller(UnregisterBrokerRequest(broker_id=options.id), UnregisterBrokerResponse)
    check(answer.error_code, answer.error_message)
    if options.json:
        print_json({"unregistered": options.id})
    else:
        print(f"Broker {options.id} is no longer registered.")
    return 0


def run(arguments: Sequence[str]) -> int:
    options = parse_or_code(parser(), arguments)
    if isinstance(options, int):
        return options
    if options.config and options.command_config:
        print("Options --config and --command-config cannot be specified together.", file=sys.stderr)
        return 1
    if options.config:
        print(OLD_CONFIG.format("config"), file=sys.stderr if options.json else sys.stdout)
    act = {"cluster-id": _cluster_id, "unregister": _unregister, "list-endpoints": _list_endpoints}[options.action]
    try:
        with open_client(
            options.bootstrap_server or options.bootstrap_controller,
            command_config=options.command_config or options.config,
            client_id="adminclient-1",
        ) as client:
            return act(client, options)
    except ClientError as error:
        print(failure_line(error), file=sys.stderr)
        return 1
