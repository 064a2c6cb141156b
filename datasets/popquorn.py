"""POPQUORN: 262 people, drawn to be like the United States, say how offensive they find comments.

Pei & Jurgens, "When Do Annotator Demographics Matter? Measuring the Influence of Annotator
Demographics with the POPQUORN Dataset" (2023), arXiv:2306.06826; the part on offensiveness: 1,500
comments from Reddit, 40 to 50 for each rater, from 1 (not at all) to 5. To find a comment offensive
at all, above 1, is what a like is elsewhere. No times. Gender, race, age and education of the
raters are groups to report: who is served worse? No method sees them.
"""

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from coldbench.dataset import Dataset, File
from coldbench.errors import UserError
from coldbench.files.delimited import Table, read
from coldbench.files.frames import from_frames
from coldbench.files.locate import locate
from coldbench.files.schema import Column
from coldbench.interactions import Catalogue, Interactions

RATINGS = File.at(
    "https://raw.githubusercontent.com/Jiaxin-Pei/Potato-Prolific-Dataset/"
    "dbb118c29b3d9bcce5aa172d8249ded9ece4df84/dataset/offensiveness/",
    "raw_data.csv",
    "fb0589093d45da76bf4ef4d0abff679b540bdd5b17af5764913b3ccd0a069e1e",
    size=3_062_770,
)
GROUPS = ("gender", "race", "age", "education")


@dataclass(frozen=True)
class Popquorn(Dataset):
    domain = "comments"
    licence = "none stated: for use on this machine alone"
    citation = "Pei & Jurgens 2023, arXiv:2306.06826"
    scale = (1.0, 5.0)
    like_above = 1.5
    size = "262 users, 1,500 items, 13,036 ratings"
    files = (RATINGS,)

    def load(self) -> tuple[Interactions, Catalogue]:
        rows = read_ratings(locate("popquorn", RATINGS))
        return from_frames(rows, _one_each(rows, "item", ("text",)))

    def people(self) -> pl.DataFrame | None:
        rows = read_ratings(locate("popquorn", RATINGS))
        raters = _one_each(rows, "user", GROUPS)
        return raters.sort(pl.col("user").cast(pl.Int64)).select(GROUPS)  # as from_frames numbers


def read_ratings(path: Path) -> pl.DataFrame:
    """A row a rating: user, item, rating, text, and the rater's groups."""
    columns = (
        Column("instance_id", "id"),
        Column("user_id", "whole", 0),
        Column("text"),
        Column("offensiveness", "number", 1, 5),
        *map(Column, GROUPS),
    )
    rows = read(Table(columns, quoted=True), path)
    named = {"instance_id": "item", "user_id": "user", "offensiveness": "rating"}
    empty = [pl.col(group).replace("", None) for group in GROUPS]
    return rows.rename(named).with_columns(pl.col("user").cast(pl.String), *empty)


def _one_each(rows: pl.DataFrame, key: str, names: tuple[str, ...]) -> pl.DataFrame:
    """A row for each of `key`, which says one thing of itself in all its rows. Raises UserError."""
    each = rows.select(key, *names).unique(maintain_order=True)
    twice = each.filter(each[key].is_duplicated())
    if twice.height:
        raise UserError(
            f"raw_data.csv: {key} {twice[key][0]} has more than one {' or '.join(names)}; fix: get "
            "the file again"
        )
    return each
