"""What COLDBENCH_MEMORY does not let memory hold: a long log is worked on some users at a time, and
columns that are made so lie in files, which are mapped.

The files have no name: they are gone with the process that holds them.
"""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from math import inf
from tempfile import TemporaryFile
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from coldbench.cache import home
from coldbench.errors import UserError
from coldbench.interactions import Int, stretches

UNITS = {None: 1, "KB": 10**3, "MB": 10**6, "GB": 10**9}
LARGE = 8  # times an array that is held goes into the bound at least
AT_A_TIME = 400  # bytes of the bound for a row that is worked on: it takes a quarter of them


def memory_bound() -> float:
    """Bytes that a log may take while it is read and cut, as COLDBENCH_MEMORY says: 2000000000 or
    "2GB"; without it there is no bound. Raises UserError where it is no such number."""
    said = os.environ.get("COLDBENCH_MEMORY")
    if not said:
        return inf
    bound = re.fullmatch(r"([1-9][0-9]{0,17}) ?([KMG]B)?", said)
    if not bound:
        raise UserError(f"COLDBENCH_MEMORY = {said!r} is no number of bytes, such as 2GB")
    return int(bound[1]) * UNITS[bound[2]]


def in_bounds(offsets: Int, least: int = 1) -> Iterator[tuple[slice, slice]]:
    """Users who are worked on together, and their rows: all where memory holds them.

    offsets: (U + 1,) of each user's rows; least: rows together that are not fewer, if there are
    more, whatever the bound.
    """
    bound = memory_bound()
    most = int(offsets[-1]) if bound == inf else max(int(bound) // AT_A_TIME, least)
    for first, after in stretches(offsets, most):
        yield slice(first, after), slice(int(offsets[first]), int(offsets[after]))


def empty(n: int, kind: type[np.generic]) -> Any:
    """(n,) to be written into: in memory where it is no large part of the bound, else mapped."""
    size = n * np.dtype(kind).itemsize
    if LARGE * size <= memory_bound():
        return np.empty(n, kind)
    with room():
        file = unnamed()
        if hasattr(os, "posix_fallocate"):  # else a full disk would end the process at a write
            os.posix_fallocate(file.fileno(), 0, size)
    return np.asarray(np.memmap(file, kind, "w+", shape=(n,)))


class Column:
    """An array that comes in parts: the part itself where there is but one, else mapped."""

    def __init__(self) -> None:
        self._first: NDArray[Any] | None = None
        self._file: IO[bytes] | None = None

    def append(self, part: NDArray[Any]) -> None:
        if self._first is None:
            self._first = part
            return
        with room():
            if self._file is None:
                self._file = unnamed()
                self._first.tofile(self._file)
                self._first = self._first[:0]
            part.astype(self._first.dtype, copy=False).tofile(self._file)

    def whole(self) -> Any:
        """(n,) all parts; a change of it stays in memory."""
        assert self._first is not None  # a log without users is refused before
        return self._first if self._file is None else mapped(self._file, self._first.dtype)


def unnamed() -> IO[bytes]:
    """A file in the cache's folder that no other program sees."""
    home().mkdir(parents=True, exist_ok=True)
    return TemporaryFile(dir=home())


@contextmanager
def room() -> Iterator[None]:
    """Raises UserError where the disk has none."""
    try:
        yield
    except OSError as error:
        raise UserError(
            f"{home()}: {error.strerror or 'no room'}, and a log longer than COLDBENCH_MEMORY is "
            "kept there while it is worked on; fix: set COLDBENCH_CACHE to a folder with more room"
        ) from None


def mapped(file: IO[bytes], kind: np.dtype[Any]) -> Any:
    """(n,) what was written; a change of it stays in memory."""
    file.flush()
    file.seek(0, 2)
    n = file.tell() // kind.itemsize
    return np.asarray(np.memmap(file, kind, "c", shape=(n,))) if n else np.empty(0, kind)
