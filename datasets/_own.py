"""A user's own files: a log with a column for each thing, and a table of items beside it.

Columns are found by their usual names, or named: `--with user=customer`. Text is made by a
template, `--with "text={title} by {author}"`, tags by a column, `--with tags=genres`.
"""

import re
from abc import abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from math import inf
from pathlib import Path
from typing import Any, ClassVar

import polars as pl

from coldbench.dataset import Dataset, OneClass
from coldbench.errors import BadFile, Problem, UserError, unknown
from coldbench.files.frames import from_frames, ids_of, ordered
from coldbench.files.long_log import LongLog
from coldbench.files.schema import ISO, MICROSECONDS, Column
from coldbench.interactions import Catalogue, Interactions

from . import _remedies as remedies
from ._claims import Header, bad_header, usual
from ._vectors import read_vectors

SAMPLE = 1000  # values of a column that are looked at
NAMED = re.compile(r"\{([^{}]+)\}")


@dataclass(frozen=True)
class Own(Dataset):
    """A log and its items from files; a column is found by its usual name unless it is named."""

    path: str = ""  # of the log
    user: str = ""  # columns of the log
    item: str = ""
    rating: str = ""  # "none": a positive-only log, whatever the file has
    time: str = ""  # "none": a log without times
    time_unit: str = "seconds"  # since 1970; or milliseconds, microseconds, nanoseconds; or the
    # form of a date, "%d.%m.%Y"; or "iso", 2020-09-13T12:26:40.5
    items: str = ""  # path of the table of items; without it an item's text is its id
    text: str = ""  # "{title} by {author}": columns of the table of items; else its title or all
    tags: str = ""  # its column of tags, set apart by | ; or ,
    vectors: str = (
        ""  # path of an .npy (n_items, D), a row for each of the table of items, in order
    )
    scale: tuple[float, float] = remedies.STARS  # type: ignore[misc]
    # 3.5 on stars from 1 to 5; whoever says another scale says this too
    like_above: float = field(default=None, metadata={"like": remedies.LIKED})  # type: ignore

    domain = "yours"
    licence = "yours"
    citation = "your own"
    size = "any"
    paths = ("path", "items", "vectors")
    between_tags: ClassVar[re.Pattern[str]] = re.compile(r"[|;,]")

    def __post_init__(self) -> None:
        object.__setattr__(self, "like_above", remedies.liked(self.scale, self.like_above))
        units = (*MICROSECONDS, ISO)
        if self.time_unit not in units and "%" not in self.time_unit:
            raise unknown("time_unit", self.time_unit, units, f"{', '.join(units)}, or %d.%m.%Y")
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

    def scan(self, path: Path, columns: tuple[Column, ...]) -> pl.DataFrame | LongLog:
        """The same of the log, which a format may leave in a file."""
        return self.read(path, columns)

    @abstractmethod
    def problems(self, path: Path, columns: tuple[Column, ...]) -> list[Problem]:
        """All that is wrong with a file."""

    def separator_of(self, path: Path) -> str:
        """What stands between the values of a line, where there are lines."""
        return ","

    @property
    def explicit(self) -> bool:  # type: ignore[override]
        return "rating" in self.log_columns

    @property
    def unclaimed(self) -> tuple[str, ...]:
        claimed = {column.name for column in self.log_columns.values()}
        return tuple(name for name in self._names(self.path) if name not in claimed)

    @cached_property
    def log_columns(self) -> dict[str, Column]:
        """What each column of the log is."""
        if not self.path:
            raise UserError("name the log: -d ratings.csv, or path in dataset_params")
        wanted = {what: getattr(self, what) for what in ("user", "item", "rating", "time")}
        mark = self.separator_of(Path(self.path))
        claimed = Header(self.path, self._names(self.path), wanted, self.sample, mark).claims()
        kinds = {
            "user": Column(claimed["user"], "id"),
            "item": Column(claimed["item"], "id"),
            "rating": Column(claimed["rating"], "number", *self.scale),
            "time": Column(claimed["time"], "time", unit=self.time_unit),
        }
        return {what: column for what, column in kinds.items() if column.name}

    def sample(self, name: str) -> list[str]:
        """Some different values of a column of the log, as text; none where it cannot be read."""
        try:
            return some(self.read(Path(self.path), (Column(name),))[name])
        except UserError:
            return []

    @cached_property
    def item_columns(self) -> tuple[Column, ...]:
        """What is read of the table of items: its id, then what makes text and tags."""
        names = self._names(self.items)
        name = self.log_columns["item"].name
        matching = [name] if name in names else usual("item", names)
        if len(matching) != 1:
            fix = f"rename the column of ids to {name}"
            raise bad_header(self.items, names, "one column of items, named as in the log", fix)
        key = matching[0]
        wanted = [*NAMED.findall(self._template(names, key)), *([self.tags] if self.tags else [])]
        for column in wanted:
            if column not in names:
                raise unknown(f"column of {self.items}", column, names, ", ".join(names))
        return (Column(key, "id"), *(Column(c) for c in dict.fromkeys(wanted) if c != key))

    def load(self) -> tuple[Interactions, Catalogue]:
        """Raises OneClass where all ratings are likes or none is."""
        log, items = self.tables()
        try:
            interactions, catalogue = from_frames(log, items)
        except UserError as error:
            raise UserError(f"{self.items}: {error}") from None
        if self.vectors:
            row = {item: number for number, item in enumerate(items["item"])}
            kept = [row[item] for item in catalogue.ids]
            vectors = read_vectors(Path(self.vectors), len(row))[kept]
            catalogue = replace(catalogue, vectors=vectors)
        likes = interactions.ratings > self.like_above
        if self.explicit and likes.all() == likes.any():
            why = remedies.threshold(self.path, interactions.ratings, self.like_above)
            raise OneClass(why, interactions, catalogue)
        return interactions, catalogue

    def tables(self) -> tuple[pl.DataFrame | LongLog, pl.DataFrame]:
        """The log and its items as the files have them: user, item, rating and, where there is one,
        time; item, text and, where there are some, tags."""
        named = self.log_columns
        wanted = [pl.col(column.name).alias(key) for key, column in named.items()]
        if "rating" not in named:
            wanted.append(pl.lit(self.scale[1]).alias("rating"))
        rows = self._read(self.scan, self.path, tuple(named.values()))
        log = rows.pipe(lambda block: block.select(wanted))
        return log, self._items(log)

    def user_ids(self) -> list[str]:
        """What the file calls each user, in the order of their numbers."""
        return list(ordered(ids_of(self.tables()[0], "user")))

    def all_problems(self) -> Iterator[Problem]:
        """All that is wrong with the log and then with the table of items."""
        columns = tuple(self.log_columns.values())
        yield from self._remedied(self.problems(Path(self.path), columns))
        if self.items:
            yield from self._remedied(self.problems(Path(self.items), self.item_columns))

    def _names(self, path: str) -> list[str]:
        try:
            return self.columns_of(Path(path))
        except BadFile as error:
            raise BadFile(remedies.remedied(error.problems, None, None, [])) from None

    def _read(self, read: Callable[..., Any], path: str, columns: tuple[Column, ...]) -> Any:
        try:
            return read(Path(path), columns)
        except BadFile as error:
            raise BadFile(self._remedied(error.problems), error.unread) from None

    def _remedied(self, problems: list[Problem]) -> list[Problem]:
        """The problems, with what to do about them."""
        rating, time = (self.log_columns.get(key) for key in ("rating", "time"))
        known: list[float] = []
        if rating and any(problem.of == rating.name for problem in problems):
            try:
                free = replace(rating, low=-inf, high=inf)
                ratings = self.read(Path(self.path), (free,))[rating.name]
                known = [ratings.min(), ratings.max()]  # type: ignore[list-item]
            except UserError:
                known = []
        return remedies.remedied(problems, rating, time, known)

    def _items(self, log: pl.DataFrame | LongLog) -> pl.DataFrame:
        if not self.items:
            ids = ids_of(log, "item").sort()
            return pl.DataFrame({"item": ids, "text": ids})
        key, *others = (column.name for column in self.item_columns)
        table = self._read(self.read, self.items, self.item_columns)
        template = self._template([key, *others], key)
        text, tags = [], []
        for row in table.iter_rows(named=True):
            line = NAMED.sub(lambda match, row=row: row[match[1]], template)  # type: ignore[misc]
            text.append(line.strip(" \t\n,:;|"))
            tags.append(self.between_tags.split(row[self.tags]) if self.tags else [])
        kind = pl.List(pl.String)
        return pl.DataFrame(
            {"item": table[key].cast(pl.String), "text": text, "tags": pl.Series(tags, dtype=kind)}
        )

    def _template(self, names: list[str], key: str) -> str:
        if self.text:
            return self.text
        readable = [c for c in names if NAMED.fullmatch(f"{{{c}}}")]  # not "" or with braces
        title = [c for c in readable if _plain(c) in ("title", "name", "producttitle")]
        rest = [c for c in readable if c not in (key, self.tags)]
        return ", ".join(f"{{{column}}}" for column in title[:1] or rest)


Own.like_above = remedies.LIKED  # of the class, for a list of datasets; a field's default is None


def some(values: pl.Series) -> list[str]:
    return values.unique(maintain_order=True).head(SAMPLE).drop_nulls().cast(pl.String).to_list()


def _plain(name: str) -> str:
    return re.sub(r"[^a-z]", "", name.lower())
