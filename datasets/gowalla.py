"""Gowalla: where 107,092 people checked in, from February 2009 to October 2010.

Cho, Myers & Leskovec, "Friendship and Mobility: User Movement in Location-Based Social Networks"
(2011), doi:10.1145/2020408.2020579; from SNAP. Likes alone: of several check-ins at a place the
last counts. A place is its number and where it lies, to a tenth of a degree; more is not known of
it. Written to the published description, and tested on made-up files of that form: the original was
not at hand, and its hash is written down at the first download.
"""

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from coldbench.dataset import Dataset, File
from coldbench.files.delimited import Table, read
from coldbench.files.frames import from_frames
from coldbench.files.locate import locate
from coldbench.files.schema import ISO, Column
from coldbench.interactions import Catalogue, Interactions

CHECK_INS = File.at(
    "https://snap.stanford.edu/data/",
    "loc-gowalla_totalCheckins.txt.gz",
)


@dataclass(frozen=True)
class Gowalla(Dataset):
    domain = "places"
    licence = "none stated: research use, with the citation"
    citation = "Cho, Myers & Leskovec 2011, doi:10.1145/2020408.2020579"
    scale = (0.0, 1.0)
    like_above = 0.5
    explicit = False
    size = "107,092 users, 1,280,969 items, 6,442,890 check-ins before the last of each is taken"
    files = (CHECK_INS,)

    def load(self) -> tuple[Interactions, Catalogue]:
        return from_frames(*read_check_ins(locate("gowalla", CHECK_INS)))


def read_check_ins(path: Path) -> tuple[pl.DataFrame, pl.DataFrame]:
    """A row a check-in: user, item, time, rating; and a row a place: item, text."""
    columns = (
        Column("user", "id"),
        Column("time", "time", unit=ISO),
        Column("latitude", "number"),
        Column("longitude", "number"),
        Column("item", "id"),
    )
    rows = read(Table(columns, "\t", header=False), path)
    places = rows.unique("item", keep="first", maintain_order=True)
    lies = places.select("latitude", "longitude").iter_rows()
    text = pl.Series([f"a place at {north:.1f}, {east:.1f}" for north, east in lies])
    log = rows.select("user", "item", "time", rating=pl.lit(1.0))
    return log, places.select("item", text=text)
