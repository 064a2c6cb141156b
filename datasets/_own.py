"""A user's own files: a log with a column for each thing, and a table of items beside it.

Columns are found by their usual names, or named: `--with user=customer`. Text is made by a
template, `--with "text={title} by {author}"`, tags by a column, `--with tags=genres`.
"""

import re
from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from math import inf
from pathlib import Path
from typing import ClassVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from coldbench.column import SECONDS, Column
from coldbench.dataset import Dataset
from coldbench.errors import BadFile, Problem, UserError, unknown
from coldbench.frames import from_frames
from coldbench.interactions import Catalogue, Interactions

USUAL = {  # without case, spaces and underscores
    "user": "user userid uid customer customerid reviewerid visitorid sessionid",
    "item": "item itemid iid movieid productid asin parentasin isbn bookid newsid artistid trackid",
    "rating": "rating ratings stars score overall bookrating",
    "time": "timestamp time unixtime unixreviewtime",
}
NAMED = re.compile(r"\{([^{}]+)\}")


@dataclass(frozen=True)
class Own(Dataset):
    """A log and its items from files; a column is found by its usual name unless it is named."""

    path: str = ""  # of the log
    user: str = ""  # columns of the log
    item: str = ""
    rating: str = ""  # "none": a log of likes alone, whatever the file has
    time: str = ""  # "none": a log without times
    time_unit: str = "seconds"  # since 1970, or milliseconds, microseconds, "%Y-%m-%d"
    items: str = ""  # path of the table of items; without it an item's text is its id
    text: str = ""  # "{title} by {author}": columns of the table of items; else its title or all
    tags: str = ""  # its column of tags, set apart by | ; or ,
    vectors: str = (
        ""  # path of an .npy (n_items, D), a row for each of the table of items, in order
    )
    scale: tuple[float, float] = (1.0, 5.0)  # type: ignore[misc]
    like_above: float = 3.5  # type: ignore[misc]

    domain = "yours"
    licence = "yours"
    citation = "your own"
    size = "any"
    paths = ("path", "items", "vectors")
    between_tags: ClassVar[re.Pattern[str]] = re.compile(r"[|;,]")

    def __post_init__(self) -> None:
        low, high = self.scale
        if not -inf < low <= self.like_above < high < inf:
            raise UserError(
                f"like_above = {self.like_above} is not within the scale {low} to {high}"
            )
        if self.time_unit not in SECONDS and "%" not in self.time_unit:
            raise unknown(
                "time_unit", self.time_unit, SECONDS, f"{', '.join(SECONDS)}, or %Y-%m-%d"
            )
        if (self.text or self.tags) and not self.items:
            raise UserError("text and tags are made of the table of items: name it by items=FILE")
        if self.vectors and not self.items:
            raise UserError("vectors go with the rows of the table of items: name it by items=FILE")
        if self.text and not NAMED.search(self.text):
            raise UserError(f"text = {self.text!r} names no column; write it in braces, {{title}}")

    @abstractmethod
    def columns_of(self, path: Path) -> list[str]:
        """The names of a file's columns."""

    @abstractmethod
    def read(self, path: Path, columns: tuple[Column, ...]) -> pl.DataFrame:
        """A file's columns, held to their rules."""

    @abstractmethod
    def problems(self, path: Path, columns: tuple[Column, ...]) -> list[Problem]:
        """All that is wrong with a file."""

    @property
    def explicit(self) -> bool:  # type: ignore[override]
        return "rating" in self.log_columns

    @cached_property
    def log_columns(self) -> dict[str, Column]:
        """What each column of the log is."""
        if not self.path:
            raise UserError("name the log: -d ratings.csv, or path in dataset_params")
        there = self.columns_of(Path(self.path))
        kinds = {
            "user": Column(self._named("user", there), "id"),
            "item": Column(self._named("item", there), "id"),
            "rating": Column(self._named("rating", there), "number", *self.scale),
            "time": Column(self._named("time", there), "time", unit=self.time_unit),
        }
        return {key: column for key, column in kinds.items() if column.name}

    @cached_property
    def item_columns(self) -> tuple[Column, ...]:
        """What is read of the table of items: its id, then what makes text and tags."""
        there = self.columns_of(Path(self.items))
        name = self.log_columns["item"].name
        found = [name] if name in there else _usual("item", there)
        if len(found) != 1:
            fix = f"rename the column of ids to {name}"
            raise _bad_header(self.items, there, "one column of items, named as in the log", fix)
        own = found[0]
        wanted = [*NAMED.findall(self._template(there, own)), *([self.tags] if self.tags else [])]
        for column in wanted:
            if column not in there:
                raise unknown(f"column of {self.items}", column, there, ", ".join(there))
        return (Column(own, "id"), *(Column(c) for c in dict.fromkeys(wanted) if c != own))

    def load(self) -> tuple[Interactions, Catalogue]:
        named = self.log_columns
        rows = self.read(Path(self.path), tuple(named.values()))
        log = rows.select(pl.col(column.name).alias(key) for key, column in named.items())
        if "rating" not in named:
            log = log.with_columns(rating=pl.lit(self.scale[1]))
        items = self._items(log)
        try:
            made, catalogue = from_frames(log, items)
        except UserError as error:
            raise UserError(f"{self.items}: {error}") from None
        if not self.vectors:
            return made, catalogue
        row = {item: number for number, item in enumerate(items["item"])}
        kept = [row[item] for item in catalogue.ids]
        return made, replace(catalogue, vectors=read_vectors(Path(self.vectors), len(row))[kept])

    def all_problems(self) -> Iterator[Problem]:
        """All that is wrong with the log and then with the table of items."""
        yield from self.problems(Path(self.path), tuple(self.log_columns.values()))
        if self.items:
            yield from self.problems(Path(self.items), self.item_columns)

    def _items(self, log: pl.DataFrame) -> pl.DataFrame:
        if not self.items:
            ids = log["item"].unique().sort()
            return pl.DataFrame({"item": ids, "text": ids})
        own, *others = (column.name for column in self.item_columns)
        table = self.read(Path(self.items), self.item_columns)
        template = self._template([own, *others], own)
        text, tags = [], []
        for row in table.iter_rows(named=True):
            line = NAMED.sub(lambda found, row=row: row[found[1]], template)  # type: ignore[misc]
            text.append(line.strip(" \t\n,:;|"))
            tags.append(self.between_tags.split(row[self.tags]) if self.tags else [])
        kind = pl.List(pl.String)
        return pl.DataFrame({"item": table[own], "text": text, "tags": pl.Series(tags, dtype=kind)})

    def _template(self, there: list[str], own: str) -> str:
        if self.text:
            return self.text
        readable = [c for c in there if NAMED.fullmatch(f"{{{c}}}")]  # not "" or with braces
        title = [c for c in readable if _plain(c) in ("title", "name", "producttitle")]
        rest = [c for c in readable if c not in (own, self.tags)]
        return ", ".join(f"{{{column}}}" for column in title[:1] or rest)

    def _named(self, what: str, there: list[str]) -> str:
        """The log's column for this; "" where there is none and need not be one."""
        named, may_lack = getattr(self, what), what in ("rating", "time")
        if named == "none" and may_lack:
            return ""
        if named and named not in there:
            raise unknown(f"column of {self.path}", named, there, f"it has {', '.join(there)}")
        found = [named] if named else _usual(what, there)
        if len(found) > 1 or not (found or may_lack):
            expected = f"one column of {what}s, found {' and '.join(found) or 'none'}"
            fix = f"say which it is, --with {what}=COLUMN"
            raise _bad_header(self.path, there, expected, fix)
        return found[0] if found else ""


