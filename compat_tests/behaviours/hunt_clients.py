"""Draws (hunt.py) about groups, transactions, quotas, credentials and ACLs: what clients have in a cluster."""

from __future__ import annotations

import base64
import random

from .hunt_parts import Json, group, index, maybe, partitions_of, some, topic
from .hunt_pools import GROUPS


def describe_transactions(rng: random.Random) -> Json:
    return {"transactionalIds": some(rng, lambda rng: rng.choice(("open", "done", "idle", "nosuch", "")), 4, 0)}


def list_transactions(rng: random.Random) -> Json:
    states = ("Empty", "Ongoing", "PrepareCommit", "CompleteCommit", "CompleteAbort", "Dead", "x", "ongoing", "")
    return {
        "stateFilters": some(rng, lambda rng: rng.choice(states), 3, 0),
        "producerIdFilters": some(rng, lambda rng: rng.choice((0, 1, 2, -1, 99)), 2, 0),
        "durationFilter": rng.choice((-1, -1, 0, 9223372036854775807, -2)),
        "transactionalIdPattern": rng.choice((None, None, "", "o.*", ".*e.*", "[", "open", "(?i)OPEN", "*")),
    }


def list_groups(rng: random.Random) -> Json:
    states = (
        "Empty",
        "Stable",
        "stable",
        "PreparingRebalance",
        "CompletingRebalance",
        "Dead",
        "Assigning",
        "x",
        "",
        "Unknown",
    )
    kinds = ("classic", "consumer", "Consumer", "share", "streams", "x", "", "unknown")
    return {
        "statesFilter": some(rng, lambda rng: rng.choice(states), 3, 0),
        "typesFilter": some(rng, lambda rng: rng.choice(kinds), 2, 0),
    }


def describe_groups(rng: random.Random) -> Json:
    return {"groups": some(rng, group, 3, 0), "includeAuthorizedOperations": rng.random() < 0.5}


def describe_consumer_groups(rng: random.Random) -> Json:
    return {"groupIds": some(rng, group, 3, 0), "includeAuthorizedOperations": rng.random() < 0.5}


def delete_groups(rng: random.Random) -> Json:
    return {"groupsNames": some(rng, group, 3, 0)}


def offset_delete(rng: random.Random) -> Json:
    def one(rng: random.Random) -> Json:
        return {"name": topic(rng), "partitions": some(rng, lambda rng: {"partitionIndex": index(rng)}, 3, 0)}

    return {"groupId": group(rng), "topics": some(rng, one, 3, 0)}


def offset_commit(rng: random.Random) -> Json:
    def one(rng: random.Random) -> Json:
        metadata = rng.choice(("", "m", None, "x" * 40))
        return {
            "partitionIndex": index(rng),
            "committedOffset": rng.choice((0, 1, 99, -1, -2)),
            "committedMetadata": metadata,
        }

    rows = some(rng, lambda rng: {"name": topic(rng), "partitions": some(rng, one, 2, 0)}, 2, 0)
    member = {"generationIdOrMemberEpoch": rng.choice((-1, -1, -1, 0, 1)), "memberId": rng.choice(("", "", "", "x"))}
    return {"groupId": group(rng), **member, "topics": rows}


def offset_fetch(rng: random.Random) -> Json:
    def rows(rng: random.Random) -> list[Json]:
        return some(rng, partitions_of("partitionIndexes"), 3, 0)

    several = some(rng, lambda rng: {"groupId": group(rng), "topics": maybe(rng, rows(rng), None, 0.7)}, 3, 0)
    return {
        "groupId": group(rng),
        "topics": maybe(rng, rows(rng), None, 0.7),
        "groups": several,
        "requireStable": rng.random() < 0.5,
    }


def leave_group(rng: random.Random) -> Json:
    def one(rng: random.Random) -> Json:
        return {"memberId": rng.choice(("", "x")), "groupInstanceId": rng.choice((None, "i-1", "i-9", ""))}

    return {"groupId": group(rng), "memberId": "x", "members": some(rng, one, 2, 0)}


