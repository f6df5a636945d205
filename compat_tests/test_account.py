"""The account of suites that did not run: named in the summary, and a failure where they are required."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent


def _pytest(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments]
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("KLAMM_", "PYTEST_"))}
    return subprocess.run(
        command, env={**clean, **environment}, cwd=HERE.parent, capture_output=True, text=True, timeout=60
    )


@pytest.mark.parametrize("asked", ["compat_tests/kcat", "compat_tests/kcat/test_restart.py"])
def test_a_suite_without_its_client_is_named(asked: str) -> None:
    done = _pytest(asked, PATH="")
    assert "client suites that did not run: " in done.stdout
    assert "kcat (no kcat)" in done.stdout
    assert done.returncode in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED), done.stdout


def test_a_required_suite_that_did_not_run_fails_the_run() -> None:
    one_test = ("compat_tests/test_tables.py", "-k", "codecs")
    assert _pytest(*one_test).returncode == 0
    done = _pytest(*one_test, KLAMM_REQUIRE_CLIENTS="kcat, cobol")
    assert done.returncode == 1
    assert "KLAMM_REQUIRE_CLIENTS asks for kcat" in done.stdout
    assert "KLAMM_REQUIRE_CLIENTS asks for cobol: no such suite" in done.stdout
