"""goodbooks-10k: 53,424 readers give one to five stars to the 10,000 books rated most on Goodreads.

Zajac, "Goodbooks-10k: a new dataset for book recommendations" (2017),
https://github.com/zygmuntz/goodbooks-10k. Rows are in the order of time; the times are not told.
Written to the published tables of books and tags, and tested on made-up files of their form: the
zip with the ratings was not at hand, so its hash is written down at the first download.
"""

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from coldbench.dataset import Dataset, File
from coldbench.files.delimited import Table, read
from coldbench.files.frames import from_frames
from coldbench.files.locate import locate
from coldbench.files.schema import Column
from coldbench.interactions import Catalogue, Interactions

ZIP = File.at(
    "https://github.com/zygmuntz/goodbooks-10k/releases/download/v1.0/",
    "goodbooks-10k.zip",
)
RATINGS, BOOKS, TAGS, BOOK_TAGS = (
    File(name, archive=ZIP, inside=name)
    for name in ("ratings.csv", "books.csv", "tags.csv", "book_tags.csv")
)
MOST_TAGS = 5  # of a book


@dataclass(frozen=True)
class Goodbooks(Dataset):
    domain = "books"
    licence = "CC BY-SA 4.0"
    citation = "Zajac 2017, github.com/zygmuntz/goodbooks-10k"
    scale = (1.0, 5.0)
    like_above = 3.5  # 4 and 5 stars
    ordered = True
    size = "53,424 users, 10,000 items, 5,976,479 ratings"
    files = (RATINGS, BOOKS, TAGS, BOOK_TAGS)

    def load(self) -> tuple[Interactions, Catalogue]:
        ratings, books, tags, book_tags = (locate("goodbooks-10k", file) for file in self.files)
        columns = (
            Column("user_id", "id"),
            Column("book_id", "id"),
            Column("rating", "whole", 1, 5),
        )
        log = read(Table(columns), ratings).rename({"user_id": "user", "book_id": "item"})
        items = read_books(books).join(
            read_shelves(tags, book_tags), on="goodreads_book_id", how="left", maintain_order="left"
        )
        return from_frames(log, items.with_columns(pl.col("tags").fill_null([])))


def read_books(path: Path) -> pl.DataFrame:
    """A row a book: item, goodreads_book_id, and text, "Title by Authors (year)"."""
    columns = (
        Column("book_id", "id"),
        Column("goodreads_book_id", "id"),
        *map(Column, ("title", "authors")),
        Column("original_publication_year", "number", -5000, 2100, empty=True),
    )
    books = read(Table(columns, quoted=True), path)
    text = [_line(*row[2:]) for row in books.iter_rows()]
    return books.select(pl.col("book_id").alias("item"), "goodreads_book_id", text=pl.Series(text))


def read_shelves(tags: Path, book_tags: Path) -> pl.DataFrame:
    """A row a book: goodreads_book_id, and tags, the five shelves that most readers put it on.

    Shelves that hold more than half of the books ("to-read", "owned") tell nothing of a book.
    """
    names = read(Table((Column("tag_id", "id"), Column("tag_name")), quoted=True), tags)
    names = names.unique("tag_id", maintain_order=True)  # else a join may grow without end
    columns = (
        Column("goodreads_book_id", "id"),
        Column("tag_id", "id"),
        Column("count", "whole", -1),  # as published: some are below 0
    )
    shelved = read(Table(columns), book_tags)
    holds = pl.col("goodreads_book_id").n_unique()
    telling = shelved.filter(holds.over("tag_id") <= shelved.select(holds).item() / 2)
    return (
        telling.join(names, on="tag_id", maintain_order="left")
        .sort("count", descending=True, maintain_order=True)
        .group_by("goodreads_book_id", maintain_order=True)
        .agg(tags=pl.col("tag_name").unique(maintain_order=True).head(MOST_TAGS))
    )


def _line(title: str, authors: str, year: float | None) -> str:
    named = " ".join((f"{title} by {authors}" if authors else title).split())
    if year is None:
        return named
    return f"{named} ({year:.0f})" if year > 0 else f"{named} ({-year:.0f} BC)"
