"""FAR-Trans: which stocks, bonds and funds the customers of a Greek bank bought and sold.

Sanz-Cruzado, Droukas & McCreadie, "FAR-Trans: An Investment Dataset for Financial Asset
Recommendation" (2024), arXiv:2407.08692; trades of January 2018 to November 2022. To buy is a like,
to sell is none; of several trades of an asset by a customer the last counts. Of an asset that
stands several times in its table the latest record counts. Written to the published README and
table of assets, and tested on made-up files of their form: the trades were not at hand, so their
hash is written down at first sight. The publisher's page gives the zip:
https://doi.org/10.5525/gla.researchdata.1658
"""

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from coldbench.dataset import Dataset, File
from coldbench.files.delimited import Table, read
from coldbench.files.frames import from_frames
from coldbench.files.locate import locate
from coldbench.files.schema import Column
from coldbench.interactions import Catalogue, Interactions

ZIP = File("FAR-Trans.zip")
TRADES = File("transactions.csv", archive=ZIP, inside="FAR-Trans/transactions.csv")
ASSETS = File(
    "asset_information.csv",
    "33f9897b14087068fba53a0bc9e24a0031b096bd3ad3e977e534153f29b7a590",
    archive=ZIP,
    inside="FAR-Trans/asset_information.csv",
    size=83_851,
)
DAY = Column("timestamp", "time", unit="%Y-%m-%d")
RATINGS = {"Buy": 1.0, "Sell": 0.0}
CATEGORIES = {"Stock": "stock", "Bond": "bond", "MTF": "mutual fund"}


@dataclass(frozen=True)
class FARTrans(Dataset):
    domain = "finance"
    licence = "CC BY 4.0"
    citation = "Sanz-Cruzado, Droukas & McCreadie 2024, doi:10.5525/gla.researchdata.1658"
    scale = (0.0, 1.0)
    like_above = 0.5
    size = "29,090 customers, 806 assets, 388,048 trades before the last of each pair is taken"
    files = (TRADES, ASSETS)

    def load(self) -> tuple[Interactions, Catalogue]:
        trades = read_trades(locate("far-trans", TRADES))
        return from_frames(trades, read_assets(locate("far-trans", ASSETS)))


def read_trades(path: Path) -> pl.DataFrame:
    """A row a trade: user, item, rating, time."""
    columns = (
        Column("customerID", "id"),
        Column("ISIN", "id"),
        Column("transactionType", "id", choices=tuple(RATINGS)),
        DAY,
    )
    trades = read(Table(columns, quoted=True), path)
    rating = pl.col("transactionType").replace_strict(RATINGS)
    return trades.select(user="customerID", item="ISIN", rating=rating, time="timestamp")


def read_assets(path: Path) -> pl.DataFrame:
    """A row an asset: item, text, "Name: stock, Sector, Industry", and tags, its category,
    sub-category and sector."""
    described = "assetCategory", "assetSubCategory", "sector", "industry"
    named = "assetName", "assetShortName"
    columns = Column("ISIN", "id"), *map(Column, (*named, *described)), DAY
    records = read(Table(columns, quoted=True), path).sort("timestamp", maintain_order=True)
    text, tags = [], []
    latest = records.unique("ISIN", keep="last", maintain_order=True)
    for name, short, *facts in latest.select(*named, *described).iter_rows():
        category, *others = (" ".join(fact.split()) for fact in facts)
        known = [CATEGORIES.get(category, category), *others]
        words = ", ".join(dict.fromkeys(fact for fact in known if fact))
        line = " ".join(f"{name or short}: {words}".split())
        text.append(line.strip(": "))
        tags.append(list(dict.fromkeys(fact for fact in known[:3] if fact)))
    kind = pl.List(pl.String)
    return pl.DataFrame({"item": latest["ISIN"], "text": text, "tags": pl.Series(tags, dtype=kind)})
