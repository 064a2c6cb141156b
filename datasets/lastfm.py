"""Last.fm: how often 1,892 people played the artists they play most, up to 50 of each.

Cantador, Brusilovsky & Kuflik, "2nd Workshop on Information Heterogeneity and Fusion in
Recommender Systems" (2011), doi:10.1145/2043932.2044016, by GroupLens. No times: rows stand from
most to least played, so their order is not to be used. A like is an artist whom a user played more
often than half of their artists; with `positive_only` every artist is a like, and there are no
dislikes. What friends and tags say is not read.
"""

from dataclasses import dataclass

import polars as pl

from coldbench.dataset import Dataset, File
from coldbench.files.delimited import Table, read
from coldbench.files.frames import from_frames
from coldbench.files.locate import locate
from coldbench.files.schema import Column
from coldbench.interactions import Catalogue, Interactions

ZIP = File.at(
    "https://files.grouplens.org/datasets/hetrec2011/",
    "hetrec2011-lastfm-2k.zip",
    "6738f48195667ff03caaab4d32ca9a3133d8cc026b7c3cdaf6ce1010e913c59c",
)
PLAYS = File(
    "user_artists.dat",
    "650cd69d5a68db24b439042557aa539aec47e473273e12cdfdca2cd944b3773a",
    archive=ZIP,
    inside="user_artists.dat",
    size=1_296_453,
)
ARTISTS = File(
    "artists.dat",
    "c173881362c6b28551368fecb3c0be5a6a30a6cd859e1f5775413dfe46d48648",
    archive=ZIP,
    inside="artists.dat",
    size=1_925_879,
)


@dataclass(frozen=True)
class LastFM(Dataset):
    positive_only: bool = False  # every artist a like, instead of those played above the median

    domain = "music"
    licence = "non-commercial"
    citation = "Cantador, Brusilovsky & Kuflik 2011, doi:10.1145/2043932.2044016"
    scale = (0.0, 1.0)
    like_above = 0.5
    size = "1,892 users, 17,632 items, 92,834 play counts"
    files = (PLAYS, ARTISTS)

    @property
    def explicit(self) -> bool:  # type: ignore[override]
        return not self.positive_only

    def load(self) -> tuple[Interactions, Catalogue]:
        columns = Column("userID", "id"), Column("artistID", "id"), Column("weight", "whole", 1)
        plays = read(Table(columns, "\t"), locate("lastfm", PLAYS))
        often = pl.col("weight") > pl.col("weight").median().over("userID")
        liked = pl.lit(True) if self.positive_only else often
        log = plays.select(user="userID", item="artistID", rating=liked.cast(pl.Float64))
        named = Column("id", "id"), Column("name"), Column("url"), Column("pictureURL")
        artists = read(Table(named, "\t"), locate("lastfm", ARTISTS))
        text = [" ".join(name.split()) for name in artists["name"]]
        return from_frames(log, pl.DataFrame({"item": artists["id"], "text": text}))
