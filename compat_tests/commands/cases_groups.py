"""consumer-groups on a group that has read two of three records."""

from __future__ import annotations

from compat_tests.commands.play import READ, WRITTEN, Case, each, steps_of

GROUPS = each(
    "consumer-groups",
    WRITTEN + READ,
    "consumer-groups",
    "--describe --group {g}",
    "--describe --group {g} --offsets --verbose",
    "--describe --group {g} --members",
    "--describe --group {g} --members --verbose",
    "--describe --group {g} --state",
    "--describe --group {g} --state --verbose",
    "--describe --group nosuch",
    "--list --group {g}",
    "--list --state sleeping",
    "--describe",
    "--describe --group {g} --state Stable",
    "--reset-offsets --group {g} --topic {t} --to-earliest",
    "--reset-offsets --group {g} --topic {t} --to-latest --dry-run",
    "--reset-offsets --group {g} --topic {t}:0 --to-offset 99 --dry-run",
    "--reset-offsets --group {g} --all-topics --shift-by -1 --export --dry-run",
    "--reset-offsets --group {g} --topic {t} --to-datetime 2000-01-01T00:00:00.000 --dry-run",
    "--reset-offsets --group {g} --topic {t} --to-datetime 2999-01-01T00:00:00.000 --dry-run",
    "--reset-offsets --group {g} --topic {t} --by-duration P1D --dry-run",
    "--reset-offsets --group nosuch --topic {t} --to-current --dry-run",
    "--reset-offsets --group {g} --topic {t}:9 --to-latest --dry-run",
    "--reset-offsets --group {g} --to-latest --dry-run",
    "--reset-offsets --group {g} --topic {t} --dry-run",
    "--delete --group nosuch",
    "--delete-offsets --group {g} --topic nosuch",
)

CHANGED = [
    Case(f"consumer-groups changes {number}", steps_of("consumer-groups", *lines), WRITTEN + READ)
    for number, lines in enumerate(
        [
            ["--reset-offsets --group {g} --topic {t} --shift-by -1 --execute", "--describe --group {g}"],
            ["--delete-offsets --group {g} --topic {t}", "--describe --group {g}"],
            ["--delete --group {g}", "--describe --group {g}"],
        ]
    )
]
