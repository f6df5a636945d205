"""What is shipped: the wheel holds every tracked file of the package and nothing else, and serves in an empty venv."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import sysconfig
import threading
import venv
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
ROOMS = ("wire", "storage", "coordinator", "broker", "tools")
LIMIT_S = 120


def run(*command: str, cwd: Path = ROOT) -> str:
    """stdout of a command that must succeed."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "KAFKA_"))}
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=LIMIT_S)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def tracked() -> list[str]:
    """Every file that git tracks, by its path in the repository."""
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("not in a git checkout, or no git")
    return [name for name in run("git", "ls-files", "-z").split("\0") if name and os.path.lexists(ROOT / name)]


@pytest.fixture(scope="module")
def wheel(tracked: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel as a release makes it: a source archive of the tracked files alone, and the wheel from that."""
    folder = tmp_path_factory.mktemp("release")
    for name in tracked:
        copy = folder / "checkout" / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, copy, follow_symlinks=False)
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder / "dist"), cwd=folder / "checkout")
    (found,) = (folder / "dist").glob("*.whl")
    return found


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an empty venv with the wheel in it. Its dependencies come from the environment of the tests."""
    folder = tmp_path_factory.mktemp("empty") / "venv"
    venv.create(folder, with_pip=False, symlinks=True)
    found = folder / "bin" / "python"
    run(sys.executable, "-m", "pip", "--python", str(found), "install", "--no-deps", "--no-index", "-q", str(wheel))
    (packages,) = folder.glob("lib/python*/site-packages")
    # A plain path: the .pth files in that folder, the checkout's own among them, are not followed.
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return found


def test_the_wheel_holds_the_tracked_files_of_the_package_and_no_other(tracked: list[str], wheel: Path) -> None:
    expected = {f"klamm/{name}" for name in tracked if name.startswith(tuple(f"{room}/" for room in ROOMS))}
    expected |= {
        name.removeprefix("src/")
        for name in tracked
        if name.startswith("src/klamm/") and not (ROOT / name).is_symlink()
    }
    with zipfile.ZipFile(wheel) as archive:
        found = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert found == expected
    assert {"klamm/__init__.py", "klamm/py.typed", "klamm/tools/cli.py", "klamm/wire/errors.py"} <= found


def test_the_wheel_names_its_licence_and_its_command(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        (entry_points,) = (name for name in names if name.endswith("/entry_points.txt"))
        assert "klamm = klamm.tools.cli:main" in archive.read(entry_points).decode()
    assert any(name.endswith("/licenses/LICENSE") for name in names)


def test_the_installed_package_is_the_wheels(python: Path) -> None:
    where = run(str(python), "-c", "import klamm, klamm.broker.config; print(klamm.__file__)", cwd=python.parent)
    assert where.startswith(str(python.parents[1]))
    version = run(str(python.with_name("klamm")), "--version", cwd=python.parent)
    assert version == run(sys.executable, "-m", "klamm", "--version", cwd=ROOT / "src")


@pytest.fixture
def served(python: Path, tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """(process, port) of `klamm serve` in the empty venv."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "KAFKA_"))}
    process = subprocess.Popen(
        [str(python.with_name("klamm")), "serve", "--port", "0", "--data", "data", "--topic", "foo:1"],
        cwd=tmp_path,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    limit = threading.Timer(LIMIT_S, process.kill)
    limit.start()
    try:
        assert process.stdout is not None
        assert process.stderr is not None
        line = process.stdout.readline()
        assert line.startswith("klamm listens on "), process.stderr.read()
        yield process, int(line.rpartition(":")[2])
    finally:
        limit.cancel()
        process.kill()
        process.communicate()


def test_the_installed_package_serves(served: tuple[subprocess.Popen[str], int]) -> None:
    process, port = served
    # ApiVersions v0, without a client id: key 18, version 0, correlation id 7.
    request = struct.pack(">hhih", 18, 0, 7, -1)
    with socket.create_connection(("127.0.0.1", port), timeout=30) as sock, sock.makefile("rb") as stream:
        sock.sendall(struct.pack(">i", len(request)) + request)
        length, correlation_id, error_code = struct.unpack(">iih", stream.read(10))
        assert (correlation_id, error_code) == (7, 0)
        assert len(stream.read(length - 6)) == length - 6
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0
