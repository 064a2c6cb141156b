"""A table read in blocks of whole lines, so that memory holds a few blocks and the result.

Ids of a log that are whole numbers, written as any program writes them, are kept as numbers until
all blocks are there: no text of them is hashed.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from math import inf
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import BinaryIO

import numpy as np
import polars as pl

from coldbench.cache import home
from coldbench.errors import UserError
from coldbench.files.schema import Column
from coldbench.in_turn import in_turn
from coldbench.spilled import memory_bound, room, unnamed

BLOCK = 16 << 20  # bytes of a file that are read at a time, where COLDBENCH_BLOCK does not say
SHRUNK = 8  # times that a `.gz` holds its bytes, taken to be at most
HELD = 4  # times a file's bytes: above what its table takes, and the program beside
LEAST, BLOCKS = 1 << 16, 64  # bytes where memory is bounded: a block takes several times its own
SPARSE = 16  # numbers a row: ids that lie further apart are sorted


def opened(source: Path | bytes) -> BinaryIO:
    """A file, or what was taken out of an archive."""
    return source.open("rb") if isinstance(source, Path) else BytesIO(source)


def size_of(source: Path | bytes) -> int:
    """Bytes."""
    return source.stat().st_size if isinstance(source, Path) else len(source)


def block_size() -> int:
    """Bytes. Raises UserError where COLDBENCH_BLOCK is no number of them."""
    fits = BLOCK if memory_bound() == inf else max(LEAST, int(memory_bound()) // BLOCKS)
    said = os.environ.get("COLDBENCH_BLOCK", str(min(BLOCK, fits)))
    if not (said.isascii() and said.isdigit() and 0 < int(said) < 2**63):
        raise UserError(f"COLDBENCH_BLOCK = {said!r} is no number of bytes, such as {BLOCK}")
    return int(said)


def is_long(path: Path) -> bool:
    """Whether a file's table, on the way to a log, takes more than the bound of memory."""
    times = HELD * SHRUNK if path.suffix.lower() == ".gz" else HELD
    return path.is_file() and times * path.stat().st_size > memory_bound()


@contextmanager
def unpacked(path: Path) -> Iterator[Path]:
    """A file that can be read from any byte on: the file itself, or what a `.gz` holds, in one that
    is gone afterwards."""
    if path.suffix.lower() != ".gz":
        yield path
        return
    from coldbench.files.archive import gunzip_into

    opened_here = Path("/proc/self/fd")  # a file without a name can be opened there again
    nameless = opened_here.is_dir()
    with unnamed() if nameless else NamedTemporaryFile(dir=home()) as file:
        with room():
            gunzip_into(path, file)
            file.flush()
        yield opened_here / str(file.fileno()) if nameless else Path(file.name)


def mapped(
    read: Callable[[bytes], pl.DataFrame | None], source: Path | bytes, begin: int
) -> Iterator[tuple[int, int, pl.DataFrame | None]]:
    """(first byte, byte after the last, what `read` makes of it) of each block from the byte
    `begin` on. Few are read before they are asked for."""

    def one(block: tuple[int, int]) -> tuple[int, int, pl.DataFrame | None]:
        return *block, read(lines_between(source, *block))

    return in_turn(one, _blocks(source, begin))


def lines_between(source: Path | bytes, first: int, after: int) -> bytes:
    """The bytes from one to before another."""
    with opened(source) as file:
        file.seek(first)
        return file.read(after - first)


def _blocks(source: Path | bytes, begin: int) -> Iterator[tuple[int, int]]:
    """(first byte, byte after the last) of blocks that end where a line does."""
    size, end = block_size(), size_of(source)
    with opened(source) as file:
        while begin < end:
            file.seek(min(begin + size, end) - 1)
            file.readline()
            yield begin, file.tell()
            begin = file.tell()


def joined(frames: list[pl.DataFrame], columns: tuple[Column, ...]) -> pl.DataFrame:
    """The blocks' rows one after the other; the blocks' own columns are let go one by one."""

    def whole(of: tuple[Column, list[pl.Series]]) -> pl.Series:
        column, parts = of
        return _named(parts) if column.many else pl.concat(parts, rechunk=True)

    parts = ((c, [frame.drop_in_place(c.name) for frame in frames]) for c in columns)
    return pl.DataFrame(in_turn(whole, parts))


def _named(parts: list[pl.Series]) -> pl.Series:
    """Ids, as numbers or as text, as an Enum of those that there are."""
    if any(part.dtype == pl.String for part in parts):
        return as_enum(pl.concat([part.cast(pl.String) for part in parts]))
    ids = np.concatenate([part.to_numpy() for part in parts])
    if ids.max() < SPARSE * len(ids):
        present = np.zeros(int(ids.max()) + 1, bool)
        present[ids] = True
        names, place = np.flatnonzero(present), (np.cumsum(present, dtype=np.uint32) - 1)[ids]
    else:
        names, place = np.unique(ids, return_inverse=True)
    return as_enum(pl.Series(parts[0].name, names).cast(pl.String)).gather(pl.Series(place))


def as_enum(ids: pl.Series) -> pl.Series:
    """Text as an Enum of the different values."""
    return ids.cast(pl.Enum(ids.unique(maintain_order=True)))
