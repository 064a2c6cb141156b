"""Book-Crossing: people who pass books on rate them 1 to 10, as crawled in August 2004.

Ziegler, McNee, Konstan & Lausen, "Improving Recommendation Lists Through Topic Diversification"
(2005), doi:10.1145/1060745.1060754; the explicit ratings of the Case Recommender project's
edition, which keeps users of 20 books or more in both kinds of feedback. No times: rows are in no
order. That edition split titles at each `;`, the one of `&amp;` too; here they are joined again.
Letters that it garbled stay as they are.
"""

import html
import re
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from coldbench.dataset import Dataset, File
from coldbench.errors import UserError
from coldbench.files.delimited import Table, content_of, read
from coldbench.files.frames import from_frames
from coldbench.files.locate import locate
from coldbench.files.schema import Column
from coldbench.interactions import Catalogue, Interactions

ZIP = File.at(
    "https://raw.githubusercontent.com/caserec/Datasets-for-Recommender-Systems/"
    "4180b4dc4103452c591a1718560d29bdf1f48540/Processed%20Datasets/BookCrossing/",
    "book_crossing.zip",
    "a796eb89e3200a91eb48161079a9abbba0a8e89e1df27bfbd63d8f6b2f7927d8",
    size=2_156_533,
)
RATINGS = File(
    "book_ratings.dat",
    "703c6efadfee9bd790354b230fe948c61f246ba5e3642c67ace96501de6667b3",
    archive=ZIP,
    inside="book_crossing/book_ratings.dat",
)
BOOKS = File(
    "items_info.dat",
    "e8785b6744d6758b41ed497a5849a66ab2e17279b71e67d0a43b1e0687a39df1",
    archive=ZIP,
    inside="book_crossing/items_info.dat",
)
ABSENT = ("", "0", "Unknown", "Not Avail")
# number, ISBN | title | author, year, publisher, three pictures; a tab more than the header has
ROW = re.compile(r"^(\w+\t\w+\t)(.*)(\t[^\t\n]*\t\d+\t[^\t\n]*(?:\thttp[^\t\n]*){3})\t$", re.M)


@dataclass(frozen=True)
class BookCrossing(Dataset):
    domain = "books"
    licence = "research use, with the citation"
    citation = "Ziegler et al. 2005, doi:10.1145/1060745.1060754"
    scale = (1.0, 10.0)
    like_above = 7.5  # 8, 9 and 10
    size = "1,295 users, 14,684 items, 62,656 ratings"
    files = (RATINGS, BOOKS)

    def load(self) -> tuple[Interactions, Catalogue]:
        columns = (Column("user", "id"), Column("item", "id"), Column("rating", "number", 1, 10))
        log = read(Table(columns, "\t"), locate("book-crossing", RATINGS))
        return from_frames(log, read_books(locate("book-crossing", BOOKS)))


def read_books(path: Path) -> pl.DataFrame:
    """A row a book: item and text, "Title by Author (Publisher, year)"."""
    columns = (
        Column("Book_ID", "id"),
        *map(Column, ("Book-Title", "Book-Author", "Publisher")),
        Column("Year-Of-Publication", "whole", 0, 2100),
    )
    try:
        content = repaired(content_of(path))
    except ValueError as error:  # html knows no letter of 4,300 digits
        raise UserError(f"{path}: no HTML ({error}); fix: get the file again") from None
    books = read(Table(columns, "\t"), path, content)
    text = [_line(*map(str, row[1:])) for row in books.iter_rows()]
    return pl.DataFrame({"item": books["Book_ID"], "text": text})


def repaired(content: bytes) -> bytes:
    """The table as it was before its titles were split; lines keep their numbers."""
    text = content.decode("utf-8", "surrogateescape").replace("&amp\t", "&amp;")
    whole = ROW.sub(lambda row: row[1] + row[2].replace("\t", ";") + row[3], html.unescape(text))
    return whole.encode("utf-8", "surrogateescape")


def _line(title: str, author: str, publisher: str, year: str) -> str:
    title, author, publisher = (" ".join(words.split()) for words in (title, author, publisher))
    named = title if author in ABSENT else f"{title} by {author}"
    printed = ", ".join(fact for fact in (publisher, year) if fact not in ABSENT)
    return f"{named} ({printed})" if printed else named
