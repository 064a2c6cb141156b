"""What sets of films share: a log of stars and times, and a film's text on one line."""

import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import polars as pl

from coldbench.files.delimited import Table, read, scan
from coldbench.files.long_log import LongLog
from coldbench.files.schema import Column

STARS = Column("rating", "whole", 1, 5)
HALF_STARS = Column("rating", "number", 0.5, 5)
ARTICLE = re.compile(r"^(.*), (The|A|An|Les?|La|Il|Das|Der|Die|El|L')(:.*| \(.*)?$")


def read_log(path: Path, separator: str, stars: Column, header: str = "") -> pl.DataFrame | LongLog:
    """A row a rating: user, item, rating, time. header: their names in the file, if it has any."""
    user, item = (Column(name, "id", many=True) for name in ("user", "item"))
    columns = (user, item, stars, Column("time", "time"))
    if not header:
        return scan(Table(columns, separator, header=False), path)
    named = [replace(c, name=name) for c, name in zip(columns, header.split(), strict=True)]
    names = {present.name: c.name for present, c in zip(named, columns, strict=True)}
    return scan(Table(tuple(named), separator), path).pipe(lambda log: log.rename(names))


def half_stars(ratings: Path, movies: Path) -> tuple[pl.DataFrame | LongLog, pl.DataFrame]:
    """The log and the films of the editions that are two CSV files, 0.5 to 5 stars."""
    log = read_log(ratings, ",", HALF_STARS, "userId movieId rating timestamp")
    columns = (Column("movieId", "id"), Column("title"), Column("genres"))
    films = read(Table(columns, quoted=True), movies)
    genres = films["genres"].replace("(no genres listed)", "")
    known = ([genre for genre in row.split("|") if genre] for row in genres)
    return log, items_of(films["movieId"], films["title"], known)


def items_of(
    ids: Iterable[str], titles: Iterable[str], genres: Iterable[list[str]]
) -> pl.DataFrame:
    """A row a film: item, text, tags."""
    genres = list(genres)
    text = [line(title, known) for title, known in zip(titles, genres, strict=True)]
    tags = pl.Series(genres, dtype=pl.List(pl.String))
    return pl.DataFrame({"item": list(ids), "text": text, "tags": tags})


def line(title: str, genres: Iterable[str] = ()) -> str:
    """ "Matrix, The (1999)" reads as "The Matrix (1999): Action, Sci-Fi"."""
    title = ARTICLE.sub(r"\2 \1\3", " ".join(title.split()))
    known = [genre for genre in genres if genre != "unknown"]
    return ": ".join(filter(None, (title, ", ".join(known))))


def band(ages: pl.Series) -> pl.Series:
    """Years of age as groups of about as many people each."""
    names = ["under 25", "25 to 34", "35 to 49", "50 and more"]
    return ages.cut([24, 34, 49], labels=names).cast(pl.String)
