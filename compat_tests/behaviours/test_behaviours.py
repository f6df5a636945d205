"""The behaviour tests of tests/broker once more, with a real Kafka at the address."""

from importlib import import_module

from _pytest.fixtures import FixtureFunctionDefinition

from tests.broker.test_behaviours_admin import *  # noqa: F403
from tests.broker.test_behaviours_fetch import *  # noqa: F403
from tests.broker.test_behaviours_groups import *  # noqa: F403
from tests.broker.test_behaviours_offsets import *  # noqa: F403
from tests.broker.test_behaviours_produce import *  # noqa: F403
from tests.broker.test_behaviours_producers import *  # noqa: F403
from tests.broker.test_behaviours_restart import *  # noqa: F403
from tests.broker.test_behaviours_topics import *  # noqa: F403
from tests.broker.test_behaviours_transactions import *  # noqa: F403
from tests.broker.test_behaviours_versions import *  # noqa: F403
from tests.broker.test_hanging_transactions import *  # noqa: F403

MODULES = (
    "admin",
    "fetch",
    "groups",
    "offsets",
    "produce",
    "producers",
    "restart",
    "topics",
    "transactions",
    "versions",
)


def test_no_test_or_fixture_hides_another_of_its_name() -> None:
    modules = [import_module(f"tests.broker.test_behaviours_{name}") for name in MODULES]
    names = [
        name
        for module in modules
        for name, value in vars(module).items()
        if name.startswith("test_") or (isinstance(value, FixtureFunctionDefinition))
    ]
    assert len(names) == len(set(names))
