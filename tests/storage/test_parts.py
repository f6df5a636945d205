"""The small parts: indexes, leader epochs, handles, checkpoints, configs, pending answers."""

from __future__ import annotations

import bisect
import os
import struct
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from klamm.storage import checkpoints
from klamm.storage.config import MAX_INT64, LogConfig
from klamm.storage.files import Files, read_file, replace_file
from klamm.storage.handles import HandleCache
from klamm.storage.indexes import OFFSET_ENTRY, TAIL_ENTRIES, SortedIndex
from klamm.storage.leader_epochs import LeaderEpochCache
from klamm.storage.pending import Pending
from klamm.wire.errors import ErrorCode, KafkaError

# --- indexes ------------------------------------------------------------------------------------------------------


@given(
    steps=st.lists(st.tuples(st.integers(1, 9), st.integers(1, 9)), max_size=900),
    flushes=st.sets(st.integers(0, 900), max_size=3),
    targets=st.lists(st.integers(-2, 6000), max_size=8),
    keep=st.integers(0, 6000),
    by_key=st.booleans(),
)
@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_an_index_is_a_sorted_list(
    tmp_path: Path,
    steps: list[tuple[int, int]],
    flushes: set[int],
    targets: list[int],
    keep: int,
    by_key: bool,
) -> None:
    cache = HandleCache(Files(), 4)
    index = SortedIndex(cache, cache.handle(str(tmp_path / "i")), OFFSET_ENTRY)
    index.create()
    entries: list[tuple[int, int]] = []
    key = value = 0
    for number, (key_step, value_step) in enumerate(steps):
        key, value = key + key_step, value + value_step
        index.append(key, value)
        entries.append((key, value))
        if number in flushes:
            index.flush()

    def check(index: SortedIndex) -> None:
        assert [index[number] for number in range(len(index))] == entries
        assert index.last == (entries[-1] if entries else None)
        for target in targets:
            below = bisect.bisect_right([key for key, _ in entries], target)
            assert index.floor(target) == (entries[below - 1] if below else None)

    check(index)
    if by_key:
        index.keep_keys_below(keep)
        entries = [entry for entry in entries if entry[0] < keep]
    else:
        index.keep_values_below(keep)
        entries = [entry for entry in entries if entry[1] < keep]
    check(index)
    index.append(9000, 9000)
    entries.append((9000, 9000))
    index.flush()
    again = SortedIndex(cache, cache.handle(str(tmp_path / "i")), OFFSET_ENTRY)
    again.load()
    check(again)
    assert again.size_bytes == 8 * len(entries) == (tmp_path / "i").stat().st_size


def test_an_index_says_when_a_write_pays(tmp_path: Path) -> None:
    cache = HandleCache(Files(), 4)
    index = SortedIndex(cache, cache.handle(str(tmp_path / "i")), OFFSET_ENTRY)
    index.create()
    for number in range(TAIL_ENTRIES):
        assert not index.tail_is_long
        index.append(number, number)
    assert index.tail_is_long
    index.flush()
    assert not index.tail_is_long


# --- handles ------------------------------------------------------------------------------------------------------


def test_handles_stay_within_their_limit_and_leased_ones_stay_open(tmp_path: Path) -> None:
    cache = HandleCache(Files(), 3)
    handles = [cache.handle(str(tmp_path / str(number))) for number in range(10)]
    for handle in handles:
        cache.create(handle)
        assert len(cache) <= 3
    fd = handles[0].lease()
    for handle in handles * 3:
        handle.get()
        assert len(cache) <= 3
        assert handles[0].fd == fd
    handles[0].release()
    leases = [handle.lease() for handle in handles]
    assert len(set(leases)) == len(cache) == 10
    for handle in handles:
        handle.release()
    assert len(cache) == 3
    for handle in handles:
        handle.discard()
    assert len(cache) == 0


def test_a_handle_in_use_is_not_the_next_to_close(tmp_path: Path) -> None:
    cache = HandleCache(Files(), 2)
    often, *others = [cache.handle(str(tmp_path / str(number))) for number in range(6)]
    cache.create(often)
    fd = often.get()
    for handle in others:
        cache.create(handle)
        assert often.get() == fd


def test_a_discarded_handle_closes_with_its_last_lease_and_never_opens_again(tmp_path: Path) -> None:
    cache = HandleCache(Files(), 2)
    handle = cache.handle(str(tmp_path / "f"))
    cache.create(handle)
    fd = handle.lease()
    handle.lease()
    handle.discard()
    handle.release()
    os.fstat(fd)
    handle.release()
    with pytest.raises(OSError):  # noqa: PT011  (EBADF)
        os.fstat(fd)
    with pytest.raises(FileNotFoundError):
        handle.get()


