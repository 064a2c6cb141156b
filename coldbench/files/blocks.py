"""A table read in blocks of whole lines, so that memory holds a few blocks and the result.

Ids of a log that are whole numbers, written as any program writes them, are kept as numbers until
all blocks are there: no text of them is hashed.
"""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

import numpy as np
import polars as pl

from coldbench.errors import UserError
from coldbench.files.schema import Column

BLOCK = 16 << 20  # bytes of a file that are read at a time, where COLDBENCH_BLOCK does not say
AT_A_TIME = 2  # blocks that are worked on
SPARSE = 16  # numbers a row: ids that lie further apart are sorted


def opened(source: Path | bytes) -> BinaryIO:
    """A file, or what was taken out of an archive."""
    return source.open("rb") if isinstance(source, Path) else BytesIO(source)


def block_size() -> int:
    """Bytes. Raises UserError where COLDBENCH_BLOCK is no number of them."""
    said = os.environ.get("COLDBENCH_BLOCK", str(BLOCK))
    if not (said.isascii() and said.isdigit() and 0 < int(said) < 2**63):
        raise UserError(f"COLDBENCH_BLOCK = {said!r} is no number of bytes, such as {BLOCK}")
    return int(said)


def mapped(
    read: Callable[[bytes], pl.DataFrame | None], source: Path | bytes, begin: int
) -> list[pl.DataFrame] | None:
    """What `read` makes of each block from the byte `begin` on; None where it is None of any."""

    def one(block: tuple[int, int]) -> pl.DataFrame | None:
        with opened(source) as file:
            file.seek(block[0])
            return read(file.read(block[1] - block[0]))

    frames = []
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        for frame in pool.map(one, _blocks(source, begin)):
            if frame is None:
                pool.shutdown(cancel_futures=True)
                return None
            frames.append(frame)
    return frames


def _blocks(source: Path | bytes, begin: int) -> Iterator[tuple[int, int]]:
    """(first byte, byte after the last) of blocks that end where a line does."""
    size = block_size()
    with opened(source) as file:
        end = file.seek(0, os.SEEK_END)
        while begin < end:
            file.seek(min(begin + size, end) - 1)
            file.readline()
            yield begin, file.tell()
            begin = file.tell()


def joined(frames: list[pl.DataFrame], columns: tuple[Column, ...]) -> pl.DataFrame:
    """The blocks' rows one after the other; the blocks' own columns are let go one by one."""
    whole = {}
    for column in columns:
        parts = [frame.drop_in_place(column.name) for frame in frames]
        whole[column.name] = _named(parts) if column.many else pl.concat(parts, rechunk=True)
    return pl.DataFrame(whole)


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
