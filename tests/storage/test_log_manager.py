"""Several log.dirs: identities, where logs go, and folders that cannot be opened, fail, or are full."""

from __future__ import annotations

import contextlib
import errno
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from klamm.storage import checkpoints
from klamm.storage.config import LogConfig
from klamm.storage.files import Buffer, Files
from klamm.storage.folder_identity import FolderLockedError, WrongFolderError
from klamm.storage.log_dir_health import NoRoomError
from klamm.storage.log_manager import DuplicateLogError, LogManager, NoLogDirError, open_log_dirs
from klamm.wire.errors import ErrorCode, KafkaError

NOW_MS = 1000
CONFIG = LogConfig(segment_bytes=400, index_interval_bytes=60)
TOPIC_ID = bytes(range(16))
#: In a run: more than two segments hold.
APPENDS = 6
#: What a checkpoint does to the disk: three files are made, written, renamed.
CHECKPOINT_STEPS = 9


class SickFiles(Files):
    """What changes the disk under `folder` fails from step `fail_at` on, with `code`; steps are counted."""

    def __init__(self, folder: Path, code: int = errno.EIO) -> None:
        super().__init__()
        self.folder = str(folder)
        self.code = code
        self.fail_at: int | None = None
        self.steps = 0
        self._paths: dict[int, str] = {}

    def _step(self, path: str) -> None:
        if not path.startswith(self.folder):
            return
        self.steps += 1
        if self.fail_at is not None and self.steps >= self.fail_at:
            raise OSError(self.code, "told to fail")

    def open(self, path: str, *, create: bool = False) -> int:
        self._step(path) if create else None
        fd = super().open(path, create=create)
        self._paths[fd] = path
        return fd

    def pwritev(self, fd: int, buffers: Sequence[Buffer], position: int) -> int:
        self._step(self._paths.get(fd, ""))  # a lock is opened past this layer
        return super().pwritev(fd, buffers, position)

    def sync(self, fd: int) -> None:
        self._step(self._paths.get(fd, ""))  # a lock is opened past this layer

    def sync_folder(self, path: str) -> None:
        self._step(path)

    def rename(self, source: str, target: str) -> None:
        self._step(source)
        super().rename(source, target)

    def make_folder(self, path: str) -> None:
        self._step(path)
        super().make_folder(path)


OpenDirs = Callable[..., LogManager]


@pytest.fixture
def open_dirs(tmp_path: Path) -> Iterator[OpenDirs]:
    """`open_dirs(*names, **options)`: those folders of tmp_path; earlier ones are dropped as by a kill."""
    opened: list[LogManager] = []

    def build(*names: str, **options: Any) -> LogManager:
        for logs in opened:
            logs.abandon()
        defaults = {"node_id": 1, "files": SickFiles(tmp_path / "nowhere")}  # waits for no device
        logs = open_log_dirs([str(tmp_path / name) for name in names], **(defaults | options))
        opened.append(logs)
        return logs

    yield build
    for logs in opened:
        logs.abandon()


def fill(logs: LogManager, batch: Callable[..., bytes], partitions: int = 4) -> None:
    """Partitions of topic t, a batch in each."""
    for index in range(partitions):
        append(logs, batch, index)


def append(logs: LogManager, batch: Callable[..., bytes], index: int, *, create: bool = True) -> None:
    if create:
        log = logs.create("t", index, TOPIC_ID, CONFIG, NOW_MS)
    else:
        log = logs.open("t", index, CONFIG, NOW_MS)
    log.append_as_leader(batch(b"v" * 50), leader_epoch=0, now_ms=NOW_MS)
    log.high_watermark = log.log_end_offset


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.is_dir())


def properties(folder: Path) -> dict[str, str]:
    return checkpoints.decode_properties((folder / "meta.properties").read_bytes())


