"""Every case: command lines whose output Kafka's commands and klamm's must share."""

from __future__ import annotations

from compat_tests.commands.cases_admin import ADMIN
from compat_tests.commands.cases_console import CONSUMED, PRODUCED
from compat_tests.commands.cases_groups import CHANGED, GROUPS
from compat_tests.commands.cases_measured import MEASURED
from compat_tests.commands.cases_more import LISTED, MORE
from compat_tests.commands.cases_options import OPTIONS_USED

CASES = {
    case.name: case
    for case in [*ADMIN, *MEASURED, *PRODUCED, *CONSUMED, *GROUPS, *CHANGED, *OPTIONS_USED, *MORE, *LISTED]
}


_ORDER = "the complaint lists names in the order of a hash table"
_ARGPARSE = "the words of Python's argparse"
#: (case, step) -> why the complaint of klamm's command is another one, on any broker.
COMMANDS_DIFFER: dict[tuple[str, str], str] = {
    ("consumer-groups 8", "--list --state sleeping"): _ORDER,
    ("consumer-groups 9", "--describe"): _ORDER,
    ("consumer-groups 21", "--reset-offsets --group {g} --topic {t} --dry-run"): _ORDER,
    ("consumer-groups options 1", "--list --type sleeping"): _ORDER,
    ("consumer-groups settings", "--nosuch"): "an exception in Kafka, a complaint in klamm",
    ("cluster settings", "cluster-id --nosuch"): _ARGPARSE,
    ("transactions settings", "list --nosuch"): _ARGPARSE,
    ("verifiable-producer", "--topic {t} --acks 7"): _ARGPARSE,
    ("verifiable-producer", "--max-messages 1"): _ARGPARSE,
    ("verifiable-consumer", "--topic {t} --group-id {g}-e --max-messages soon"): _ARGPARSE,
    ("verifiable-consumer", "--topic {t} --max-messages 1"): _ARGPARSE,
    ("features rehearsed", "--bootstrap-controller 127.0.0.1:1 describe"): _ARGPARSE,
    (
        "transactions aborted",
        "abort --topic {t} --partition 0 --producer-id 3 --producer-epoch 1 --coordinator-epoch zero",
    ): _ARGPARSE,
    ("transactions aborted", "find-hanging --broker-id 1 --max-transaction-timeout soon"): _ARGPARSE,
}
