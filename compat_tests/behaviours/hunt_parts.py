"""What the draws of the hunt (hunt.py) are made of."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .hunt_pools import BAD_TOPICS, GROUPS, INTERNAL, TOPICS

Json = dict[str, Any]
Draw = Callable[[random.Random], Json]


def some(rng: random.Random, draw: Callable[[random.Random], Any], most: int = 3, least: int = 1) -> list[Any]:
    return [draw(rng) for _ in range(rng.randint(least, most))]


def topic(rng: random.Random) -> str:
    return rng.choice(TOPICS if rng.random() < 0.7 else (*BAD_TOPICS, *INTERNAL))


def index(rng: random.Random) -> int:
    return rng.choice((0, 0, 0, 1, 2, 3, -1, 2147483647))


def group(rng: random.Random) -> str:
    return rng.choice((*GROUPS, *GROUPS, "nosuch", "", "fresh"))


def maybe(rng: random.Random, value: Any, otherwise: Any = None, odds: float = 0.5) -> Any:
    return value if rng.random() < odds else otherwise


def partitions_of(field: str, name: str = "name") -> Draw:
    return lambda rng: {name: topic(rng), field: some(rng, index, 3, 0)}


def config_of(pool: Mapping[str, Sequence[str]]) -> Callable[[random.Random], tuple[str, str | None]]:
    def draw(rng: random.Random) -> tuple[str, str | None]:
        name = rng.choice(tuple(pool))
        return name, maybe(rng, rng.choice(pool[name]), None, 0.95)

    return draw


def configs_of(pairs: Sequence[tuple[str, str | None]]) -> list[Json]:
    return [{"name": name, "value": value} for name, value in pairs]
