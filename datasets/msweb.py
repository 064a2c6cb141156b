"""msweb: which of 285 areas of microsoft.com 32,711 visitors saw in a week of February 1998.

Breese, Heckerman & Kadie, "Empirical Analysis of Predictive Algorithms for Collaborative Filtering"
(1998), arXiv:1301.7363; from the UCI repository, its training part. Likes alone, no times, and
nothing says what was seen first. An area is its title and its address.
"""

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from coldbench.dataset import Dataset, File
from coldbench.errors import BadFile, Problem
from coldbench.files.frames import from_frames
from coldbench.files.locate import locate
from coldbench.interactions import Catalogue, Interactions

from ._lines import bad_field, check_id, lines_of

VISITS = File.at(
    "https://archive.ics.uci.edu/ml/machine-learning-databases/anonymous/",
    "anonymous-msweb.data",
    "60fd5f438a55d2105ca0ff4142e748e2146486bde84c96d55dc98b37a8139cbd",
    size=1_423_097,
)
FIELDS = {"I": 4, "T": 6, "N": 3, "A": 5, "C": 3, "V": 3}  # of each kind of line


@dataclass(frozen=True)
class MSWeb(Dataset):
    domain = "web portal"
    licence = "as the UCI repository says"
    citation = "Breese, Heckerman & Kadie 1998, arXiv:1301.7363"
    scale = (0.0, 1.0)
    like_above = 0.5
    explicit = False
    size = "32,711 users, 285 items, 98,654 visits"
    files = (VISITS,)

    def load(self) -> tuple[Interactions, Catalogue]:
        return from_frames(*read_visits(locate("msweb", VISITS)))


def read_visits(path: Path) -> tuple[pl.DataFrame, pl.DataFrame]:
    """A row a visit: user, item, rating; and a row an area: item, text.

    Lines begin with their kind: A is an area (attribute), C a visitor (case), V a visit (vote) of
    the visitor above it; I, T and N say how the file was made.
    """
    areas: dict[str, str] = {}
    visits: list[tuple[str, str]] = []
    users: list[str] = []
    for row in lines_of(path, ",", quoted=True):
        kind, *fields = row.fields
        if len(row.fields) != FIELDS.get(kind):
            expected = ", ".join(f"{name} and {count - 1} more" for name, count in FIELDS.items())
            raise bad_field(path, row, 0, f"fields {expected}", "mend the line")
        if kind in "ACV":
            check_id(path, row, 1)
        if kind == "A":
            if fields[0] in areas:
                raise bad_field(path, row, 1, "an area once", "keep one of the two")
            areas[fields[0]] = f"{' '.join(fields[2].split())} ({fields[3]})"
        elif kind == "C":
            users.append(fields[0])
        elif kind == "V":
            if fields[0] not in areas or not users:
                raise bad_field(path, row, 1, "an area and a visitor from above", "add the line")
            visits.append((users[-1], fields[0]))
    if not visits:
        raise BadFile([Problem(str(path), 1, 1, "", "at least one visit", "add the lines")])
    log = pl.DataFrame(visits, ["user", "item"], orient="row").with_columns(rating=pl.lit(1.0))
    return log, pl.DataFrame({"item": list(areas), "text": list(areas.values())})
