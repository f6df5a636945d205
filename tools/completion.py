"""`klamm completion SHELL`: what bash, zsh or fish completes behind `klamm`, and behind Kafka's script names.

It is made from the same tables as the help: the commands of cli.py, and each command's OPTIONS or parser().
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Final, NamedTuple

from .cli import COMMANDS, OK, WRONG_USAGE

ABOUT: Final = """\
Prints a script that completes commands and their options.

  bash:  eval "$(klamm completion bash)"                      in ~/.bashrc
  zsh:   eval "$(klamm completion zsh)"                       in ~/.zshrc, behind compinit
  fish:  klamm completion fish > ~/.config/fish/completions/klamm.fish"""


class Word(NamedTuple):
    """An option (`--name`) or an action (`describe`). `choices`: what may follow it; `takes`: something must."""

    text: str
    help: str
    takes: bool = False
    choices: tuple[str, ...] = ()


def words_of(command: str) -> list[Word]:
    """The actions and options of a command, in the order of the alphabet."""
    module = import_module(f".{COMMANDS[command].module}", __package__)
    table = getattr(module, "OPTIONS", None)
    if table is not None:
        found = [Word(f"--{row.name}", row.help, row.kind not in ("flag", "optional")) for row in table]
    elif hasattr(module, "parser"):
        found = _words_in(module.parser())
    else:
        found = []
    return sorted({word.text: word for word in found}.values())


def _words_in(parser: argparse.ArgumentParser) -> list[Word]:
    found = []
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            texts = {choice.dest: choice.help or "" for choice in action._choices_actions}
            for name, child in action.choices.items():
                found += [Word(name, texts.get(name, "")), *_words_in(child)]
        names = [name for name in action.option_strings if name.startswith("--")]
        choices = tuple(map(str, action.choices)) if names and action.choices else ()
        found += [Word(name, (action.help or "").replace("%%", "%"), action.nargs != 0, choices) for name in names]
    return found


def scripts_of(command: str) -> tuple[str, str]:
    """The names that `klamm link-commands` gives the command."""
    return f"kafka-{command}.sh", f"kafka-{command}"


# --- the shells -------------------------------------------------------------------------------------------------------


def bash() -> str:
    lines = [
        "# Made by `klamm completion bash`.",
        "_klamm() {",
        "  local command=${COMP_WORDS[0]##*/} first=1 last words",
    ]
    lines += ["  last=${COMP_WORDS[COMP_CWORD-1]}", '  if [ "$command" = klamm ]; then', "    first=2"]
    lines += ["    if [ $COMP_CWORD = 1 ]; then", f'      words="{" ".join(COMMANDS)} --help --version"']
    lines += ['      COMPREPLY=($(compgen -W "$words" -- "${COMP_WORDS[COMP_CWORD]}")); return', "    fi"]
    lines += ["    command=${COMP_WORDS[1]}", "  else"]
    lines += ["    command=${command#kafka-}; command=${command%.sh}", "  fi", "  words=", '  case "$command $last" in']
    lines += [
        f'  "{command} {word.text}") words="{" ".join(word.choices)}";;'
        for command in COMMANDS
        for word in words_of(command)
        if word.choices
    ]
    valued = {word.text for command in COMMANDS for word in words_of(command) if word.takes and not word.choices}
    # What follows such an option is the user's: a file's name more often than anything else.
    lines += [f'  *" {name}") return;;' for name in sorted(valued)]
    lines += ['  *) case "$command" in']
    lines += [f'    {command}) words="{" ".join(word.text for word in words_of(command))}";;' for command in COMMANDS]
    lines += ["    esac;;", "  esac", '  COMPREPLY=($(compgen -W "$words" -- "${COMP_WORDS[COMP_CWORD]}"))', "}"]
    lines.append(
        f"complete -o default -F _klamm klamm {' '.join(name for one in COMMANDS for name in scripts_of(one))}"
    )
    return "\n".join(lines)


def zsh() -> str:
    lines = ["#compdef klamm", "# Made by `klamm completion zsh`.", "_klamm() {", "  local -a found"]
    lines += ["  local command=${words[1]:t}", "  if [[ $command == klamm ]]; then", "    if (( CURRENT == 2 )); then"]
    lines += ["      found=("]
    lines += [f"        {_quoted(name, command.summary)}" for name, command in COMMANDS.items()]
    lines += ["      )", "      _describe command found; return", "    fi", "    command=$words[2]", "  else"]
    lines += ["    command=${${command#kafka-}%.sh}", "  fi", "  case $command in"]
    for command in COMMANDS:
        lines += [f"  {command}) found=("]
        lines += [f"    {_quoted(word.text, word.help)}" for word in words_of(command)]
        lines += ["  );;"]
    lines += ["  esac", "  _describe option found || _files", "}"]
    names = " ".join(name for command in COMMANDS for name in scripts_of(command))
    return "\n".join([*lines, f"compdef _klamm klamm {names}"])


def _quoted(name: str, text: str) -> str:
    """`'name:text'`, as _describe takes it."""
    escaped = name.replace(":", "\\:")
    return "'" + f"{escaped}:{text}".replace("'", "'\\''") + "'"


def fish() -> str:
    def text_of(text: str) -> str:
        return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"

    lines = ["# Made by `klamm completion fish`."]
    for name, command in COMMANDS.items():
        lines.append(f"complete -c klamm -n __fish_use_subcommand -f -a {name} -d {text_of(command.summary)}")
    for command_name in COMMANDS:
        for word in words_of(command_name):
            behind = f"-n '__fish_seen_subcommand_from {command_name}'"
            for where in (f"-c klamm {behind}", *(f"-c {script}" for script in scripts_of(command_name))):
                if word.text.startswith("--"):
                    more = f" -x -a {text_of(' '.join(word.choices))}" if word.choices else " -r" if word.takes else ""
                    lines.append(f"complete {where} -l {word.text[2:]}{more} -d {text_of(word.help)}")
                else:
                    lines.append(f"complete {where} -f -a {word.text} -d {text_of(word.help)}")
    return "\n".join(lines)


SHELLS: Final = {"bash": bash, "zsh": zsh, "fish": fish}


def parser() -> argparse.ArgumentParser:
    found = argparse.ArgumentParser(
        "klamm completion", description=ABOUT, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    found.add_argument("shell", choices=sorted(SHELLS), help="the shell that the script is for")
    return found


def run(arguments: Sequence[str]) -> int:
    """`klamm completion SHELL`. Returns the exit code."""
    try:
        options = parser().parse_args(arguments)
    except SystemExit as leaving:
        return WRONG_USAGE if leaving.code else OK
    sys.stdout.write(SHELLS[options.shell]() + "\n")
    return OK