def test_when_the_process_has_no_descriptor_left_an_old_one_makes_room(tmp_path: Path) -> None:
    class NoneLeft(Files):
        def open(self, path: str, *, create: bool = False) -> int:
            if len(cache) >= 2:
                raise OSError(24, "too many open files")
            return super().open(path, create=create)

    cache = HandleCache(NoneLeft(), 100)
    handles = [cache.handle(str(tmp_path / str(number))) for number in range(5)]
    for handle in handles:
        cache.create(handle)
    assert len(cache) == 2
    handles[3].lease()
    handles[4].lease()
    with pytest.raises(OSError, match="too many"):
        handles[0].get()


# --- leader epochs ------------------------------------------------------------------------------------------------


def test_an_epoch_without_records_gives_way() -> None:
    epochs = LeaderEpochCache()
    for epoch, start in ((0, 0), (1, 5), (2, 5), (2, 9), (4, 9)):
        epochs.assign(epoch, start)
    assert epochs.rows == [(0, 0), (2, 5), (4, 9)]
    assert epochs.is_dirty
    assert [epochs.epoch_of(offset) for offset in (0, 4, 5, 8, 9, 99)] == [0, 0, 2, 2, 4, 4]
    assert [epochs.end_offset(epoch, 12) for epoch in range(-1, 6)] == [
        (-1, -1),
        (0, 5),
        (0, 5),
        (2, 9),
        (2, 9),
        (4, 12),
        (-1, -1),
    ]


def test_epochs_are_cut_at_both_ends() -> None:
    epochs = LeaderEpochCache([(1, 0), (2, 10), (3, 20)])
    assert not epochs.is_dirty
    assert epochs.end_offset(0, 30) == (0, 0)
    epochs.truncate_end(20)
    assert epochs.rows == [(1, 0), (2, 10)]
    epochs.truncate_start(4)
    assert epochs.rows == [(1, 4), (2, 10)]
    epochs.truncate_start(10)
    assert epochs.rows == [(2, 10)]
    assert epochs.epoch_of(9) == -1
    epochs.truncate_end(3)
    assert epochs.rows == []
    assert epochs.latest == -1


# --- checkpoints --------------------------------------------------------------------------------------------------


def test_checkpoints_have_kafkas_bytes() -> None:
    offsets = {("a-topic", 0): 5, ("b", 11): 0}
    assert checkpoints.encode_offsets(offsets) == b"0\n2\na-topic 0 5\nb 11 0\n"
    assert checkpoints.decode_offsets(b"0\n2\na-topic 0 5\nb 11 0\n") == offsets
    assert checkpoints.encode_offsets({}) == b"0\n0\n"
    assert checkpoints.decode_epochs(b"0\n1\n3 17\n") == [(3, 17)]
    topic_id = bytes.fromhex("9f76169dd58a48bb ab12600a3325 2604".replace(" ", ""))
    text = checkpoints.encode_partition_metadata(topic_id)
    assert text == b"version: 0\ntopic_id: n3YWndWKSLurEmAKMyUmBA"
    assert checkpoints.decode_partition_metadata(text) == topic_id
    assert checkpoints.decode_partition_metadata(text + b"\n") == topic_id
    assert checkpoints.encode_clean_shutdown(16) == b'{"version":0,"brokerEpoch":16}'


@pytest.mark.parametrize(
    "data",
    [b"", b"1\n0\n", b"0\n", b"0\n2\na 0 5\n", b"0\n1\na 0\n", b"0\n1\na x 5\n", b"\xff", b"0\n1\n1 0 5", b"0\n1\n1 5"],
)
def test_damaged_checkpoints(data: bytes) -> None:
    with pytest.raises(checkpoints.CheckpointError):
        checkpoints.decode_offsets(data)
    with pytest.raises(checkpoints.CheckpointError):
        checkpoints.decode_epochs(data)


@pytest.mark.parametrize("data", [b"", b"version: 1\ntopic_id: n3YWndWKSLurEmAKMyUmBA", b"version: 0\ntopic_id: n3Y"])
def test_damaged_partition_metadata(data: bytes) -> None:
    with pytest.raises(checkpoints.CheckpointError):
        checkpoints.decode_partition_metadata(data)


