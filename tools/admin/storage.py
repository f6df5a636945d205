"""`klamm storage`: ids for clusters, and data folders that bear them, as Kafka's StorageTool.

A folder need not be formatted: `klamm serve` gives a new one an id of its own. One that is formatted is taken as it is.

Left out: --add-scram, --initial-controllers and --no-initial-controllers, which are for clusters of several machines.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Final
from uuid import uuid4

from ...broker.config import Config, ConfigError
from ...broker.config.sources import load
from ...broker.features import KRAFT_VERSION, SUPPORTED_FEATURES
from ...broker.metadata.bootstrap import BOOTSTRAP_CHECKPOINT, encode_bootstrap, encode_voters
from ...broker.metadata.snapshot_retention import SnapshotId
from ...broker.metadata.voters import own_voter
from ...storage import checkpoints
from ...storage.files import Files, read_file, replace_file
from ...storage.log_manager import METADATA_TOPIC
from ..cli import FailedError, UsageError
from .actions import add_json, parse_or_code, parser_of
from .common import CommandError, print_json
from .feature_levels import LATEST, METADATA, METADATA_LEVELS, level_name, levels_of, metadata_level
from .features import parse_level, print_dependencies, print_mapping

EXAMPLES: Final = """\
    klamm storage random-uuid
    klamm storage format --standalone -t MkU3OEVBNTcwNTJENDM2Qk -c config/server.properties
    klamm storage info -c config/server.properties"""

_ACTIONS: Final = {
    "info": "Get information about the Kafka log directories on this node.",
    "format": "Format the Kafka log directories on this node.",
    "version-mapping": "Look up the features of a metadata version.",
    "feature-dependencies": "Look up what a feature version needs.",
    "random-uuid": "Print a random UUID.",
}


_KRAFT_NEEDS_VOTERS: Final = (
    "Cannot set kraft.version to 1 unless controller.quorum.voters is empty and one of the flags --standalone, "
    "--initial-controllers, or --no-initial-controllers is used. For dynamic controllers support, try using one of "
    "--standalone, --initial-controllers, or --no-initial-controllers and removing controller.quorum.voters."
)
_KRAFT_IS_FIXED: Final = (
    "Cannot set kraft.version to 0 if controller.quorum.voters is empty and one of the flags --standalone, "
    "--initial-controllers, or --no-initial-controllers is used. For dynamic controllers support, try removing the "
    "--feature flag for kraft.version."
)


def parser() -> argparse.ArgumentParser:
    """The command line: an action and its options."""
    found = parser_of("storage", "The Kafka storage tool.", EXAMPLES)
    actions = found.add_subparsers(dest="action", required=True)
    for name, text in _ACTIONS.items():
        action = actions.add_parser(name, help=text, description=text)
        if name in ("info", "format"):
            action.add_argument("--config", "-c", required=True, help="the settings of the broker")
        if name in ("format", "version-mapping"):
            action.add_argument("--release-version", "-r", help=f"the release of the features (default: {LATEST})")
        if name in ("format", "feature-dependencies"):
            needed = name == "feature-dependencies"
            action.add_argument("--feature", "-f", action="append", default=[], required=needed, help="feature=level")
        if name == "format":
            action.add_argument("--cluster-id", "-t", required=True, help="the id that the cluster gets")
            action.add_argument("--ignore-formatted", "-g", action="store_true", help="pass over formatted folders")
            action.add_argument("--standalone", "-s", action="store_true", help="one node, as every klamm is")
        add_json(action)
    return found


def _configuration(path: str) -> Config:
    """Raises UsageError."""
    try:
        return load(path, os.environ)
    except ConfigError as error:
        raise UsageError(str(error)) from None


def _folders(config: Config) -> list[str]:
    """The folders that the broker of these settings uses, without repetition, in the order of their names."""
    return sorted(set(map(os.path.abspath, (config.metadata_log_dir, *config.log_dirs))))


def _identity(folder: str) -> dict[str, str] | None:
    """What meta.properties says, None if there is none. Raises FailedError."""
    try:
        data = read_file(Files(), os.path.join(folder, checkpoints.META_PROPERTIES))
    except OSError as error:
        raise FailedError(f"{error.filename}: {error.strerror}") from None
    return None if data is None else checkpoints.decode_properties(data)


def _info(options: argparse.Namespace) -> int:
    folders = _folders(_configuration(options.config))
    identities = {folder: _identity(folder) for folder in folders if os.path.isdir(folder)}
    problems = [f"{folder} does not exist" for folder in folders if folder not in identities]
    problems += [f"{folder} is not formatted." for folder, found in identities.items() if found is None]
    metadata = next((found for found in identities.values() if found is not None), None)
    if options.json:
        print_json({"folders": list(identities), "metadata": metadata, "problems": problems})
        return 1 if problems else 0
    if identities:
        _print_paragraph(f"Found log director{'y' if len(identities) == 1 else 'ies'}:", list(identities))
    if metadata is not None:
        pairs = ", ".join(f"{key}={value}" for key, value in sorted(metadata.items()))
        print(f"Found metadata: {{{pairs}}}\n")
    if problems:
        _print_paragraph(f"Found problem{'' if len(problems) == 1 else 's'}:", problems)
    return 1 if problems else 0


def _print_paragraph(head: str, lines: Sequence[str]) -> None:
    print("\n  ".join((head, *lines)) + "\n")


def _format(options: argparse.Namespace) -> int:
    config = _configuration(options.config)
    if options.standalone and config.get("controller.quorum.voters"):
        raise CommandError(
            "You cannot specify controller.quorum.voters and format the node with --initial-controllers or "
            "--standalone. If you want to use dynamic quorum, please remove controller.quorum.voters and specify "
            "controller.quorum.bootstrap.servers instead."
        )
    levels = _levels(options)
    left = []
    for folder in _folders(config):
        if _identity(folder) is None:
            left.append(folder)
        elif not options.ignore_formatted:
            raise CommandError(
                f"Log directory {folder} is already formatted. "
                "Use --ignore-formatted to ignore this directory and format the others."
            )
    if options.json:
        for folder in left:
            _format_folder(folder, config, options, levels)
        print_json({"clusterId": options.cluster_id, "formatted": left, "features": levels})
        return 0
    if not left:
        print("All of the log directories are already formatted.")
        return 0
    metadata_dir = os.path.abspath(config.metadata_log_dir)
    metadata_kind = "dynamic metadata voter directory" if options.standalone else "metadata directory"
    for folder in sorted(left, key=lambda folder: folder != metadata_dir):
        kind = metadata_kind if folder == metadata_dir else "data directory"
        print(f"Formatting {kind} {folder} with {METADATA} {level_name(METADATA, levels[METADATA])}.")
        _format_folder(folder, config, options, levels)
    return 0


def _format_folder(folder: str, config: Config, options: argparse.Namespace, levels: dict[str, int]) -> None:
    directory_id, now_ms = uuid4().bytes, time.time_ns() // 1_000_000
    content = {BOOTSTRAP_CHECKPOINT: encode_bootstrap(levels, now_ms)}
    if options.standalone and folder == os.path.abspath(config.metadata_log_dir):
        name = os.path.join(f"{METADATA_TOPIC}-0", SnapshotId(0, 0).file_name)
        content[name] = encode_voters(own_voter(config, directory_id), now_ms)
    identity = checkpoints.identity(config.get("node.id"), options.cluster_id, directory_id)
    # The last one: a folder that has it is formatted.
    content[checkpoints.META_PROPERTIES] = checkpoints.encode_properties(identity)
    _write(folder, content)


def _levels(options: argparse.Namespace) -> dict[str, int]:
    """Feature -> level of the new cluster. Raises CommandError with Kafka's messages."""
    asked = dict(map(parse_level, options.feature))
    if options.release_version and METADATA in asked:
        raise CommandError("Use --release-version instead of --feature metadata.version=X to avoid ambiguity.")
    for feature, level in asked.items():
        if feature == METADATA and level not in range(*METADATA_LEVELS):
            raise CommandError(
                f"No MetadataVersion with feature level {level}. "
                f"Valid feature levels are from {METADATA_LEVELS[0]} to {METADATA_LEVELS[1] - 1}."
            )
        if feature not in SUPPORTED_FEATURES:
            known = ", ".join(sorted(SUPPORTED_FEATURES.keys() - {METADATA}))
            raise CommandError(f"Unsupported feature: {feature}. Supported features are: {known}")
        if feature != METADATA and level not in range(SUPPORTED_FEATURES[feature][1] + 1):
            raise CommandError(f"No feature:{feature} with feature level {level}")
    release = options.release_version or level_name(METADATA, asked.get(METADATA, metadata_level(LATEST)))
    levels = {name: level for name, level in levels_of(release).items() if name in SUPPORTED_FEATURES} | asked
    if levels[METADATA] > SUPPORTED_FEATURES[METADATA][1]:
        raise CommandError(f"metadata.version {release} is not yet stable.")
    if asked.get(KRAFT_VERSION, int(options.standalone)) != int(options.standalone):
        raise CommandError(_KRAFT_IS_FIXED if options.standalone else _KRAFT_NEEDS_VOTERS)
    return levels


def _write(folder: str, content: Mapping[str, bytes]) -> None:
    """`content`: by the names of files. Raises FailedError."""
    files = Files()
    try:
        files.make_folder(folder)
        for name, data in content.items():
            path = os.path.join(folder, name)
            files.make_folder(os.path.dirname(path))
            replace_file(files, path, data, sync=True)
    except OSError as error:
        raise FailedError(f"{error.filename}: {error.strerror}") from None


def _random_uuid() -> str:
    """Kafka's ids never begin with a dash, since they are arguments of commands."""
    while (text := checkpoints.encode_uuid(uuid4().bytes)).startswith("-"):
        pass
    return text


def run(arguments: Sequence[str]) -> int:
    options = parse_or_code(parser(), arguments)
    if isinstance(options, int):
        return options
    try:
        if options.action == "random-uuid":
            found = _random_uuid()
            print(f'"{found}"' if options.json else found)
            return 0
        if options.action == "version-mapping":
            return print_mapping(options)
        if options.action == "feature-dependencies":
            return print_dependencies(options)
        return _info(options) if options.action == "info" else _format(options)
    except CommandError as error:
        print(error, file=sys.stderr)
        return 1