def test_folders_share_a_cluster_and_have_ids_of_their_own(tmp_path: Path, open_dirs: OpenDirs) -> None:
    logs = open_dirs("a", "b", "c")
    found = [properties(tmp_path / name) for name in "abc"]
    assert {each["cluster.id"] for each in found} == {logs.cluster_id}
    assert len({each["directory.id"] for each in found}) == 3
    assert [checkpoints.encode_uuid(id) for id in logs.directory_ids] == [each["directory.id"] for each in found]
    assert logs.metadata_dir.path == str(tmp_path / "a")
    # A folder more joins the cluster that is there, wherever it stands in the list.
    assert open_dirs("d", "a", "b", "c", metadata_log_dir=str(tmp_path / "a")).cluster_id == logs.cluster_id
    assert properties(tmp_path / "d")["cluster.id"] == logs.cluster_id


def test_a_new_log_goes_where_the_fewest_are(tmp_path: Path, open_dirs: OpenDirs, batch: Callable[..., bytes]) -> None:
    logs = open_dirs("a", "b", "c")
    fill(logs, batch, 7)
    assert [names_in(tmp_path / name) for name in "abc"] == [["t-0", "t-3", "t-6"], ["t-1", "t-4"], ["t-2", "t-5"]]
    logs.delete("t", 1)
    append(logs, batch, 9)
    assert logs.folder_of("t", 9) is logs.by_path(str(tmp_path / "b"))
    logs.close()
    again = open_dirs("a", "b", "c")
    assert again.was_clean
    assert again.partitions() == [("t", index) for index in (0, 2, 3, 4, 5, 6, 9)]
    append(again, batch, 3)
    assert again.open("t", 3, CONFIG, NOW_MS).log_end_offset == 2


def test_each_folder_has_its_own_checkpoints_and_mark(
    tmp_path: Path, open_dirs: OpenDirs, batch: Callable[..., bytes]
) -> None:
    logs = open_dirs("a", "b")
    fill(logs, batch)
    logs.close()
    for name, indexes in (("a", (0, 2)), ("b", (1, 3))):
        saved = checkpoints.decode_offsets((tmp_path / name / checkpoints.RECOVERY_POINTS).read_bytes())
        assert saved == {("t", index): 1 for index in indexes}
        assert (tmp_path / name / checkpoints.CLEAN_SHUTDOWN).exists()


def test_the_metadata_log_has_a_folder_of_its_own(tmp_path: Path, open_dirs: OpenDirs) -> None:
    logs = open_dirs("a", "b", metadata_log_dir=str(tmp_path / "m"))
    logs.metadata_dir.create("__cluster_metadata", 0, TOPIC_ID, CONFIG, NOW_MS)
    assert [folder.path for folder in logs.online] == [str(tmp_path / "a"), str(tmp_path / "b")]
    logs.close()
    with pytest.raises(WrongFolderError, match="the metadata log lies in"):
        open_dirs("a", "m")
    assert open_dirs("m", "a").partitions() == []


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("cluster.id", "AAAAAAAAAAAAAAAAAAAAAQ", "Invalid cluster.id in: .*/b/meta.properties. Expected .*, but read"),
        ("node.id", "2", "Stored node id 2 doesn't match previous node id 1 in .*/b/meta.properties"),
        ("directory.id", None, "Duplicate directory ID .* found. It was the ID of .*/a, but also of .*/b"),
    ],
)
def test_a_folder_of_another_broker_is_refused(
    tmp_path: Path, open_dirs: OpenDirs, key: str, value: str | None, message: str
) -> None:
    open_dirs("a", "b").close()
    changed = properties(tmp_path / "b") | {key: value or properties(tmp_path / "a")[key]}
    (tmp_path / "b" / "meta.properties").write_bytes(checkpoints.encode_properties(changed))
    with pytest.raises(WrongFolderError, match=message):
        open_dirs("a", "b")
    assert open_dirs("a").was_clean  # nothing was held or left behind


def test_every_folder_is_locked(tmp_path: Path, open_dirs: OpenDirs) -> None:
    open_dirs("a", "b")
    with pytest.raises(FolderLockedError):
        open_log_dirs([str(tmp_path / "c"), str(tmp_path / "b")], node_id=1)