def find_coordinator(rng: random.Random) -> Json:
    keys = some(rng, lambda rng: rng.choice((*GROUPS, "", "open", "a:b:c")), 3, 0)
    return {"key": group(rng), "keyType": rng.choice((0, 0, 1, 3, -1)), "coordinatorKeys": keys}


def quota_entity(rng: random.Random) -> list[Json]:
    def one(rng: random.Random) -> Json:
        kind = rng.choice(("user", "user", "client-id", "client-id", "ip", "x", ""))
        names = (
            ("10.0.0.1", "not an address", "localhost", None, "::1", "")
            if kind == "ip"
            else ("a", "b", None, "", "ü b")
        )
        return {"entityType": kind, "entityName": rng.choice(names)}

    return some(rng, one, 3, 0)


def alter_client_quotas(rng: random.Random) -> Json:
    def op(rng: random.Random) -> Json:
        keys = (
            "producer_byte_rate",
            "consumer_byte_rate",
            "request_percentage",
            "controller_mutation_rate",
            "connection_creation_rate",
            "x",
            "",
        )
        value = rng.choice((0.0, 1e9, 1e9, 1e9 + 0.5, -1.0, 1e300, 2147483648.0))
        return {"key": rng.choice(keys), "value": value, "remove": rng.random() < 0.3}

    entries = some(rng, lambda rng: {"entity": quota_entity(rng), "ops": some(rng, op, 3, 0)}, 3, 0)
    return {"entries": entries, "validateOnly": rng.random() < 0.3}


def describe_client_quotas(rng: random.Random) -> Json:
    def one(rng: random.Random) -> Json:
        kind = rng.choice(("user", "client-id", "ip", "x", ""))
        return {
            "entityType": kind,
            "matchType": rng.choice((0, 0, 1, 2, 3, -1)),
            "match": maybe(rng, rng.choice(("a", "b", "10.0.0.1", "")), None, 0.6),
        }

    return {"components": some(rng, one, 3, 0), "strict": rng.random() < 0.5}


def alter_scram(rng: random.Random) -> Json:
    def name(rng: random.Random) -> Json:
        return {"name": rng.choice(("alice", "bob", "", "carol")), "mechanism": rng.choice((0, 1, 1, 2, 2, 3, -1))}

    def upsert(rng: random.Random) -> Json:
        salt, password = (base64.b64encode(rng.choice((b"", b"x" * 16, b"y" * 64))).decode() for _ in range(2))
        iterations = rng.choice((4095, 4096, 16384, 16385, 0, -1, 8192))
        return {**name(rng), "iterations": iterations, "salt": salt, "saltedPassword": password}

    return {"deletions": some(rng, name, 2, 0), "upsertions": some(rng, upsert, 2, 0)}


def describe_scram(rng: random.Random) -> Json:
    names = some(rng, lambda rng: {"name": rng.choice(("alice", "bob", "", "carol", "nobody"))}, 3, 0)
    return {"users": maybe(rng, names, None, 0.8)}


def create_acls(rng: random.Random) -> Json:
    def one(rng: random.Random) -> Json:
        codes = acl(rng)
        kind, pattern = codes.pop("resourceTypeFilter"), codes.pop("patternTypeFilter")
        named = {"resourceName": "x", "principal": "User:x", "host": "*"}
        return {"resourceType": kind, "resourcePatternType": pattern, **named, **codes}

    return {"creations": some(rng, one, 2, 0)}


def delete_acls(rng: random.Random) -> Json:
    return {"filters": some(rng, acl, 2, 0)}


def acl(rng: random.Random) -> Json:
    fields = (("resourceTypeFilter", 7), ("patternTypeFilter", 4), ("operation", 15), ("permissionType", 3))
    return {field: rng.choice((0, -1, last + 1, *range(1, last + 1), *range(1, last + 1))) for field, last in fields}
