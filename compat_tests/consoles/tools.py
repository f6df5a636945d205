"""The tools themselves: by name and version from the package registries, kept in a cache, run as a person runs them.

A tool that cannot be had here (no npm, no network) skips its test with the reason.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import pytest

#: Where tools are kept, a folder each: name-version.
CACHE_VARIABLE = "KLAMM_CONSOLES_CACHE"
#: Set by `make consoles`: also what takes minutes to build on a machine that never did.
ALL_VARIABLE = "KLAMM_CONSOLES"
INSTALL_TIMEOUT_S = 240
BUILD_TIMEOUT_S = 900
RUN_TIMEOUT_S = 60
PIP = ("--quiet", "--disable-pip-version-check")
NPM = ("--no-audit", "--no-fund", "--loglevel=error", "--ignore-scripts")
GO_SOURCES = Path(__file__).parent / "go"


def cache() -> Path:
    return Path(os.environ.get(CACHE_VARIABLE) or Path.home() / ".cache" / "klamm" / "consoles")


def python_tool(name: str, version: str) -> Path:
    """The folder of a PyPI package, beside what it depends on: of use as PYTHONPATH (`run(..., packages=...)`)."""
    return _cached(
        f"{name}-{version}", [sys.executable, "-m", "pip", "install", *PIP, f"{name}=={version}", "--target"]
    )


def node_tool(name: str, version: str) -> Path:
    """The folder with the commands of an npm package."""
    if shutil.which("npm") is None:
        pytest.skip(f"{name}: no npm")
    return (
        _cached(f"{name}-{version}", ["npm", "install", *NPM, f"{name}@{version}", "--prefix"])
        / "node_modules"
        / ".bin"
    )


def _cached(name: str, install: Sequence[str]) -> Path:
    """A folder of the cache; `install`, with a folder's name behind it, fills one that is not there yet."""
    folder = cache() / name
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
            _install([*install, f"{scratch}/made"])
            try:
                Path(scratch, "made").rename(folder)
            except OSError:
                # Another run was quicker.
                assert folder.exists()
    return folder


def go_program(name: str, directory: Path) -> Path:
    """The program go/NAME, built into `directory`; Go keeps what it compiled in its own caches."""
    if not os.environ.get(ALL_VARIABLE):
        pytest.skip(f"{name} in Go: takes minutes to build once; `make consoles` runs it")
    if shutil.which("go") is None:
        pytest.skip(f"{name} in Go: no go")
    _install(["go", "mod", "download"], BUILD_TIMEOUT_S, GO_SOURCES)
    # -mod=readonly: go.sum says what may be in it.
    command = ["go", "build", "-mod=readonly", "-buildvcs=false", "-o", str(directory / name), f"./{name}"]
    subprocess.run(command, cwd=GO_SOURCES, check=True, timeout=BUILD_TIMEOUT_S)
    return directory / name


def _install(command: Sequence[str], timeout_s: float = INSTALL_TIMEOUT_S, directory: Path | None = None) -> None:
    try:
        done = subprocess.run(command, cwd=directory, capture_output=True, text=True, timeout=timeout_s)
    except subprocess.TimeoutExpired:
        pytest.skip(f"{command[0]} did not end within {timeout_s} s")
    if done.returncode:
        pytest.skip(f"{' '.join(command[:3])}: {done.stderr.strip().splitlines()[-1:]}")


def run(*command: str | Path, stdin: str = "", packages: Path | None = None) -> str:
    """Runs a tool to its end and returns what it printed; it must end well. packages: a `python_tool`."""
    environment = {**os.environ, "NO_COLOR": "1"}
    if packages is not None:
        environment["PYTHONPATH"] = str(packages)
    done = subprocess.run(
        [str(part) for part in command],
        input=stdin,
        env=environment,
        capture_output=True,
        text=True,
        timeout=RUN_TIMEOUT_S,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
