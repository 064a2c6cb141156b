"""From tables of named columns to the two that everything starts from."""

from collections.abc import Iterable, Iterator

import numpy as np
import polars as pl
from numpy.typing import NDArray

from coldbench.errors import UserError
from coldbench.files.long_log import ROW, LongLog, Rows, sorted_by_user
from coldbench.files.schema import WHOLE
from coldbench.interactions import Catalogue, Interactions


def from_frames(log: pl.DataFrame | LongLog, items: pl.DataFrame) -> tuple[Interactions, Catalogue]:
    """Users and items numbered from 0; rows in time order, of duplicates the last.

    log: a row an interaction: user and item (String or Enum), rating, and time (Int64, microseconds
    since 1970) where there is one.
    items: a row an item: item (String), text (String), and tags (List of String) where there are
    some; in the catalogue's order. An item that nobody rated is left out, one without text is
    called by its id. Users are numbered in the order of their ids, as numbers where all are
    numbers, so that the order of the file's rows says nothing. Raises UserError where the log is
    empty, or an item of it is not among the items, or is there twice.
    """
    if items["item"].n_unique() < items.height:
        twice = items.filter(items["item"].is_duplicated())["item"][0]
        raise UserError(f"item {twice!r} stands twice in the table of items; keep one")
    items = items.with_columns(pl.col("item").cast(pl.String))
    rated = ids_of(log, "item")
    if not len(rated):
        raise UserError("the log holds no interaction")
    unknown = rated.filter(~rated.is_in(items["item"].implode())).sort()
    if len(unknown):
        raise UserError(
            f"{len(unknown):,} items of the log are not in the table of items, {unknown[0]!r} "
            "among them; add them there"
        )
    items = items.filter(items["item"].is_in(rated.implode()))
    if isinstance(log, LongLog):
        return _sorted_in_files(log, items["item"]), catalogue_of(items)
    users = ordered(ids_of(log, "user"))
    times = log["time"].to_numpy() if "time" in log.columns else None
    interactions = Interactions.from_rows(
        numbered(log["user"], users),
        numbered(log["item"], items["item"]),
        log["rating"].to_numpy(),
        times,
        items.height,
    )
    return interactions, catalogue_of(items)


def _sorted_in_files(log: LongLog, items: pl.Series) -> Interactions:
    """The same of a log that memory does not hold."""
    counts = log.counts["user"]
    users = pl.DataFrame({"id": ordered(counts["id"])})
    counted = users.join(counts, "id", "left", maintain_order="left")["rows"].to_numpy()
    timed = "time" in next(iter(log)).columns

    def numbers() -> Iterator[Rows]:
        for block in log:
            rows = np.zeros(block.height, ROW)
            rows["user"] = numbered(block["user"], users["id"])
            rows["item"] = numbered(block["item"], items)
            rows["rating"] = block["rating"].to_numpy()
            if timed:
                rows["time"] = block["time"].to_numpy()
            yield rows

    return sorted_by_user(numbers(), counted, len(items), timed=timed)


def ids_of(log: pl.DataFrame | LongLog, column: str) -> pl.Series:
    """The different users or items (String), in no order."""
    if isinstance(log, LongLog):
        return log.counts[column]["id"]
    ids = log[column]
    if not isinstance(ids.dtype, pl.Enum):
        return ids.unique()
    there = np.zeros(len(ids.dtype.categories), bool)
    there[ids.to_physical().to_numpy()] = True
    return ids.dtype.categories.filter(pl.Series(there))


def catalogue_of(items: pl.DataFrame) -> Catalogue:
    """A row an item: item, text, and tags where there are some."""
    ids = tuple(items["item"])
    text = (" ".join(line.split()) or item for line, item in zip(items["text"], ids, strict=True))
    tags: Iterable[tuple[str, ...]] = ((),) * items.height
    if "tags" in items.columns:
        stripped = (map(str.strip, of_item) for of_item in items["tags"].to_list())
        tags = (tuple(filter(None, of_item)) for of_item in stripped)
    return Catalogue(ids, tuple(text), tuple(tags))


def numbered(values: pl.Series, names: pl.Series) -> NDArray[np.int32]:
    """(N,) the place of each value among the different `names`."""
    if isinstance(values.dtype, pl.Enum):  # its categories are few: only they are looked up
        known = values.dtype.categories.cast(pl.Enum(names), strict=False).to_physical()
        return known.fill_null(0).to_numpy().astype(np.int32)[values.to_physical().to_numpy()]
    return values.cast(pl.Enum(names)).to_physical().to_numpy().astype(np.int32)


def ordered(ids: pl.Series) -> pl.Series:
    """Different ids as numbers where all are numbers, then as text."""
    whole = ids.str.contains(f"^{WHOLE.pattern}$").all()
    table = pl.DataFrame({"id": ids})
    by = [pl.col("id").cast(pl.Int64), "id"] if whole else ["id"]
    return table.sort(by)["id"]
