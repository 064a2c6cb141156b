"""Amazon reviews of 2023: customers give products of a category one to five stars, 1996 to 2023.

Hou et al., "Bridging Language and Items for Retrieval and Recommendation" (2024), arXiv:2403.03952.
`--with category=Books` reads another of the 34 categories. A product is its parent's number, since
sizes and colours share reviews; its text is title and brand ("store"), its tag the main category.
What reviews say is not read. Written to the published description, and tested on made-up files of
that form: the originals were not at hand, and their hashes are written down at the first download.
"""

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from coldbench.dataset import Dataset, File
from coldbench.errors import unknown
from coldbench.files import json_lines
from coldbench.files.frames import from_frames
from coldbench.files.locate import locate
from coldbench.files.long_log import LongLog
from coldbench.files.schema import Column
from coldbench.interactions import Catalogue, Interactions

from ._json_log import read_log

RAW = "https://mcauleylab.ucsd.edu/public_datasets/data/amazon_2023/raw"
CATEGORIES = (
    "All_Beauty Amazon_Fashion Appliances Arts_Crafts_and_Sewing Automotive Baby_Products "
    "Beauty_and_Personal_Care Books CDs_and_Vinyl Cell_Phones_and_Accessories "
    "Clothing_Shoes_and_Jewelry Digital_Music Electronics Gift_Cards Grocery_and_Gourmet_Food "
    "Handmade_Products Health_and_Household Health_and_Personal_Care Home_and_Kitchen "
    "Industrial_and_Scientific Kindle_Store Magazine_Subscriptions Movies_and_TV "
    "Musical_Instruments Office_Products Patio_Lawn_and_Garden Pet_Supplies Software "
    "Sports_and_Outdoors Subscription_Boxes Tools_and_Home_Improvement Toys_and_Games Video_Games "
    "Unknown"
).split()


def reviews_of(category: str) -> File:
    return File.at(f"{RAW}/review_categories/", f"{category}.jsonl.gz")


def products_of(category: str) -> File:
    return File.at(f"{RAW}/meta_categories/", f"meta_{category}.jsonl.gz")


@dataclass(frozen=True)
class Amazon2023(Dataset):
    category: str = "All_Beauty"  # as the addresses write it

    domain = "e-commerce"
    licence = "none stated: research use, with the citation"
    citation = "Hou et al. 2024, arXiv:2403.03952"
    scale = (1.0, 5.0)
    like_above = 3.5  # 4 and 5 stars
    size = "All_Beauty: 632,000 users, 112,600 items, 701,500 reviews; Books: 29.5 million reviews"
    files = (reviews_of("All_Beauty"), products_of("All_Beauty"))

    def __post_init__(self) -> None:
        if self.category not in CATEGORIES:
            raise unknown("category", self.category, CATEGORIES, "amazon-reviews-2023.github.io")

    def load(self) -> tuple[Interactions, Catalogue]:
        reviews = locate("amazon-2023", reviews_of(self.category))
        products = locate("amazon-2023", products_of(self.category))
        return from_frames(read_reviews(reviews), read_products(products))


def read_reviews(path: Path) -> pl.DataFrame | LongLog:
    """A row a review: user, item, rating, time."""
    return read_log(
        path,
        user=Column("user_id", "id"),
        item=Column("parent_asin", "id"),
        rating=Column("rating", "number", 1, 5),
        time=Column("timestamp", "time", unit="milliseconds"),
    )


def read_products(path: Path) -> pl.DataFrame:
    """A row a product: item, text, "Title by Brand", and tags, its main category."""
    columns = Column("parent_asin", "id"), *map(Column, ("title", "store", "main_category"))
    rows = json_lines.read(columns, path)
    text = [
        f"{title} by {store}" if title and store else title
        for title, store in rows.select("title", "store").iter_rows()
    ]
    tags = pl.Series(
        [[category] if category else [] for category in rows["main_category"]],
        dtype=pl.List(pl.String),
    )
    return pl.DataFrame({"item": rows["parent_asin"], "text": text, "tags": tags})
