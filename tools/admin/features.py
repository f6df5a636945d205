"""`klamm features`: what levels the cluster's features have, and setting them, as by Kafka's FeatureCommand."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Collection, Sequence
from typing import Final

from ...wire.messages.api_versions import ApiVersionsResponse
from ...wire.messages.update_features import FeatureUpdateKey, UpdateFeaturesRequest, UpdateFeaturesResponse
from ..client import Client, ClientError, ServerError, UnsupportedError, open_client
from ..client.errors import failure_line
from .actions import add_json, parse_or_code, parser_of
from .common import CommandError, print_json
from .feature_levels import LATEST, METADATA, dependency, level_name, levels_of, metadata_level

EXAMPLES: Final = """\
    klamm features --bootstrap-server localhost:9092 describe
    klamm features --bootstrap-server localhost:9092 upgrade --feature transaction.version=2
    klamm features version-mapping --release-version 4.0"""

_ACTIONS: Final = {
    "describe": "Describes the current active feature flags.",
    "upgrade": "Upgrade one or more feature flags.",
    "downgrade": "Downgrade one or more feature flags.",
    "disable": "Disable one or more feature flags: the same as downgrading to 0.",
    "version-mapping": "Look up the features of a metadata version.",
    "feature-dependencies": "Look up what a feature version needs.",
}
_UPGRADE, _SAFE, _UNSAFE = 1, 2, 3
_DONE: Final = {"upgrade": "upgraded to {}", "downgrade": "downgraded to {}", "disable": "disabled"}


def parser() -> argparse.ArgumentParser:
    """The command line: where the cluster is, an action and its options."""
    found = parser_of("features", "This tool manages feature flags in Kafka.", EXAMPLES)
    where = found.add_mutually_exclusive_group()
    where.add_argument("--bootstrap-server", help="host:port,... of brokers")
    where.add_argument("--bootstrap-controller", help="host:port,... of controllers")
    found.add_argument("--command-config", help="a properties file for the admin client")
    add_json(found)
    actions = found.add_subparsers(dest="action", required=True)
    for name, text in _ACTIONS.items():
        action = actions.add_parser(name, help=text, description=text)
        add_json(action, again=True)
        if name == "describe":
            action.add_argument("--node-id", type=int, help="the node to ask; any without it")
        if name in ("upgrade", "downgrade"):
            action.add_argument("--metadata", help="the old way to name a metadata version, such as 3.3-IV3")
        if name in ("upgrade", "downgrade", "version-mapping"):
            action.add_argument("--release-version", help="the release whose levels all features get, such as 4.0")
        if name in ("upgrade", "downgrade", "disable", "feature-dependencies"):
            needed = name == "feature-dependencies"
            action.add_argument("--feature", action="append", default=[], required=needed, help="feature=level")
        if name in ("downgrade", "disable"):
            action.add_argument("--unsafe", action="store_true", help="even if metadata may be lost")
        if name in ("upgrade", "downgrade", "disable"):
            action.add_argument("--dry-run", action="store_true", help="validate only")
    return found


def parse_level(text: str) -> tuple[str, int]:
    """(feature, level) of `feature=level`. Raises CommandError."""
    feature, assigned, level = text.partition("=")
    if not assigned:
        raise CommandError(f"Can't parse feature=level string {text}: equals sign not found.")
    try:
        number = int(level.strip())
    except ValueError:
        number = 32768
    if not -32768 <= number <= 32767:
        raise CommandError(f"Can't parse feature=level string {text}: unable to parse {level.strip()} as a short.")
    return feature.strip(), number


def _describe(client: Client, options: argparse.Namespace) -> int:
    deadline_s = client.deadline()
    node = -1 if options.node_id is None else options.node_id
    if options.node_id is not None and node < 0:
        raise CommandError(f"Invalid node id {node}: must be non-negative.")
    answer = client.until(lambda: client.connection(node, deadline_s).api_versions, (), deadline_s)
    rows = _rows(answer)
    if options.json:
        print_json(rows)
        return 0
    for row in rows:
        name = str(row["feature"])
        least, most, level = (level_name(name, int(str(row[key]))) for key in ("min", "max", "finalized"))
        print(
            f"Feature: {name:<42}SupportedMinVersion: {least:<17}SupportedMaxVersion: {most:<17}"
            f"FinalizedVersionLevel: {level:<17}Epoch: {row['epoch'] if row['epoch'] != -1 else '-'}"
        )
    return 0


def _rows(answer: ApiVersionsResponse) -> list[dict[str, object]]:
    finalized = {row.name: row.max_version_level for row in answer.finalized_features}
    return [
        {
            "feature": row.name,
            "min": row.min_version,
            "max": row.max_version,
            "finalized": finalized.get(row.name, 0),
            "epoch": answer.finalized_features_epoch,
        }
        for row in sorted(answer.supported_features, key=lambda row: row.name)
    ]


def _wanted(options: argparse.Namespace, supported: Collection[str]) -> dict[str, int]:
    """Feature -> level that the options ask for. Raises CommandError.

    `supported`: what the broker has; the rest of a release is left out.
    """
    wanted: dict[str, int] = {}
    release = getattr(options, "release_version", None)
    metadata = getattr(options, "metadata", None)
    if release and (metadata or options.feature):
        raise CommandError("Can not specify `release-version` with other feature flags.")
    if release:
        levels = levels_of(release)
        strange = levels.keys() - supported
        if strange:
            # Kafka's tool asks for them too, and fails as a whole on a broker that lacks one of them.
            print(f"Left out, since the broker does not know them: {', '.join(sorted(strange))}", file=sys.stderr)
        return {name: level for name, level in sorted(levels.items()) if name not in strange}
    if metadata:
        print(
            " `metadata` flag is deprecated and may be removed in a future release.",
            file=sys.stderr if options.json else sys.stdout,
        )
        wanted[METADATA] = metadata_level(metadata)
    for text in options.feature:
        feature, level = (text.strip(), 0) if options.action == "disable" else parse_level(text)
        if feature in wanted:
            raise CommandError(f"Feature {feature} was specified more than once.")
        wanted[feature] = level
    if not wanted:
        raise CommandError(f"You must specify at least one feature to {options.action}")
    return dict(sorted(wanted.items()))


def _supported(client: Client, options: argparse.Namespace) -> set[str]:
    """The features of the broker, asked for where the options name a whole release."""
    if not getattr(options, "release_version", None):
        return set()
    deadline_s = client.deadline()
    answer = client.until(lambda: client.connection(-1, deadline_s).api_versions, (), deadline_s)
    return {row.name for row in answer.supported_features}


def _update(client: Client, options: argparse.Namespace) -> int:
    wanted = _wanted(options, _supported(client, options))
    kind = _UPGRADE if options.action == "upgrade" else _UNSAFE if options.unsafe else _SAFE

    def request(version: int) -> UpdateFeaturesRequest:
        if version == 0 and (options.dry_run or kind == _UNSAFE):
            raise UnsupportedError("The broker knows neither --dry-run nor --unsafe")
        rows = [
            FeatureUpdateKey(
                feature=feature,
                max_version_level=level,
                **({"upgrade_type": kind} if version else {"allow_downgrade": kind != _UPGRADE}),
            )
            for feature, level in wanted.items()
        ]
        timeout_ms = client.settings.request_timeout_ms
        return UpdateFeaturesRequest(timeout_ms=timeout_ms, feature_updates=rows, validate_only=options.dry_run)

    answer = client.controller(request, UpdateFeaturesResponse)
    errors: dict[str, str] = {}
    if answer.error_code:
        errors = dict.fromkeys(wanted, str(ServerError(answer.error_code, answer.error_message)))
    for row in answer.results:
        if row.error_code:
            errors[row.feature] = str(ServerError(row.error_code, row.error_message))
    if options.json:
        print_json({"updated": {name: wanted[name] for name in wanted if name not in errors}, "failed": errors})
        return 1 if errors else 0
    can, cannot = ("can be", "Can not") if options.dry_run else ("was", "Could not")
    for feature, level in wanted.items():
        if feature in errors:
            to = "" if options.action == "disable" else f" to {level}"
            print(f"{cannot} {options.action} {feature}{to}. {errors[feature]}")
        else:
            print(f"{feature} {can} {_DONE[options.action].format(level)}.")
    if errors:
        print(f"{len(errors)} out of {len(wanted)} operation(s) failed.", file=sys.stderr)
    return 1 if errors else 0


def print_mapping(options: argparse.Namespace) -> int:
    """The levels of all features in `options.release_version`. Raises CommandError."""
    release = options.release_version or LATEST
    levels = levels_of(release)
    if options.json:
        print_json(levels)
        return 0
    for feature, level in levels.items():
        print(f"{feature}={level} ({release})" if feature == METADATA else f"{feature}={level}")
    return 0


def print_dependencies(options: argparse.Namespace) -> int:
    """What each of `options.feature` needs. Raises CommandError."""
    found = {}
    for text in options.feature:
        feature, level = parse_level(text)
        found[text] = needed = dependency(feature, level)
        if options.json:
            continue
        name = f"{feature}={level}" + (f" ({level_name(feature, level)})" if feature == METADATA else "")
        if needed is None:
            print(f"{name} has no dependencies.")
        else:
            print(f"{name} requires:\n    {METADATA}={needed} ({level_name(METADATA, needed)})")
    if options.json:
        print_json({text: {METADATA: needed} if needed else {} for text, needed in found.items()})
    return 0


def run(arguments: Sequence[str]) -> int:
    options = parse_or_code(parser(), arguments)
    if isinstance(options, int):
        return options
    try:
        if options.action == "version-mapping":
            return print_mapping(options)
        if options.action == "feature-dependencies":
            return print_dependencies(options)
        where = options.bootstrap_server or options.bootstrap_controller
        if where is None:
            raise CommandError("You must specify either --bootstrap-controller or --bootstrap-server.")
        with open_client(where, command_config=options.command_config, client_id="adminclient-1") as client:
            return _describe(client, options) if options.action == "describe" else _update(client, options)
    except CommandError as error:
        print(error, file=sys.stderr)
    except ClientError as error:
        print(failure_line(error), file=sys.stderr)
    return 1
