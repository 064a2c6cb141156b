"""A user's own files: a log with a column for each thing, and a table of items beside it.

Columns are found by their usual names, or named: `--with user=customer`. Text is made by a
template, `--with "text={title} by {author}"`, tags by a column, `--with tags=genres`.
"""

import re
from abc import abstractmethod
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import polars as pl

from coldbench.column import Column
from coldbench.dataset import Dataset
from coldbench.errors import Problem, UserError, unknown
from coldbench.frames import from_frames
from coldbench.interactions import Catalogue, Interactions

USUAL = {  # without case, spaces and underscores
    "user": "user userid uid customer customerid reviewerid visitorid sessionid",
    "item": "item itemid iid movieid productid asin parentasin isbn bookid newsid artistid trackid",
    "rating": "rating ratings stars score overall bookrating",
    "time": "timestamp time unixtime unixreviewtime",
}
BETWEEN_TAGS = re.compile(r"\s*[|;,]\s*")
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
    scale: tuple[float, float] = (1.0, 5.0)  # type: ignore[misc]
    like_above: float = 3.5  # type: ignore[misc]

    domain = "yours"
    licence = "yours"
    citation = "your own"
    size = "any"
    paths = ("path", "items")

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
        low, high = self.scale
        if not low <= self.like_above < high:
            raise UserError(
                f"like_above = {self.like_above} is not within the scale {low} to {high}"
            )
        kinds = {
            "user": Column(self._named("user"), "id"),
            "item": Column(self._named("item"), "id"),
            "rating": Column(self._named("rating"), "number", low, high),
            "time": Column(self._named("time"), "time", unit=self.time_unit),
        }
        return {key: column for key, column in kinds.items() if column.name}

    @cached_property
    def item_columns(self) -> tuple[Column, ...]:
        """What is read of the table of items: its id, then what makes text and tags."""
        there = self.columns_of(Path(self.items))
        name = self.log_columns["item"].name
        own = name if name in there else _usual("item", there)
        if not own:
            raise UserError(f"{self.items}: no column {name!r} among {', '.join(there)}")
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
        return from_frames(log, self._items(log))

    def all_problems(self) -> list[Problem]:
        """All that is wrong with the log and the table of items."""
        found = self.problems(Path(self.path), tuple(self.log_columns.values()))
        if self.items:
            found += self.problems(Path(self.items), self.item_columns)
        return found

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
            text.append(" ".join(line.split()).strip(" ,:;|") or row[own])
            words = BETWEEN_TAGS.split(row[self.tags].strip()) if self.tags else []
            tags.append([word for word in words if word])
        kind = pl.List(pl.String)
        return pl.DataFrame({"item": table[own], "text": text, "tags": pl.Series(tags, dtype=kind)})

    def _template(self, there: list[str], own: str) -> str:
        if self.text:
            return self.text
        title = [c for c in there if _plain(c) in ("title", "name", "producttitle")]
        rest = [c for c in there if c not in (own, self.tags)]
        return ", ".join(f"{{{column}}}" for column in title[:1] or rest or [own])

    def _named(self, what: str) -> str:
        """The log's column for this; "" where there is none and need not be one."""
        if not self.path:
            raise UserError("name the log: -d ratings.csv, or path in dataset_params")
        there, named = self.columns_of(Path(self.path)), getattr(self, what)
        if named == "none" and what in ("rating", "time"):
            return ""
        if named and named not in there:
            raise unknown(f"column of {self.path}", named, there, f"it has {', '.join(there)}")
        found = named or _usual(what, there)
        if not found and what in ("user", "item"):
            raise UserError(
                f"{self.path}:1:1: value {', '.join(there)!r}, expected a column of {what}s; "
                f"fix: say which it is, --with {what}=COLUMN"
            )
        return found


def _usual(what: str, there: list[str]) -> str:
    found = [column for column in there if _plain(column) in USUAL[what].split()]
    return found[0] if len(found) == 1 else ""


def _plain(name: str) -> str:
    return re.sub(r"[^a-z]", "", name.lower())
