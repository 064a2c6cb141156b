"""Senate trades: what 51 United States senators told of buying and selling, from 2012 to 2020.

Their public disclosures (https://efdsearch.senate.gov) as the Senate Stock Watcher project gathered
them, 8,350 rows of 66 names. To buy is a like, to sell, wholly or in part, is none; of several
trades of an asset by a senator the last counts, and within a day the lowest row. Left out are
filings on paper (463 rows that name no asset), exchanges (86, neither bought nor sold), and options
(84, bought to bet on a fall more often than not). An asset is its ticker, or what is said of it
where it has none. Users are numbers in the order of their first row: no name is kept, not even in
the name of an asset.
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

from ._trades import WORDS, assets_of, one_line

TRADES = File.at(
    "https://raw.githubusercontent.com/timothycarambat/senate-stock-watcher-data/"
    "384e08e84d809477cdfba7d52479147fbe5e6bd7/aggregate/",
    "all_transactions.csv",
    "2527073fa24ec77154da1a553bd4bae6918d10f051fe95edcb35d50baf1a0044",
    size=1_705_500,
)
RATINGS = {"Purchase": 1.0, "Sale (Partial)": 0.0, "Sale (Full)": 0.0}
NEITHER = ("Exchange", "N/A")  # N/A: a filing on paper
OPTION = "Stock Option"
UNKNOWN = ("--", "N/A")  # no ticker


@dataclass(frozen=True)
class SenateTrades(Dataset):
    domain = "finance"
    licence = "public record"
    citation = "github.com/timothycarambat/senate-stock-watcher-data"
    scale = (0.0, 1.0)
    like_above = 0.5
    size = "51 users, 2,088 items, 2,971 trades"
    files = (TRADES,)
    folder = "senate"

    def load(self) -> tuple[Interactions, Catalogue]:
        rows = read_trades(locate(self.folder, TRADES))
        trades = rows.filter(pl.col("type").is_in(RATINGS) & (pl.col("asset_type") != OPTION))
        log = trades.with_columns(rating=pl.col("type").replace_strict(RATINGS))
        return from_frames(log, assets_of(trades.select("item", "text", "asset_type").iter_rows()))


def read_trades(path: Path) -> pl.DataFrame:
    """A row a row of the file: user, item, text, asset_type, type, time; no names."""
    columns = (
        Column("transaction_date", "time", unit="%m/%d/%Y"),
        *map(Column, ("ticker", "asset_description", "asset_type")),
        Column("type", "id", choices=(*RATINGS, *NEITHER)),
        Column("senator", "id"),
    )
    table = read(Table(columns, quoted=True), path)
    numbers = {name: str(n) for n, name in enumerate(table["senator"].unique(maintain_order=True))}
    text = [
        one_line(asset, (word for word in WORDS.findall(name) if word != "III"))
        for asset, name in table.select("asset_description", "senator").iter_rows()
    ]
    return table.with_columns(text=pl.Series(text, dtype=pl.String)).select(
        "text",
        "asset_type",
        "type",
        user=pl.col("senator").replace_strict(numbers),
        item=pl.when(pl.col("ticker").is_in(UNKNOWN)).then("text").otherwise("ticker"),
        time="transaction_date",
    )