def test_properties_as_java_writes_them() -> None:
    assert checkpoints.decode_properties(b"#\n#Sat Nov 21\nnode.id=1\nx = a=b \n\n") == {"node.id": "1", "x": "a=b"}


def test_a_file_is_replaced_at_once_or_not_at_all(tmp_path: Path, failing_files: Any) -> None:
    path = str(tmp_path / "f")
    replace_file(failing_files, path, b"old", sync=True)
    steps = failing_files.steps
    for number in range(1, steps + 1):
        files = type(failing_files)()
        files.fail_at, files.tear = number, 2
        with pytest.raises(OSError, match="told to fail"):
            replace_file(files, path, b"the new", sync=True)
        assert read_file(Files(), path) in (b"old", b"the new")
        replace_file(Files(), path, b"old", sync=False)
    assert read_file(Files(), str(tmp_path / "none")) is None


# --- configs ------------------------------------------------------------------------------------------------------


def test_configs_from_strings() -> None:
    config = LogConfig.from_strings(
        {
            "segment.bytes": "1048576",
            "cleanup.policy": "compact, delete",
            "message.timestamp.type": "LogAppendTime",
            "retention.ms": "-1",
            "klamm.validate.records": "true",
            "min.insync.replicas": "2",
        }
    )
    assert config == LogConfig(
        segment_bytes=1048576,
        cleanup_policy=("compact", "delete"),
        message_timestamp_type="LogAppendTime",
        retention_ms=-1,
        klamm_validate_records=True,
    )
    assert config.is_compacted
    assert config.is_deleted
    assert config.is_log_append_time
    assert LogConfig.from_strings({}) == LogConfig()
    assert LogConfig().flush_messages == MAX_INT64


@pytest.mark.parametrize(
    ("name", "text"),
    [("segment.bytes", "many"), ("klamm.validate.records", "maybe"), ("message.timestamp.type", "logappendtime")],
)
def test_configs_of_the_wrong_type(name: str, text: str) -> None:
    with pytest.raises(KafkaError) as caught:
        LogConfig.from_strings({name: text})
    assert caught.value.code is ErrorCode.INVALID_CONFIG
    assert caught.value.message is not None
    assert name in caught.value.message


# --- pending ------------------------------------------------------------------------------------------------------


def test_a_pending_answer_calls_back_once_in_order() -> None:
    pending: Pending[int] = Pending()
    seen: list[tuple[str, int]] = []
    pending.add_callback(lambda done: seen.append(("first", done.result())))
    pending.add_callback(lambda done: seen.append(("second", done.result())))
    with pytest.raises(RuntimeError):
        pending.result()
    assert not pending.done
    pending.complete(5)
    pending.add_callback(lambda done: seen.append(("late", done.result())))
    assert seen == [("first", 5), ("second", 5), ("late", 5)]
    with pytest.raises(RuntimeError):
        pending.complete(6)


def test_a_pending_answer_may_be_an_error() -> None:
    pending: Pending[int] = Pending()
    pending.fail(KafkaError(ErrorCode.KAFKA_STORAGE_ERROR))
    assert pending.done
    with pytest.raises(KafkaError):
        pending.result()
    with pytest.raises(RuntimeError):
        pending.fail(ValueError())


def test_index_entries_are_eight_bytes() -> None:
    assert OFFSET_ENTRY.pack(1, 2) == struct.pack(">ii", 1, 2)


@pytest.mark.parametrize("entry", [(0, 7), (7, 0), (2, 7), (7, 2), (0, 0), (1, 1)])
def test_an_index_ends_before_the_first_entry_that_does_not_ascend_in_both_columns(
    tmp_path: Path, entry: tuple[int, int]
) -> None:
    cache = HandleCache(Files(), 4)
    path = tmp_path / "i"
    path.write_bytes(b"".join(OFFSET_ENTRY.pack(*pair) for pair in ((1, 1), (2, 2), entry, (8, 8))))
    index = SortedIndex(cache, cache.handle(str(path)), OFFSET_ENTRY)
    index.load()
    index.keep_ascending()
    assert (len(index), index.last, path.stat().st_size) == (2, (2, 2), 16)


def test_a_cut_on_disk_takes_the_entries_in_memory_along(tmp_path: Path) -> None:
    cache = HandleCache(Files(), 4)
    index = SortedIndex(cache, cache.handle(str(tmp_path / "i")), OFFSET_ENTRY)
    index.create()
    for number in range(1, 5):
        index.append(number, number)
        if number == 3:
            index.flush()
    index.keep_keys_below(2)
    assert (len(index), index.last) == (1, (1, 1))