def test_a_log_in_two_folders_is_refused(tmp_path: Path, open_dirs: OpenDirs, batch: Callable[..., bytes]) -> None:
    logs = open_dirs("a", "b")
    fill(logs, batch)
    logs.close()
    shutil.copytree(tmp_path / "a" / "t-2", tmp_path / "b" / "t-2")
    with pytest.raises(DuplicateLogError, match=r"Duplicate log directories for t-2 are found in both .*/a/t-2 and"):
        open_dirs("a", "b")
    # One without a batch is what a creation left behind that went on elsewhere.
    shutil.rmtree(tmp_path / "b" / "t-2")
    (tmp_path / "b" / "t-2").mkdir()
    logs = open_dirs("a", "b")
    assert logs.folder_of("t", 2) is logs.by_path(str(tmp_path / "a"))
    assert not (tmp_path / "b" / "t-2").exists()


def test_a_folder_that_cannot_be_opened_is_offline_and_whole_again_later(
    tmp_path: Path, open_dirs: OpenDirs, batch: Callable[..., bytes]
) -> None:
    logs = open_dirs("a", "b")
    fill(logs, batch)
    logs.close()
    (tmp_path / "b").rename(tmp_path / "away")
    (tmp_path / "b").write_bytes(b"")
    offline: list[str] = []
    logs = open_dirs("a", "b", on_offline=lambda path, reason: offline.append(path))
    assert offline == [str(tmp_path / "b")]
    assert (logs.paths, logs.by_path(str(tmp_path / "b"))) == ([str(tmp_path / name) for name in "ab"], None)
    assert logs.partitions() == [("t", 0), ("t", 2)]
    assert logs.was_clean
    logs.close()
    (tmp_path / "b").unlink()
    (tmp_path / "away").rename(tmp_path / "b")
    logs = open_dirs("a", "b")
    assert logs.was_clean
    assert logs.partitions() == [("t", index) for index in range(4)]


def test_without_the_metadata_logs_folder_nothing_starts(tmp_path: Path, open_dirs: OpenDirs) -> None:
    (tmp_path / "a").write_bytes(b"")
    with pytest.raises(NoLogDirError, match=r"Encountered I/O error in metadata log directory .*/a. Cannot continue"):
        open_dirs("a", "b")
    with pytest.raises(NoLogDirError, match=r"none of the specified log dirs from .*/a can be created or validated"):
        open_dirs("a", metadata_log_dir=str(tmp_path / "m"))


def run(logs: LogManager, batch: Callable[..., bytes]) -> list[ErrorCode]:
    """Everything that a broker does to its logs; the errors."""
    errors = []
    made: set[int] = set()

    def produce(index: int) -> None:
        # The catalogue knows which partitions have a log: nobody makes one anew.
        append(logs, batch, index, create=index not in made)
        made.add(index)

    steps: list[Callable[[], object]] = [
        *(lambda index=index: produce(index) for index in (0, 1, 2, 3, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1)),
        lambda: logs.open("t", 1, CONFIG, NOW_MS).delete_before(2),
        logs.checkpoint,
        lambda: logs.open("t", 3, CONFIG, NOW_MS).flush(),
        lambda: logs.delete("t", 3),
        logs.close,
    ]
    for step in steps:
        try:
            step()
        except KafkaError as error:
            errors.append(error.code)
    return errors


def acknowledged(logs: LogManager, index: int) -> int:
    return logs.open("t", index, CONFIG, NOW_MS).log_end_offset


def test_a_disk_that_fails_at_any_step_takes_its_folder_offline_and_no_other(
    tmp_path: Path, open_dirs: OpenDirs, batch: Callable[..., bytes]
) -> None:
    counted = SickFiles(tmp_path / "count" / "b")
    logs = open_dirs("count/a", "count/b", files=counted)
    begun = counted.steps
    assert run(logs, batch) == []
    assert counted.steps > begun + 30
    for fail_at in range(begun + 1, counted.steps + 1):
        root = f"run{fail_at}"
        files = SickFiles(tmp_path / root / "b")
        logs = open_dirs(f"{root}/a", f"{root}/b", files=files)
        assert files.steps == begun
        files.fail_at = fail_at
        failures: list[str] = []
        logs.on_failure = lambda folder, failures=failures: failures.append(folder.path)  # type: ignore[misc]
        errors = run(logs, batch)
        assert failures == [str(tmp_path / root / "b")], fail_at
        assert set(errors) <= {ErrorCode.KAFKA_STORAGE_ERROR, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION}, fail_at
        # The other folder's logs have all that was asked of them, and that folder had a clean end.
        logs = open_dirs(f"{root}/a")
        assert logs.was_clean
        assert acknowledged(logs, 0) == 6
        logs.close()
        # The disk is well again: everything is there that was not lost with the failure.
        logs = open_dirs(f"{root}/a", f"{root}/b")
        assert acknowledged(logs, 0) == 6
        for topic, index in logs.partitions():
            log = logs.open(topic, index, CONFIG, NOW_MS)
            assert log.failed is None
            log.append_as_leader(batch(b"more"), leader_epoch=0, now_ms=NOW_MS)
        logs.close()


