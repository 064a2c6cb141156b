"""Goodreads by genre: readers put books on their shelves, and give most of them one to five stars.

Wan & McAuley, "Item Recommendation on Monotonic Behavior Chains" (2018),
doi:10.1145/3240323.3240369, by UCSD. `--with genre=romance` reads another of the eight genres. A
book that was shelved without stars (0) is left out. The time is that of shelving. Written to the
published description, and tested on made-up files of that form: the originals were not at hand, and
their hashes are written down at the first download.
"""

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from coldbench.dataset import Dataset, File
from coldbench.errors import unknown
from coldbench.files import json_lines
from coldbench.files.frames import from_frames
from coldbench.files.locate import locate
from coldbench.files.long_log import LongLog
from coldbench.files.schema import Column
from coldbench.interactions import Catalogue, Interactions

from ._json_log import read_log

ADDRESS = "https://mcauleylab.ucsd.edu/public_datasets/gdrive/goodreads/byGenre/"
GENRES = (
    "children comics_graphic fantasy_paranormal history_biography mystery_thriller_crime poetry "
    "romance young_adult"
).split()
MOMENT = "%a %b %d %H:%M:%S %z %Y"


def file_of(what: str, genre: str) -> File:
    return File.at(ADDRESS, f"goodreads_{what}_{genre}.json.gz")


@dataclass(frozen=True)
class Goodreads(Dataset):
    genre: str = "poetry"  # as the addresses write it

    domain = "books"
    licence = "none stated: academic use, no redistribution"
    citation = "Wan & McAuley 2018, doi:10.1145/3240323.3240369"
    scale = (1.0, 5.0)
    like_above = 3.5  # 4 and 5 stars
    size = "poetry: 36,514 items, 2,734,350 shelvings, those without stars among them"
    files = (file_of("interactions", "poetry"), file_of("books", "poetry"))

    def __post_init__(self) -> None:
        if self.genre not in GENRES:
            raise unknown("genre", self.genre, GENRES, ", ".join(GENRES))

    def load(self) -> tuple[Interactions, Catalogue]:
        shelved, books = (
            locate("goodreads", file_of(what, self.genre)) for what in ("interactions", "books")
        )
        return from_frames(read_shelves(shelved), read_books(books))


def read_shelves(path: Path) -> pl.DataFrame | LongLog:
    """A row a book with stars: user, item, rating, time."""
    log = read_log(
        path,
        user=Column("user_id", "id"),
        item=Column("book_id", "id"),
        rating=Column("rating", "whole", 0, 5),
        time=Column("date_added", "time", unit=MOMENT),
    )
    return log.pipe(lambda rows: rows.filter(pl.col("rating") > 0))


def read_books(path: Path) -> pl.DataFrame:
    """A row a book: item, text, "Title (year)"."""
    columns = Column("book_id", "id"), Column("title"), Column("publication_year")
    rows = json_lines.read(columns, path)
    text = [
        f"{title} ({year})" if title and year else title
        for title, year in rows.select("title", "publication_year").iter_rows()
    ]
    return pl.DataFrame({"item": rows["book_id"], "text": text})
