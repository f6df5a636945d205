"""The command line itself: which command, which exit code, and what is imported for it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

import klamm as package
from klamm.tools.cli import COMMANDS, main


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"klamm {package.__version__}\n"


@pytest.mark.parametrize("arguments", [[], ["--help"], ["-h"], ["help"]])
def test_help_names_every_command(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 0
    lines = capsys.readouterr().out.splitlines()
    assert all(any(line.startswith(f"  {name} ") for line in lines) for name in COMMANDS)


def test_an_unknown_command_names_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serv"]) == 2
    assert capsys.readouterr().err == (
        "klamm: there is no command 'serv' (did you mean serve?); `klamm --help` lists them\n"
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--port", "x"], "argument --port: 'x' is no port: 0 to 65535"),
        (["--port", "65536"], "argument --port: '65536' is no port"),
        (["--topic", "foo:0"], "argument --topic: 'foo:0' is not NAME:PARTITIONS[:REPLICATION]"),
        (["--topic", ":1"], "argument --topic: ':1' is not"),
        (["--topic", "foo:1:2:3"], "argument --topic"),
        (["--set", "num.partitions"], "argument --set: 'num.partitions' is not KEY=VALUE"),
        (["--set", "num.partitions=many"], "Invalid value many for configuration num.partitions"),
        (["--data", "a", "--ephemeral"], "not allowed with argument"),
        (["--brokers=3"], "unrecognized arguments: --brokers=3"),
        (["--log-level", "loud"], "invalid choice: 'loud'"),
        (["--address-file", "no/such/folder/a.json"], "there is no such folder"),
        (["none.properties"], "none.properties cannot be read"),
    ],
)
def test_a_wrong_command_line_ends_with_2_and_one_line(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["serve", *arguments]) == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert captured.err.startswith("klamm: ")
    assert captured.err.count("\n") == 1
    assert captured.out == ""


def test_the_help_of_serve_names_its_options(klamm: Callable[..., Any]) -> None:
    code, out, _ = klamm("serve", "--help").end()
    assert code == 0
    options = ("--host", "--port", "--data", "--ephemeral", "--topic", "--set", "--address-file", "--log-level")
    assert all(option in out for option in options)


@pytest.mark.parametrize(
    ("arguments", "absent"),
    [
        (["--version"], {"trio", "construct", "argparse", "logging", "klamm.tools.serve", "klamm.broker"}),
        (["serve", "--port", "x"], {"trio", "construct", "klamm.broker.broker", "klamm.storage.folder"}),
    ],
)
def test_only_what_is_needed_is_imported(arguments: list[str], absent: set[str]) -> None:
    program = f"import sys; from klamm.tools.cli import main; main({arguments}); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert absent & set(done.stdout.split()) == set()


def test_a_start_loads_no_compression_and_no_handler() -> None:
    """Start-up is short because it imports little; each of these costs what a whole start may take."""
    program = (
        "import sys, signal, os; from klamm.tools import serve, announce\n"
        "announce.announce = lambda _: os.kill(os.getpid(), signal.SIGTERM)\n"
        "serve.announce = announce.announce\n"
        "assert serve.run(['--ephemeral', '--port', '0', '--log-level', 'error']) == 0; print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    loaded = set(done.stdout.split())
    assert "klamm.broker.broker" in loaded
    assert loaded & {
        "cramjam",
        "difflib",
        "tempfile",
        "klamm.wire.messages.produce",
        "klamm.broker.handlers.fetch",
    } == {"tempfile"}


def test_a_reader_that_has_had_enough_is_no_failure() -> None:
    command = f"{sys.executable} -m klamm wire list | head -1; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")


#: What costs a command's start more than it is worth, for those that only speak with a cluster.
HEAVY = (
    *("asyncio", "construct", "dataclasses", "decimal", "email", "http", "inspect", "logging", "ssl", "trio", "uuid"),
    *("klamm.broker", "klamm.storage", "klamm.coordinator"),
)
#: Those that read files, or serve.
WITH_FILES = ("metadata-quorum", "serve", "storage", "config", "dump-log", "log", "wire", "completion", "link-commands")


def test_commands_import_only_what_they_need() -> None:
    names = [name for name in COMMANDS if name not in WITH_FILES and "server" not in name]
    modules = sorted({f"klamm.tools.{COMMANDS[name].module}" for name in names})
    script = "\n".join(["import sys", *(f"import {module}" for module in modules), "print(*sys.modules)"])
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    loaded = set(done.stdout.split())
    assert len(modules) > 15
    assert loaded & set(HEAVY) == set()
