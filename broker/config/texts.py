"""What each config is for, in our own words: the lines of docs.txt beside this file, and the table made of everything.

Read when somebody asks (DescribeConfigs with documentation, `klamm config`, the docs); a start reads none of it.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

from .config import ANY_VALUE, REFUSED
from .definitions import BROKER, CLIENT_METRICS, DIFFERENT_DEFAULTS, GROUP, QUOTA, TOPIC
from .kinds import Key

#: Which resource a config belongs to -> its configs, in the order of the docs.
SCOPES: Final[dict[str, dict[str, Key]]] = {
    "broker": {**BROKER, **QUOTA},
    "topic": TOPIC,
    "group": GROUP,
    "client-metrics": CLIENT_METRICS,
}

HONOURED_WORD, ACCEPTED_WORD, REFUSED_WORD = "honoured", "accepted", "refused"


class Row(NamedTuple):
    """A config for people. `default` and `kafka_default` as text, None for null; `standing`: one of the three words.

    `why`: the reason where it is not honoured, and what is refused of one that is only sometimes.
    """

    scope: str
    name: str
    type: str
    default: str | None
    kafka_default: str | None
    valid: str
    update: str
    standing: str
    why: str
    doc: str
    internal: bool


@cache
def docs() -> dict[str, str]:
    """Name -> what the config is for, one sentence or two."""
    lines = Path(__file__).with_name("docs.txt").read_text(encoding="utf-8").splitlines()
    return {name: text for name, _, text in (line.partition(" ") for line in lines)}


def rows() -> list[Row]:
    """Every config, by scope and name."""
    return [_row(scope, key) for scope, keys in SCOPES.items() for _, key in sorted(keys.items())]


def _row(scope: str, key: Key) -> Row:
    different = DIFFERENT_DEFAULTS.get(key.name) if scope == "broker" else None
    refusal = next((row for row in REFUSED if row.name == key.name), None) if scope == "broker" else None
    why = key.standing.removeprefix("accepted without effect: ").removeprefix("accepted; ")
    standing = ACCEPTED_WORD if key.standing else HONOURED_WORD
    if refusal is not None:
        # A config whose every other value means nothing is refused itself.
        standing = REFUSED_WORD if key.standing or refusal.words == ANY_VALUE else standing
        why = f"{refusal.words} stops the start: {refusal.problem}"
    return Row(
        scope,
        key.name,
        key.type.name.lower(),
        key.default if different is None else different.default,
        key.default,
        key.valid.text,
        key.update,
        standing,
        why,
        docs()[key.name],
        key.internal,
    )
