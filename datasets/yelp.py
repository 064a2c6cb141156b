"""Yelp's open dataset: people give shops, doctors and restaurants one to five stars.

https://business.yelp.com/data/resources/open-dataset/: whoever takes it agrees to its terms there,
so that no address is asked: put `yelp_academic_dataset_review.json` and `..._business.json`, from
the tar in Yelp-JSON.zip, into COLDBENCH_DATA/yelp; their hashes are written down when they are
first read. Of several reviews of a business by a user the last counts. What reviews say is not
read. Written to the published description, and tested on made-up files of that form: the original
was not at hand.
"""

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from coldbench.dataset import Dataset, File
from coldbench.files import json_lines
from coldbench.files.frames import from_frames
from coldbench.files.locate import locate
from coldbench.files.long_log import LongLog
from coldbench.files.schema import Column
from coldbench.interactions import Catalogue, Interactions

from ._json_log import read_log

REVIEWS = File("yelp_academic_dataset_review.json")
PLACES = File("yelp_academic_dataset_business.json")


@dataclass(frozen=True)
class Yelp(Dataset):
    domain = "places"
    licence = "Yelp's terms: academic use, no redistribution"
    citation = "business.yelp.com/data/resources/open-dataset"
    scale = (1.0, 5.0)
    like_above = 3.5  # 4 and 5 stars
    size = "150,346 items, 6,990,280 reviews before the last of each pair is taken"
    files = (REVIEWS, PLACES)

    def load(self) -> tuple[Interactions, Catalogue]:
        return from_frames(
            read_reviews(locate("yelp", REVIEWS)), read_places(locate("yelp", PLACES))
        )


def read_reviews(path: Path) -> pl.DataFrame | LongLog:
    """A row a review: user, item, rating, time."""
    return read_log(
        path,
        user=Column("user_id", "id"),
        item=Column("business_id", "id"),
        rating=Column("stars", "number", 1, 5),
        time=Column("date", "time", unit="%Y-%m-%d %H:%M:%S"),
    )


def read_places(path: Path) -> pl.DataFrame:
    """A row a business: item, text, "Name, City: Mexican, Bars", and tags, what it is."""
    columns = Column("business_id", "id"), *map(Column, ("name", "city", "categories"))
    rows = json_lines.read(columns, path)
    text, tags = [], []
    for name, city, kinds in rows.select("name", "city", "categories").iter_rows():
        text.append(": ".join(filter(None, (", ".join(filter(None, (name, city))), kinds))))
        tags.append([kind.strip() for kind in kinds.split(",") if kind.strip()])
    column = pl.Series(tags, dtype=pl.List(pl.String))
    return pl.DataFrame({"item": rows["business_id"], "text": text, "tags": column})
