"""MovieLens 100K: 943 users of a film site in 1997 and 1998, whole stars, 20 films or more each.

Harper & Konstan, "The MovieLens Datasets: History and Context" (2015), doi:10.1145/2827872.
Two editions hold the same ratings in the same order: GroupLens's own zip, and the RecBole project's
two tables, which its package carries.
"""

import io
import re
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from coldbench.dataset import Dataset, File
from coldbench.download import here, locate
from coldbench.errors import UserError
from coldbench.interactions import Catalogue, Interactions

PACKAGE, INSIDE = "recbole==1.2.1", "recbole/dataset_example/ml-100k/"
ZIP = File(
    "ml-100k.zip",
    "50d2a982c66986937beb9ffb3aa76efe955bf3d5c6b761f4e3a7cd717c6a3229",
    url="https://files.grouplens.org/datasets/movielens/ml-100k.zip",
)
RATINGS = File(
    "ml-100k.inter",
    "4edb74e2a81178c2ba9ff381495f754f996c4aea351b1272ca36b43da0935eff",
    package=PACKAGE,
    inside=INSIDE + "ml-100k.inter",
)
MOVIES = File(
    "ml-100k.item",
    "51d7cdf777ce5c0f5b32c1d947a4a81fe07d75e78abbe761e0cd4d0756064532",
    package=PACKAGE,
    inside=INSIDE + "ml-100k.item",
)
GENRES = tuple(  # the flags of u.item, in their order
    "unknown Action Adventure Animation Children's Comedy Crime Documentary Drama Fantasy "
    "Film-Noir Horror Musical Mystery Romance Sci-Fi Thriller War Western".split(" ")
)


@dataclass(frozen=True)
class MovieLens100K(Dataset):
    domain = "video"
    licence = "research use, no redistribution"
    citation = "Harper & Konstan 2015, doi:10.1145/2827872"
    scale = (1.0, 5.0)
    like_above = 3.5  # 4 and 5 stars
    size = "943 users, 1,682 items, 100,000 ratings"
    files = (RATINGS, MOVIES, ZIP)

    def load(self) -> tuple[Interactions, Catalogue]:
        zipped = here("ml-100k", ZIP)
        if zipped or not (here("ml-100k", RATINGS) and here("ml-100k", MOVIES)):
            try:
                return read_grouplens(locate("ml-100k", ZIP))
            except UserError:
                if zipped:
                    raise
        return read_recbole(locate("ml-100k", RATINGS), locate("ml-100k", MOVIES))


def read_grouplens(path: Path) -> tuple[Interactions, Catalogue]:
    """GroupLens's zip: `u.data` with tabs, `u.item` with bars, in Latin-1."""
    with zipfile.ZipFile(path) as archive:
        ratings = archive.read("ml-100k/u.data")
        movies = archive.read("ml-100k/u.item").decode("latin-1")
    log = pl.read_csv(io.BytesIO(ratings), separator="\t", has_header=False)
    ids, text, tags = [], [], []
    for line in movies.splitlines():
        number, title, *rest = line.split("|")
        genres = [genre for genre, flag in zip(GENRES, rest[-19:], strict=True) if flag == "1"]
        ids.append(number)
        text.append(_text(title, genres))
        tags.append(tuple(genres))
    return _tables(log, ids, text, tags)


def read_recbole(ratings: Path, movies: Path) -> tuple[Interactions, Catalogue]:
    """RecBole's tables: tabs, a header with types; the year stands in a column of its own."""
    log = pl.read_csv(ratings, separator="\t")
    rows = pl.read_csv(movies, separator="\t", infer_schema=False, quote_char=None)
    ids, text, tags = [], [], []
    for number, title, year, genres in rows.fill_null("").iter_rows():
        ids.append(number)
        text.append(_text(f"{title} ({year})" if year else title, genres.split()))
        tags.append(tuple(genres.split()))
    return _tables(log, ids, text, tags)


def _text(title: str, genres: list[str]) -> str:
    """ "Matrix, The (1999)" reads as "The Matrix (1999): Action, Sci-Fi"."""
    title = re.sub(
        r"^(.*), (The|A|An|Les?|La|Il|Das|Der|Die|El|L')( \(.*)?$", r"\2 \1\3", title.strip()
    )
    known = [genre for genre in genres if genre != "unknown"]
    return f"{title}: {', '.join(known)}" if known else title


def _tables(
    log: pl.DataFrame, ids: list[str], text: list[str], tags: list[tuple[str, ...]]
) -> tuple[Interactions, Catalogue]:
    users, items, stars, times = (column.to_numpy() for column in log.iter_columns())
    place = np.zeros(max(map(int, ids)) + 1, np.int64)
    place[[int(number) for number in ids]] = np.arange(len(ids))
    interactions = Interactions.from_rows(users - 1, place[items], stars, times, len(ids))
    return interactions, Catalogue(tuple(ids), tuple(text), tuple(tags))
