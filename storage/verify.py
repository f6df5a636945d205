"""A data folder, or one partition's, checked: every file against every other. Nothing is changed.

While a broker runs the ends of its logs move, and what may still come or go is no finding.

Left out: message sets of magic 0 and 1, which are a finding; what compaction should have removed; of the cleaner's
checkpoint and of Raft's files more than that they are in their place.
"""

from __future__ import annotations

import os
from collections.abc import Callable

from . import checkpoints
from .reading import ReadingFiles
from .segment import LOG_SUFFIX
from .verify_findings import Finding
from .verify_folder import is_data_folder, verify_alone, verify_folder
from .verify_partition import Checker


def verify(
    path: str,
    *,
    deep: bool = False,
    files: ReadingFiles | None = None,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[list[Finding], bool]:
    """(findings, whether a broker is at work in the folder) of a data folder or of one partition's folder.

    `deep` decodes every record; `on_progress` hears how many of how many partitions are done. Raises OSError if the
    folder itself cannot be read, ValueError if it is neither.
    """
    files = files or ReadingFiles()
    path = os.path.abspath(path)
    names = files.names(path)
    is_data = is_data_folder(names)
    if not is_data and not any(name.endswith(LOG_SUFFIX) for name in names):
        raise ValueError(f"{path} is neither a data folder nor a partition's: no meta.properties and no .log in it")
    lock = os.path.join(path if is_data else os.path.dirname(path), checkpoints.LOCK)
    checker = Checker(moving=files.is_locked(lock), deep=deep, files=files)
    if is_data:
        verify_folder(checker, path, on_progress)
    else:
        verify_alone(checker, path)
    return checker.findings.finish(), checker.moving