def test_a_disk_without_room_refuses_and_goes_on(
    tmp_path: Path, open_dirs: OpenDirs, batch: Callable[..., bytes]
) -> None:
    """At every step of a run the disk fills up; then there is room again, and nothing was lost or doubled."""
    counted = SickFiles(tmp_path / "count")
    logs = open_dirs("count/a", files=counted)
    begun = counted.steps
    assert run_appends(logs, batch) == [None] * APPENDS
    for fail_at in range(begun + 1, counted.steps + 1):
        code = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)[fail_at % 3]
        files = SickFiles(tmp_path / f"run{fail_at}", code)
        logs = open_dirs(f"run{fail_at}/a", files=files)
        files.fail_at = fail_at
        failures: list[str] = []
        logs.on_failure = lambda folder, failures=failures: failures.append(folder.path)  # type: ignore[misc]
        answers = run_appends(logs, batch)
        refused = [answer for answer in answers if answer is not None]
        assert refused or fail_at > counted.steps - CHECKPOINT_STEPS, fail_at
        assert all(isinstance(answer, NoRoomError) for answer in refused), fail_at
        files.fail_at = None
        assert run_appends(logs, batch) == [None] * APPENDS, fail_at
        assert failures == [], fail_at
        expected = 2 * APPENDS - len(refused)
        assert acknowledged(logs, 0) == expected, fail_at
        logs.close()
        logs = open_dirs(f"run{fail_at}/a")
        assert acknowledged(logs, 0) == expected, fail_at


def run_appends(logs: LogManager, batch: Callable[..., bytes]) -> list[KafkaError | None]:
    """Appends, which roll, and a checkpoint: what became of each append."""
    answers: list[KafkaError | None] = []
    for _ in range(APPENDS):
        try:
            append(logs, batch, 0)
            answers.append(None)
        except KafkaError as error:
            answers.append(error)
    with contextlib.suppress(NoRoomError):
        logs.checkpoint()
    return answers


def test_topics_can_be_deleted_from_a_full_disk(
    tmp_path: Path, open_dirs: OpenDirs, batch: Callable[..., bytes]
) -> None:
    files = SickFiles(tmp_path, errno.ENOSPC)
    logs = open_dirs("a", files=files)
    fill(logs, batch, 1)
    files.pwritev = full  # type: ignore[method-assign, assignment]
    with pytest.raises(NoRoomError):
        logs.delete("t", 0)
    assert names_in(tmp_path / "a") == []
    assert logs.partitions() == []
    del files.pwritev
    append(logs, batch, 0)
    assert acknowledged(logs, 0) == 1


def full(fd: int, buffers: Sequence[Buffer], position: int) -> int:
    raise OSError(errno.ENOSPC, "told to fail")


def test_a_log_that_finds_no_room_is_made_in_another_folder(
    tmp_path: Path, open_dirs: OpenDirs, batch: Callable[..., bytes]
) -> None:
    files = SickFiles(tmp_path / "a", errno.ENOSPC)
    logs = open_dirs("a", "b", files=files)
    files.fail_at = files.steps + 2  # the folder is made, its files are not
    failed_renames = files.rename
    files.rename = super(SickFiles, files).rename  # type: ignore[method-assign]
    append(logs, batch, 0)
    files.rename = failed_renames  # type: ignore[method-assign]
    assert (names_in(tmp_path / "a"), names_in(tmp_path / "b")) == ([], ["t-0"])
