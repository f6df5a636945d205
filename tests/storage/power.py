"""Files in memory whose power can be cut: what was not synced may be lost, in any part and in any order.

A file's bytes live in pages. A cut leaves each page as it is now or as it was at the last sync, and the length of then,
of now, or of whole pages between; a file that was shortened since keeps nothing behind that point but what was written
after it, or is wholly as it was. A name in a folder (made, renamed, removed) stands for what it does now, or for what
it did when the folder was last synced, each name by itself: renames may be undone, or done by half.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random

from klamm.storage.files import Buffer, Files

PAGE_BYTES = 64
#: Descriptors of this kind of files; real ones, such as a folder's lock, are below.
_FIRST_FD = 1_000_000


@dataclass(slots=True, eq=False)
class Inode:
    """`synced`: the bytes on the device; `cut_at`: the smallest size since then, None if it never shrank."""

    data: bytearray = field(default_factory=bytearray)
    synced: bytes = b""
    cut_at: int | None = None

    def copy(self) -> Inode:
        return Inode(bytearray(self.data), self.synced, self.cut_at)

    def after_cut(self, random: Random, keep: float) -> bytes:
        """What the device may hold; `keep`: how likely a page that was not synced has got there."""
        now, then = bytes(self.data), self.synced
        if now == then and self.cut_at is None:
            return now
        if self.cut_at is not None:
            if random.random() >= keep:
                return then
            then = then[: self.cut_at]
        low, high = sorted((len(then), len(now)))
        somewhere = random.randint(low, high) // PAGE_BYTES * PAGE_BYTES
        size = len(now) if random.random() < keep else random.choice([len(then), max(low, somewhere)])
        now, then = now[:size].ljust(size, b"\0"), then[:size].ljust(size, b"\0")
        pages = (now if random.random() < keep else then for _ in range(0, size, PAGE_BYTES))
        starts = range(0, size, PAGE_BYTES)
        return b"".join(page[at : at + PAGE_BYTES] for page, at in zip(pages, starts, strict=True))


@dataclass(slots=True, eq=False)
class Folder:
    names: dict[str, Inode] = field(default_factory=dict)
    synced: dict[str, Inode] = field(default_factory=dict)


class Disk:
    """Folders by path. A folder's own name is as durable as any other in the folder that holds it."""

    def __init__(self, root: str) -> None:
        self.root = root
        self.folders: dict[str, Folder] = {root: Folder()}
        self.synced_folders: set[str] = {root}

    def copy(self) -> Disk:
        copied = Disk(self.root)
        inodes: dict[Inode, Inode] = {}

        def of(inode: Inode) -> Inode:
            if inode not in inodes:
                inodes[inode] = inode.copy()
            return inodes[inode]

        copied.folders = {
            path: Folder(
                {name: of(inode) for name, inode in folder.names.items()},
                {name: of(inode) for name, inode in folder.synced.items()},
            )
            for path, folder in self.folders.items()
        }
        copied.synced_folders = set(self.synced_folders)
        return copied

    def after_cut(self, random: Random, keep: float) -> Disk:
        """What a start after the cut finds, all of it on the device."""
        found = Disk(self.root)
        found.folders.clear()
        for path, folder in self.folders.items():
            if path not in self.synced_folders and random.random() >= keep:
                continue
            left: dict[str, Inode] = {}
            for name in sorted({*folder.names, *folder.synced}):
                now, then = folder.names.get(name), folder.synced.get(name)
                inode = now if now is then or random.random() < keep else then
                if inode is not None:
                    data = inode.after_cut(random, keep)
                    left[name] = Inode(bytearray(data), data)
            found.folders[path] = Folder(left, dict(left))
        found.synced_folders = set(found.folders)
        return found


class PowerFiles(Files):
    """Files of a `Disk`. `on_change` is called before each step that changes it, and after the last one by the test."""

    def __init__(self, disk: Disk) -> None:
        super().__init__()
        self.disk = disk
        self.on_change: Callable[[], None] = lambda: None
        self.bytes_read = 0
        self._open: dict[int, Inode] = {}
        self._next_fd = _FIRST_FD

    def _folder(self, path: str) -> tuple[Folder, str]:
        folder, name = os.path.split(path)
        if folder not in self.disk.folders:
            raise FileNotFoundError(errno.ENOENT, "no such folder", folder)
        return self.disk.folders[folder], name

    def open(self, path: str, *, create: bool = False) -> int:
        folder, name = self._folder(path)
        if name not in folder.names:
            if not create:
                raise FileNotFoundError(errno.ENOENT, "no such file", path)
            self.on_change()
            folder.names[name] = Inode()
        self._next_fd += 1
        self._open[self._next_fd] = folder.names[name]
        return self._next_fd

    def close(self, fd: int) -> None:
        del self._open[fd]

    def size(self, fd: int) -> int:
        return len(self._open[fd].data)

    def pread(self, fd: int, count: int, position: int) -> bytes:
        found = bytes(self._open[fd].data[position : position + count])
        self.bytes_read += len(found)
        return found

    def pwritev(self, fd: int, buffers: Sequence[Buffer], position: int) -> int:
        data = b"".join(buffers)
        if fd < _FIRST_FD:
            return os.pwrite(fd, data, position)
        self.on_change()
        inode = self._open[fd]
        inode.data.extend(bytes(max(0, position - len(inode.data))))
        inode.data[position : position + len(data)] = data
        return len(data)

    def truncate(self, fd: int, size: int) -> None:
        self.on_change()
        inode = self._open[fd]
        if size < len(inode.data):
            inode.cut_at = size if inode.cut_at is None else min(size, inode.cut_at)
        del inode.data[size:]
        inode.data.extend(bytes(size - len(inode.data)))

    def sync(self, fd: int) -> None:
        self.on_change()
        inode = self._open[fd]
        inode.synced, inode.cut_at = bytes(inode.data), None

    def sync_everything(self) -> bool:
        return False

    def sync_folder(self, path: str) -> None:
        self.on_change()
        folder = self.disk.folders[path]
        folder.synced = dict(folder.names)
        inside = {other for other in self.disk.folders if os.path.dirname(other) == path}
        self.disk.synced_folders |= inside

    def rename(self, source: str, target: str) -> None:
        if source in self.disk.folders:
            self.on_change()
            self.disk.folders[target] = self.disk.folders.pop(source)
            self.disk.synced_folders.discard(source)
            return
        folder, name = self._folder(source)
        if name not in folder.names:
            raise FileNotFoundError(errno.ENOENT, "no such file", source)
        self.on_change()
        inode = folder.names.pop(name)
        folder, name = self._folder(target)
        folder.names[name] = inode

    def remove(self, path: str) -> None:
        folder, name = self._folder(path)
        if name not in folder.names:
            raise FileNotFoundError(errno.ENOENT, "no such file", path)
        self.on_change()
        del folder.names[name]

    def names(self, folder: str) -> list[str]:
        return list(self.disk.folders[folder].names)

    def folders(self, folder: str) -> list[str]:
        return [os.path.basename(path) for path in self.disk.folders if os.path.dirname(path) == folder]

    def make_folder(self, path: str) -> None:
        if path == self.disk.root:
            os.makedirs(path, exist_ok=True)  # its lock is a real file
        if path not in self.disk.folders:
            self.on_change()
            self.disk.folders[path] = Folder()

    def remove_folder(self, path: str) -> None:
        self.on_change()
        assert not self.disk.folders.pop(path).names

    def modified_ms(self, path: str) -> int:
        return 0
