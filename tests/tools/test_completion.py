"""`klamm completion`: every command and every option, from the tables that the help is made of."""

from __future__ import annotations

import contextlib
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from klamm.tools.cli import COMMANDS, main
from klamm.tools.completion import SHELLS, words_of


def completed(line: str, script: Path) -> set[str]:
    """What bash offers at the end of the line."""
    words = line.split(" ")
    program = (
        f"source {script}; COMP_WORDS=({' '.join(map(shlex.quote, words))}); COMP_CWORD={len(words) - 1}; _klamm; "
        'printf "%s\\n" "${COMPREPLY[@]}"'
    )
    done = subprocess.run(["bash", "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert done.stderr == ""
    return set(done.stdout.split())


@pytest.fixture
def script(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    assert main(["completion", "bash"]) == 0
    file = tmp_path / "klamm.bash"
    file.write_text(capsys.readouterr().out)
    return file


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("klamm co", {"config", "configs", "console-consumer", "console-producer", "consumer-groups", "completion"}),
        ("klamm topics --under", {"--under-replicated-partitions", "--under-min-isr-partitions"}),
        ("kafka-topics.sh --under", {"--under-replicated-partitions", "--under-min-isr-partitions"}),
        ("/opt/kafka/bin/kafka-topics --topics-w", {"--topics-with-overrides"}),
        ("klamm transactions find", {"find-hanging"}),
        ("klamm transactions list --dur", {"--duration-filter"}),
        ("klamm config --standing ", {"honoured", "accepted", "refused"}),
        ("klamm topics --topic ", set()),
        ("klamm topics --config ", set()),
        ("klamm nosuch --a", set()),
    ],
)
def test_bash_completes(line: str, offered: set[str], script: Path) -> None:
    found = completed(line, script)
    assert offered <= found
    if offered == set() or line.startswith(("klamm topics", "kafka-", "klamm config")):
        assert found == offered


@pytest.mark.parametrize("shell", sorted(SHELLS))
def test_every_word_is_in_every_shells_script(shell: str) -> None:
    text = SHELLS[shell]()
    for command in COMMANDS:
        assert command in text
        for word in words_of(command):
            assert (f"-l {word.text[2:]} " if shell == "fish" and word.text[:2] == "--" else word.text) in text


@pytest.mark.parametrize("shell", sorted(SHELLS))
def test_the_shell_takes_its_script(shell: str, tmp_path: Path) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"no {shell}")
    file = tmp_path / "script"
    file.write_text(SHELLS[shell]())
    done = subprocess.run([shell, "-n", str(file)], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")


#: Commands that take no options, or read them by the rules of Kafka's shell scripts.
WITHOUT_TABLE = {"server-start", "server-stop", "zookeeper-server-start", "zookeeper-server-stop", "link-commands"}


@pytest.mark.parametrize("command", sorted(COMMANDS.keys() - WITHOUT_TABLE))
def test_every_command_has_words_and_a_help_that_teaches(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert words_of(command)
    with contextlib.suppress(SystemExit):  # which ends argparse's help
        assert main([command, "--help"]) == 0
    text = capsys.readouterr().out
    examples = text.count(f"klamm {command}") - text.startswith("usage: ")
    assert examples >= 2


def test_an_unknown_shell_is_a_wrong_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", "tcsh"]) == 2
    assert "invalid choice: 'tcsh'" in capsys.readouterr().err
