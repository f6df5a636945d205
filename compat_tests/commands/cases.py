"""Every case: command lines whose output Kafka's commands and klamm's must share."""

from __future__ import annotations

from compat_tests.commands.cases_admin import ADMIN
from compat_tests.commands.cases_console import CONSUMED, PRODUCED
from compat_tests.commands.cases_groups import CHANGED, GROUPS
from compat_tests.commands.cases_measured import MEASURED

CASES = {case.name: case for case in [*ADMIN, *MEASURED, *PRODUCED, *CONSUMED, *GROUPS, *CHANGED]}


_ORDER = "the complaint lists names in the order of a hash table"
#: (case, step) -> why the complaint of klamm's command is another one, on any broker.
COMMANDS_DIFFER: dict[tuple[str, str], str] = {
    ("console-producer 12", "--topic {t} --compression-codec brotli"): "an exception in Kafka, a complaint in klamm",
    ("consumer-groups 8", "--list --state sleeping"): _ORDER,
    ("consumer-groups 9", "--describe"): _ORDER,
    ("consumer-groups 21", "--reset-offsets --group {g} --topic {t} --dry-run"): _ORDER,
}
