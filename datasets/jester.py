"""Jester: 5,000 people say how funny they find 100 jokes, from -9.95 to 9.9, 36 jokes or more each.

Goldberg, Roeder, Gupta & Perkins, "Eigentaste: A Constant Time Collaborative Filtering Algorithm"
(2001), doi:10.1023/A:1011419012209; the sample that comes with the R package recommenderlab. No
times: a user's rows are in the order of the jokes' numbers.
"""

from dataclasses import dataclass
from typing import Any

import polars as pl
from scipy.sparse import csc_matrix

from coldbench.dataset import Dataset, File
from coldbench.errors import UserError
from coldbench.files.frames import from_frames
from coldbench.files.locate import locate
from coldbench.files.r_data import Most, read_r, require
from coldbench.files.schema import Column, validate
from coldbench.interactions import Catalogue, Interactions

RDA = File.at(
    "https://raw.githubusercontent.com/mhahsler/recommenderlab/"
    "c737fca94bc58652e750b03a3737ac7d9952f71b/data/",
    "Jester5k.rda",
    "9266775e16958212359c777fcb5812dd520f1ca222913af7724c5ed54c4958f1",
    size=921_189,
)
LOG = (Column("user", "id"), Column("item", "id"), Column("rating", "number", -9.95, 9.9))
ITEMS = (Column("item", "id"), Column("text"))
MOST = Most(16 * 2**20, 20_000, 5_000)  # it has 4.5 MB, 5,400 objects, strings of 1,100 bytes


@dataclass(frozen=True)
class Jester(Dataset):
    domain = "jokes"
    licence = "research use, with the citation"
    citation = "Goldberg et al. 2001, doi:10.1023/A:1011419012209"
    scale = (-9.95, 9.9)
    like_above = 0.0
    size = "5,000 users, 100 items, 363,209 ratings"
    files = (RDA,)

    def load(self) -> tuple[Interactions, Catalogue]:
        require()
        path = locate("jester", RDA)
        log, items = read_r(path, MOST, _sound)
        if log is None or items is None:
            raise UserError(
                f"{path}: holds an id that is none or a rating outside of {self.scale[0]} to "
                f"{self.scale[1]}; fix: get it again"
            )
        return from_frames(log, items)


def _sound(objects: Any) -> tuple[pl.DataFrame | None, pl.DataFrame | None]:
    log, items = _tables(objects["Jester5k"].data, objects["JesterJokes"])
    return validate(log, LOG), validate(items, ITEMS)


def _tables(ratings: Any, jokes: Any) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The log and the jokes, from a sparse matrix of users by jokes as R keeps one."""
    matrix = csc_matrix((ratings.x, ratings.i, ratings.p), ratings.Dim)
    matrix.check_format()
    users, items = (pl.Series([str(name) for name in names]) for names in ratings.Dimnames)
    cells = matrix.tocoo()
    log = pl.DataFrame({"user": users[cells.row], "item": items[cells.col], "rating": cells.data})
    text = [" ".join(str(joke).split()) for joke in jokes]
    return log, pl.DataFrame({"item": items, "text": text})
