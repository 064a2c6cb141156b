"""KuaiRec: 1,411 users of Kuaishou who were shown nearly all of 3,327 short videos, in 2020.

Gao et al., "KuaiRec: A Fully-observed Dataset and Insights for Evaluating Recommender Systems"
(2022), arXiv:2202.10842; the small matrix. To watch a video for more than twice its length, again
and again, is a like, as in the paper. Rows without a time, some four in a hundred, are left out. A
video is the numbers of its categories: captions stand in a file whose rows are broken by line ends.
Written to the published description, and tested on made-up files of that form: the original was not
at hand.
"""

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from coldbench.dataset import Dataset, File
from coldbench.files.delimited import Table, read
from coldbench.files.frames import from_frames
from coldbench.files.locate import locate
from coldbench.files.schema import LATEST, Column
from coldbench.interactions import SECOND, Catalogue, Interactions

ZIP = File(
    "KuaiRec.zip",
    md5="261550d472c48eff4990fb13c0e5bcf7",
    urls=("https://zenodo.org/records/18164998/files/KuaiRec.zip",),
    size=431_964_858,
)
WATCHED, CATEGORIES = (
    File(name, archive=ZIP, inside=f"KuaiRec 2.0/data/{name}")
    for name in ("small_matrix.csv", "item_categories.csv")
)


@dataclass(frozen=True)
class KuaiRec(Dataset):
    domain = "video"
    licence = "CC BY-SA 4.0"
    citation = "Gao et al. 2022, arXiv:2202.10842"
    scale = (0.0, 1.0)
    like_above = 0.5
    size = "1,411 users, 3,327 items, 4,676,570 views before rows without a time are left out"
    files = (WATCHED, CATEGORIES)

    def load(self) -> tuple[Interactions, Catalogue]:
        log = read_views(locate("kuairec", WATCHED))
        return from_frames(log, read_videos(locate("kuairec", CATEGORIES)))


def read_views(path: Path) -> pl.DataFrame:
    """A row a view that has a time: user, item, rating, time."""
    columns = (
        Column("user_id", "id"),
        Column("video_id", "id"),
        Column("timestamp", "number", 0, LATEST, empty=True),
        Column("watch_ratio", "number", 0),
    )
    rows = read(Table(columns, quoted=True), path).drop_nulls("timestamp")
    return rows.select(
        user="user_id",
        item="video_id",
        rating=(pl.col("watch_ratio") > 2).cast(pl.Float64),
        time=(pl.col("timestamp") * SECOND).round().cast(pl.Int64),
    )


def read_videos(path: Path) -> pl.DataFrame:
    """A row a video: item, text, "categories 27, 9", and tags, the numbers."""
    rows = read(Table((Column("video_id", "id"), Column("feat")), quoted=True), path)
    tags = rows["feat"].str.strip_chars("[] ").str.split(",")
    joined = pl.Series(
        [", ".join(part.strip() for part in of_video) for of_video in tags], dtype=pl.String
    )
    return pl.DataFrame({"item": rows["video_id"], "text": "categories " + joined, "tags": tags})
