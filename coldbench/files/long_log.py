"""A log that is longer than COLDBENCH_MEMORY lets memory hold: its blocks lie in a file, and so do
its columns once they are sorted.

Rows go to a file for each range of users, each range is sorted alone, and the columns that come of
it are mapped. The files have no name: they are gone with the process that holds them.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import cached_property
from io import BytesIO
from typing import IO, Any, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from coldbench.files.blocks import joined
from coldbench.files.schema import Column
from coldbench.interactions import Int, Interactions
from coldbench.spilled import Column as Spilled
from coldbench.spilled import in_bounds, room, unnamed

ROW = np.dtype([("user", "<i4"), ("item", "<i4"), ("rating", "<f4"), ("time", "<i8")])
MOST_FILES = 200  # ranges of users
Rows = NDArray[Any]  # (n,) of ROW


@dataclass(frozen=True)
class LongLog:
    """A log's rows block by block, each as `delimited.read` gives a whole table."""

    columns: tuple[Column, ...]
    file: IO[bytes] = field(default_factory=unnamed)
    ends: list[int] = field(default_factory=lambda: [0])  # of the blocks in the file
    each: Callable[[pl.DataFrame], pl.DataFrame] = lambda block: block

    @classmethod
    def of(cls, columns: tuple[Column, ...], blocks: Iterable[pl.DataFrame]) -> Self:
        """blocks: rows whose ids are numbers or text, as they were read."""
        log = cls(columns)
        for block in blocks:
            if block.height:
                written = BytesIO()
                block.write_ipc(written)
                with room():
                    log.file.write(written.getbuffer())
                log.ends.append(log.file.tell())
        return log

    def __iter__(self) -> Iterator[pl.DataFrame]:
        for block in self._as_read():
            yield self.each(joined([block], self.columns))

    def _as_read(self) -> Iterator[pl.DataFrame]:
        for first, after in zip(self.ends, self.ends[1:], strict=False):
            self.file.seek(first)
            yield pl.read_ipc(self.file.read(after - first))

    def pipe(self, change: Callable[[pl.DataFrame], pl.DataFrame]) -> Self:
        """The log with each block changed, as of a frame: rows may go, none may come."""
        before = self.each
        return replace(self, each=lambda block: change(before(block)))

    @cached_property
    def counts(self) -> dict[str, pl.DataFrame]:
        """Of the columns user and item each different id (String), and on how many rows it is."""
        kinds: Any = {"id": pl.String, "rows": pl.Int64}
        total = dict.fromkeys(("user", "item"), pl.DataFrame(schema=kinds))
        for block in map(self.each, self._as_read()):
            for name, known in total.items():
                own = block[name].value_counts(name="rows").rename({name: "id"}).cast(kinds)
                total[name] = pl.concat([known, own]).group_by("id").agg(pl.col("rows").sum())
        return total


def sorted_by_user(rows: Iterable[Rows], counts: Int, n_items: int, *, timed: bool) -> Interactions:
    """The same as `Interactions.from_rows` of all rows; counts: (U,) of each user's rows, none 0.

    Memory holds the rows of some users at a time, of one user at least.
    """
    ends = np.concatenate([[0], np.cumsum(counts)])
    firsts = [users.start for users, _ in in_bounds(ends, least=-(-int(ends[-1]) // MOST_FILES))]
    kept, offsets = np.zeros(len(counts), np.int64), np.zeros(len(counts) + 1, np.int64)
    items, ratings, times = Spilled(), Spilled(), Spilled()
    with ExitStack() as stack, room():
        parts = [stack.enter_context(unnamed()) for _ in firsts]
        for block in rows:
            place = np.searchsorted(firsts, block["user"], "right") - 1
            for at in np.unique(place):
                block[place == at].tofile(parts[at])
        for first, part in zip(firsts, parts, strict=True):
            own = _of_part(part, first, n_items, timed=timed)
            kept[first : first + own.n_users] = own.counts
            items.append(own.items)
            ratings.append(own.ratings)
            if own.times is not None:
                times.append(own.times)
            part.close()
        np.cumsum(kept, out=offsets[1:])
    n = int(offsets[-1])
    return Interactions(
        offsets,
        items.whole(),
        ratings.whole(),
        times.whole() if timed else None,
        n_items,
        int(ends[-1]) - n,
    )


def _of_part(part: IO[bytes], first: int, n_items: int, *, timed: bool) -> Interactions:
    part.seek(0)
    rows = np.fromfile(part, ROW)
    times = rows["time"] if timed else None
    return Interactions.from_rows(
        rows["user"] - first, rows["item"], rows["rating"], times, n_items
    )
