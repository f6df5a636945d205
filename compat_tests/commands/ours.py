"""klamm's commands as the tests run them: in this process where they only print, else as a process."""

from __future__ import annotations

import io
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout

from compat_tests.commands.kafka_tools import Told
from klamm.tools.cli import main

LIMIT_S = 60
#: These read standard input by its descriptor, write bytes, or take signals.
_PROCESSES = ("console-producer", "console-consumer", "verifiable-consumer")


def klamm(command: str, arguments: list[str], stdin: str) -> Told:
    """klamm's command of that name."""
    if command in _PROCESSES:
        done = subprocess.run(
            [sys.executable, "-m", "klamm", command, *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
        )
        return Told(done.returncode, done.stdout, done.stderr)
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = main([command, *arguments])
    return Told(code, out.getvalue(), err.getvalue())
