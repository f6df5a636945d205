"""`klamm reassign-partitions`: moves replicas between brokers and folders, as Kafka's ReassignPartitionsCommand."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Final

from ...wire.errors import ErrorCode
from ..client import Client, ServerError
from ..console.options import Options, OptionsError
from .common import CommandError, client_of, execute, java_name, print_json
from .reassign_cluster import (
    Replica,
    assignment_of,
    change,
    clear_throttles,
    folders_of,
    move_folders,
    moves_of,
    ongoing,
    set_broker_throttle,
    set_folder_throttle,
    with_folders,
)
from .reassign_options import ABOUT, OPTIONS, action_of
from .reassign_plan import (
    ANY_DIR,
    Key,
    Target,
    as_json,
    check_targets,
    name,
    read_brokers,
    read_targets,
    read_topics,
    spread,
)

_FAILED: Final = "org.apache.kafka.tools.AdminCommandFailedException"


class _TerseError(CommandError):
    """Kafka prints this one as it is, without a trace."""


def _names(keys: Sequence[Key]) -> str:
    return ",".join(name(key) for key in sorted(keys))


def _plural(count: int) -> str:
    return "" if count == 1 else "s"


def _line(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


# --- the actions ------------------------------------------------------------------------------------------------------


def _list(client: Client, options: Options) -> int:
    found = sorted(ongoing(client).items())
    if options.has("json"):
        rows = [
            {
                "topic": key[0],
                "partition": key[1],
                "replicas": row.replicas,
                "adding": row.adding_replicas,
                "removing": row.removing_replicas,
            }
            for key, row in found
        ]
        print_json(rows)
        return 0
    print("Current partition reassignments:" if found else "No partition reassignments found.")
    for key, row in found:
        parts = [f"{name(key)}: replicas: {','.join(map(str, row.replicas))}."]
        parts += [f"adding: {','.join(map(str, row.adding_replicas))}."] if row.adding_replicas else []
        parts += [f"removing: {','.join(map(str, row.removing_replicas))}."] if row.removing_replicas else []
        print(" ".join(parts))
    return 0


def _generate(client: Client, options: Options) -> int:
    brokers = read_brokers(options.last("broker-list"))
    topics = read_topics(options.last("topics-to-move-json-file"))
    assignment = assignment_of(client, topics)
    client.metadata([])
    racks = {broker: client.nodes[broker].rack for broker in brokers if broker in client.nodes}
    if options.has("disable-rack-aware"):
        racks = dict.fromkeys(racks)
    elif len({rack is None for rack in racks.values()}) > 1:
        raise CommandError(
            "Not all brokers have rack information. Add --disable-rack-aware in command line to make replica assignment"
            " without rack information.",
            "org.apache.kafka.server.common.AdminOperationException",
        )
    proposed: dict[Key, Target] = {}
    for topic in topics:
        keys = sorted(key for key in assignment if key[0] == topic)
        factor = len(assignment[keys[0]])
        for key, replicas in zip(keys, spread(len(keys), factor, racks), strict=True):
            proposed[key] = Target(replicas, [ANY_DIR] * factor)
    current = as_json(with_folders(client, assignment))
    if options.has("json"):
        print_json({"current": current, "proposed": as_json(proposed)})
        return 0
    print(f"Current partition replica assignment\n{_line(current)}\n")
    print(f"Proposed partition reassignment configuration\n{_line(as_json(proposed))}")
    return 0


def _execute(client: Client, options: Options) -> int:
    targets = read_targets(options.last("reassignment-json-file"))
    check_targets(targets)
    moving = ongoing(client)
    if moving and not options.has("additional"):
        raise _TerseError(
            "Cannot execute because there is an existing partition assignment.  Use --additional to override this and "
            "create a new partition assignment in addition to the existing one. The --additional flag can also be used "
            "to change the throttle by resubmitting the current reassignment."
        )
    client.metadata([])
    for broker in (broker for target in targets.values() for broker in target.replicas):
        if broker not in client.nodes:
            raise CommandError(f"Unknown broker id {broker}", _FAILED)
    everything = assignment_of(client, (topic for topic, _ in targets))
    assignment = {key: everything[key] for key in targets if key in everything}
    quiet = options.has("json")
    current = as_json(with_folders(client, assignment))
    if not quiet:
        print(f"Current partition replica assignment\n\n{_line(current)}\n")
        print("Save this to use as the --reassignment-json-file option during rollback")
    folders = {
        (*key, broker): folder
        for key, target in targets.items()
        for broker, folder in zip(target.replicas, target.log_dirs, strict=True)
        if folder != ANY_DIR
    }
    _throttle(client, options, targets, assignment, folders)
    allowed = not options.has("disallow-replication-factor-change")
    wrong = change(client, {key: target.replicas for key, target in targets.items()}, allow_factor_change=allowed)
    if wrong:
        lines = "\n".join(f"{name(key)}: {error}" for key, error in sorted(wrong.items(), key=lambda row: row[0]))
        raise _TerseError(f"Error reassigning partition(s):\n{lines}")
    if not quiet:
        print(f"Successfully started partition reassignment{_plural(len(targets))} for {_names(list(targets))}")
    if folders:
        _start_folder_moves(client, folders, options.last("timeout"), quiet)
    if quiet:
        print_json({"rollback": current, "started": [name(key) for key in sorted(targets)]})
    return 0


def _throttle(
    client: Client,
    options: Options,
    targets: dict[Key, Target],
    assignment: dict[Key, list[int]],
    folders: dict[Replica, str],
) -> None:
    between, within = options.last("throttle"), options.last("replica-alter-log-dirs-throttle")
    if max(between, within) < 0:
        return
    say = [] if options.has("json") else [print]
    for one in say:
        one(
            "Warning: You must run --verify periodically, until the reassignment completes, to ensure the throttle is "
            "removed."
        )
    if between >= 0:
        set_broker_throttle(client, moves_of(targets, assignment, ongoing(client)), between)
        for one in say:
            one(f"The inter-broker throttle limit was set to {between} B/s")
    if within >= 0:
        set_folder_throttle(client, (broker for _, _, broker in folders), within)
        for one in say:
            one(f"The replica-alter-dir throttle limit was set to {within} B/s")


def _start_folder_moves(client: Client, folders: dict[Replica, str], timeout_ms: int, quiet: bool) -> None:
    try:
        begun, late = move_folders(client, folders, timeout_ms)
    except ServerError as error:
        first = sorted(folders)[0]
        raise CommandError(f"Failed to alter dir for {_replica(first)}", _FAILED) from error
    if begun and not quiet:
        listed = ",".join(_replica(replica) for replica in begun)
        print(f"Successfully started log directory move{_plural(len(begun))} for: {listed}")
    if late:
        listed = ",".join(_replica(replica) for replica in late)
        raise _TerseError(f"Timed out before log directory move{_plural(len(late))} could be started for: {listed}")


def _replica(replica: Replica) -> str:
    return f"{replica[0]}-{replica[1]}-{replica[2]}"


def _verify(client: Client, options: Options) -> int:
    targets = read_targets(options.last("reassignment-json-file"))
    moving = ongoing(client, targets) if targets else {}
    answer = client.metadata(sorted({topic for topic, _ in targets})) if targets else None
    now: dict[Key, list[int]] = {}
    for topic in answer.topics if answer is not None else ():
        if topic.error_code not in (ErrorCode.NONE, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION):
            raise ServerError(topic.error_code)
        now |= {(topic.name or "", row.partition_index): list(row.replica_nodes) for row in topic.partitions}
    lines = []
    for key, target in sorted(targets.items()):
        replicas = now.get(key, [])
        if key in moving:
            lines.append(f"Reassignment of partition {name(key)} is still in progress.")
        elif replicas == target.replicas:
            lines.append(f"Reassignment of partition {name(key)} is completed.")
        else:
            there, wanted = (",".join(map(str, row)) for row in (replicas, target.replicas))
            lines.append(
                f"There is no active reassignment of partition {name(key)}, but replica set is {there} rather than "
                f"{wanted}."
            )
    folder_lines, folders_move = _folder_states(client, targets)
    if options.has("json"):
        states = {"partitions": lines, "logDirs": folder_lines, "inProgress": bool(moving or folders_move)}
        print_json(states)
        return 0
    print("\n".join(["Status of partition reassignment:", *lines]))
    print("\n".join(folder_lines))
    if not moving and not folders_move and not options.has("preserve-throttles"):
        clear_throttles(client, (topic for topic, _ in targets))
    return 0


def _folder_states(client: Client, targets: dict[Key, Target]) -> tuple[list[str], bool]:
    """A line for each replica that a folder was named for, and whether one is on its way."""
    wanted = {
        (*key, broker): folder
        for key, target in targets.items()
        for broker, folder in zip(target.replicas, target.log_dirs, strict=True)
        if folder != ANY_DIR
    }
    lines, moves = [], False
    for replica, (now, then) in sorted(folders_of(client, wanted).items()) if wanted else ():
        partition, broker, target = name(replica[:2]), replica[2], wanted[replica]
        if then == target:
            moves = True
            lines.append(f"Reassignment of replica {_replica(replica)} is still in progress.")
        elif then is not None:
            moves = True
            lines.append(
                f"Partition {partition} on broker {broker} is being moved to log dir {then} instead of {target}."
            )
        elif now == target:
            lines.append(f"Reassignment of replica {_replica(replica)} completed successfully.")
        elif now is None:
            lines.append(
                f"Partition {partition} is not found in any live log dir on broker {broker}. There is likely an offline"
                " log directory on the broker."
            )
        else:
            lines.append(f"Partition {partition} on broker {broker} is not being moved from log dir {now} to {target}.")
    return lines, moves


def _cancel(client: Client, options: Options) -> int:
    targets = read_targets(options.last("reassignment-json-file"))
    quiet = options.has("json")
    moving = [key for key in ongoing(client, targets) if key in targets] if targets else []
    if moving:
        wrong = change(client, dict.fromkeys(moving))
        if wrong:
            lines = "\n".join(f"{name(key)}: {error}" for key, error in sorted(wrong.items(), key=lambda row: row[0]))
            raise _TerseError(f"Error cancelling partition reassignment{_plural(len(wrong))} for:\n{lines}")
    back = _folder_moves_back(client, targets)
    if back:
        move_folders(client, back, options.last("timeout"))
    if quiet:
        print_json(
            {"cancelled": [name(key) for key in sorted(moving)], "logDirs": [_replica(one) for one in sorted(back)]}
        )
        return 0
    if moving:
        print(f"Successfully cancelled partition reassignment{_plural(len(moving))} for: {_names(moving)}")
    else:
        print("None of the specified partition reassignments are active.")
    if back:
        listed = ",".join(_replica(replica) for replica in sorted(back))
        print(f"Successfully cancelled log directory move{_plural(len(back))} for: {listed}")
    else:
        # Kafka's command ends no line here.
        print("None of the specified partition moves are active.", end="")
    if not options.has("preserve-throttles"):
        clear_throttles(client, (topic for topic, _ in targets))
    return 0


def _folder_moves_back(client: Client, targets: dict[Key, Target]) -> dict[Replica, str]:
    """The replicas on their way to a folder, each with the folder that it is in: a move there cancels the other."""
    wanted = [
        (*key, broker)
        for key, target in targets.items()
        for broker, folder in zip(target.replicas, target.log_dirs, strict=True)
        if folder != ANY_DIR
    ]
    if not wanted:
        return {}
    found = folders_of(client, wanted)
    return {replica: now for replica, (now, then) in found.items() if then is not None and now is not None}


_ACTS: Final = {"list": _list, "generate": _generate, "execute": _execute, "verify": _verify, "cancel": _cancel}


def _body(options: Options) -> int:
    action = action_of(options)
    if not any(options.has(where) for where in ("bootstrap-server", "bootstrap-controller", "zookeeper")):
        raise OptionsError("Please specify --bootstrap-server")
    with client_of(options, "bootstrap-server", "bootstrap-controller") as client:
        return _ACTS[action](client, options)


def _failure(error: Exception) -> None:
    """Kafka's command tells on standard output what went wrong."""
    if isinstance(error, _TerseError):
        print(error)
        return
    line = f"{java_name(error)}: {error}"
    if isinstance(error, ServerError):
        print(f"Error: {line}\njava.util.concurrent.ExecutionException: {line}")
    else:
        print(f"Error: {error}\n{line}")


def run(arguments: Sequence[str]) -> int:
    return execute(ABOUT, OPTIONS, arguments, _body, _failure)
