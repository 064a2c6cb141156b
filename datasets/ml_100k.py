"""MovieLens 100K: 943 users of a film site in 1997 and 1998, whole stars, 20 films or more each.

Harper & Konstan, "The MovieLens Datasets: History and Context" (2015), doi:10.1145/2827872.
Two editions hold the same ratings in the same order: GroupLens's own zip, and the RecBole project's
two tables, which its package carries.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from coldbench.dataset import Dataset, File
from coldbench.errors import UserError
from coldbench.files.delimited import Table, read
from coldbench.files.frames import from_frames
from coldbench.files.locate import local_path, locate
from coldbench.files.schema import Column
from coldbench.interactions import Catalogue, Interactions

from ._movies import STARS, band, items_of, read_log

PACKAGE, INSIDE = "recbole==1.2.1", "recbole/dataset_example/ml-100k/"
ZIP = File.at(
    "https://files.grouplens.org/datasets/movielens/",
    "ml-100k.zip",
    "50d2a982c66986937beb9ffb3aa76efe955bf3d5c6b761f4e3a7cd717c6a3229",
    size=4_924_029,
)
DATA = File(
    "u.data",
    "06416e597f82b7342361e41163890c81036900f418ad91315590814211dca490",
    archive=ZIP,
    inside="ml-100k/u.data",
)
ITEM = File("u.item", archive=ZIP, inside="ml-100k/u.item")  # held by the hash of the zip
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
PEOPLE = File(
    "ml-100k.user",
    "4f670007d9cfbeb9807e757209af1555b9bcc186bde25e767f67cb67c6dd5972",
    package=PACKAGE,
    inside=INSIDE + "ml-100k.user",
)
USER = File("u.user", archive=ZIP, inside="ml-100k/u.user")
GENRES = tuple(  # the flags of u.item, in their order
    "unknown Action Adventure Animation Children's Comedy Crime Documentary Drama Fantasy "
    "Film-Noir Horror Musical Mystery Romance Sci-Fi Thriller War Western".split(" ")
)
AGE = Column("age", "whole", 0, 150)
USERS = Table(
    (Column("user", "id"), AGE, *map(Column, ("gender", "job", "zip"))), "|", header=False
)
PEOPLES = Table(
    (Column("user_id:token", "id"), replace(AGE, name="age:token"),
     *map(Column, ("gender:token", "occupation:token", "zip_code:token"))), "\t",
)  # fmt: skip


@dataclass(frozen=True)
class MovieLens100K(Dataset):
    domain = "video"
    licence = "research use, no redistribution"
    citation = "Harper & Konstan 2015, doi:10.1145/2827872"
    scale = (1.0, 5.0)
    like_above = 3.5  # 4 and 5 stars
    size = "943 users, 1,682 items, 100,000 ratings"
    files = (RATINGS, MOVIES)
    or_else = (DATA, ITEM)

    def load(self) -> tuple[Interactions, Catalogue]:
        zipped = local_path("ml-100k", DATA) and local_path("ml-100k", ITEM)
        if zipped or not (local_path("ml-100k", RATINGS) and local_path("ml-100k", MOVIES)):
            try:
                ratings, movies = locate("ml-100k", DATA), locate("ml-100k", ITEM)
            except UserError:
                if zipped:
                    raise
            else:
                return read_grouplens(ratings, movies)
        return read_recbole(locate("ml-100k", RATINGS), locate("ml-100k", MOVIES))

    def people(self) -> pl.DataFrame | None:
        """Gender and age, where the file of users lies on this machine."""
        for file, table in ((USER, USERS), (PEOPLE, PEOPLES)):
            if local_path("ml-100k", file):
                _, age, gender, *_ = read(table, locate("ml-100k", file))
                return pl.DataFrame({"gender": gender, "age": band(age)})
        return None


def read_grouplens(ratings: Path, movies: Path) -> tuple[Interactions, Catalogue]:
    """GroupLens's own: `u.data` with tabs, `u.item` with bars and a flag a genre, in Latin-1."""
    flags = (Column(genre, "whole", 0, 1) for genre in GENRES)
    columns = (Column("item", "id"), *map(Column, ("title", "date", "video", "address")), *flags)
    films = read(Table(columns, "|", header=False, encoding="latin-1"), movies)
    genres = (
        [genre for genre, flag in zip(GENRES, row, strict=True) if flag]
        for row in films.select(GENRES).iter_rows()
    )
    return from_frames(
        read_log(ratings, "\t", STARS), items_of(films["item"], films["title"], genres)
    )


def read_recbole(ratings: Path, movies: Path) -> tuple[Interactions, Catalogue]:
    """RecBole's: tabs, a header with types; the year stands in a column of its own."""
    columns = (
        Column("item_id:token", "id"),
        Column("movie_title:token_seq"),
        Column("release_year:token"),
        Column("class:token_seq"),
    )
    ids, titles, years, classes = read(Table(columns, "\t"), movies)
    dated = (
        f"{title} ({year})" if year else title for title, year in zip(titles, years, strict=True)
    )
    header = "user_id:token item_id:token rating:float timestamp:float"
    return from_frames(
        read_log(ratings, "\t", STARS, header), items_of(ids, dated, map(str.split, classes))
    )