def read_vectors(path: Path, n_items: int) -> NDArray[np.float32]:
    """(n_items, D) float32 of a NumPy file that holds numbers and nothing that could run."""
    try:
        found = np.load(path, allow_pickle=False)
        vectors = np.asarray(found).astype(np.float32)
    except (OSError, ValueError, EOFError, TypeError) as error:
        first = (str(error).splitlines() or [type(error).__name__])[0]
        fix = "write it by numpy.save of numbers, a row an item"
        raise UserError(f"{path}: cannot be read ({first}); fix: {fix}") from None
    if vectors.ndim != 2 or len(vectors) != n_items or not vectors.shape[1]:
        shape = tuple(vectors.shape)
        raise UserError(f"{path}: has the shape {shape}, expected ({n_items}, D), a row an item")
    if not np.isfinite(vectors).all():
        row = int(np.argmin(np.isfinite(vectors).all(1)))
        raise UserError(f"{path}: row {row} holds a value that is not finite; fix: repair it")
    return vectors


def _usual(what: str, there: list[str]) -> list[str]:
    return [column for column in there if _plain(column) in USUAL[what].split()]


def _bad_header(path: str, there: list[str], expected: str, fix: str) -> BadFile:
    return BadFile([Problem(path, 1, 1, ", ".join(there), expected, fix)])


def _plain(name: str) -> str:
    return re.sub(r"[^a-z]", "", name.lower())
