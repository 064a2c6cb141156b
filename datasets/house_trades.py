"""House trades: what members of the United States House told of buying and selling, 2020 to 2022.

Their public disclosures (https://disclosures-clerk.house.gov) as the House Stock Watcher project
gathered them, in the edition of a repository of 2022: 14,180 rows of 178 names. To buy is a like,
to sell, wholly or in part, is none; of several trades of an asset by a member the last counts, and
within a day the lowest row. Left out are exchanges (123 rows), options (97), and the five rows
whose date is none: in NO_DATES. A name is written in several ways ("Hon. James E Hon Banks", "Hon.
James E. Banks", "None Marie Newman"): titles and initials apart they are 163 people. An asset is
its ticker, in capitals, or what is said of it where it has none. Users are numbers in the order of
their first row: no name is kept, not even in the name of an asset.
"""

import re
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from coldbench.dataset import Dataset, File
from coldbench.files.delimited import Table, content_of, read
from coldbench.files.frames import from_frames
from coldbench.files.locate import locate
from coldbench.files.schema import Column
from coldbench.interactions import Catalogue, Interactions

from ._trades import WORDS, assets_of, one_line

TRADES = File.at(
    "https://raw.githubusercontent.com/kelvinnguyenn/houserep_eda_model/"
    "2ed859f638fc0cdba43838e9cb17fd012ecd92e7/data/",
    "all_transactions.csv",
    "80505c2338bc42d89c31745bb82305208a9aef26fc69309fd62406a76d7efbeb",
    size=2_823_059,
)
RATINGS = {"purchase": 1.0, "sale_partial": 0.0, "sale_full": 0.0}
NEITHER = "exchange"
NO_DATES = ("0009-06-09", "0021-06-22", "0021-08-02", "0201-06-22", "20221-11-18")
NEVER = "1970-01-01"  # stands for them: nobody disclosed a trade of that day
OPTION = re.compile(r"\b(options?|opts?|puts?|strike)\b", re.IGNORECASE)  # not "note call"
UNKNOWN = ("--", "")  # no ticker
TITLES = ("Hon", "Honorable", "Mrs", "None", "FACS", "Facs", "Van")  # Van: once "Nicholas V."


@dataclass(frozen=True)
class HouseTrades(Dataset):
    domain = "finance"
    licence = "public record"
    citation = "disclosures-clerk.house.gov, by housestockwatcher.com"
    scale = (0.0, 1.0)
    like_above = 0.5
    size = "160 users, 2,967 items, 6,167 trades"
    files = (TRADES,)

    def load(self) -> tuple[Interactions, Catalogue]:
        rows = read_trades(locate("house-trades", TRADES))
        trades = rows.filter(
            pl.col("type").is_in(RATINGS) & ~pl.col("is_option") & pl.col("time").is_not_null()
        )
        log = trades.with_columns(rating=pl.col("type").replace_strict(RATINGS))
        described = trades.select("item", "text", pl.lit("")).iter_rows()
        return from_frames(log, assets_of(described).drop("tags"))


def read_trades(path: Path) -> pl.DataFrame:
    """A row a row of the file: user, item, text, is_option, type, and time, none where it has no
    date; no names."""
    columns = (
        Column("transaction_date", "time", unit="%Y-%m-%d"),
        *map(Column, ("ticker", "asset_description")),
        Column("type", "id", choices=(*RATINGS, NEITHER)),
        Column("representative", "id"),
    )
    content = content_of(path)
    for date in NO_DATES:  # any other that is none is an error
        content = content.replace(f",{date},".encode(), f",{NEVER},".encode())
    table = read(Table(columns, quoted=True), path, content)
    names = {name: _names(name) for name in table["representative"].unique()}
    people = table["representative"].replace_strict(
        {name: " ".join(sorted(words)).lower() for name, words in names.items()}
    )
    numbers = {who: str(n) for n, who in enumerate(people.unique(maintain_order=True))}
    assets = list(table.select("asset_description", "representative").iter_rows())
    text = pl.Series([one_line(asset, names[name]) for asset, name in assets], dtype=pl.String)
    return table.with_columns(text=text).select(
        "text",
        "type",
        user=people.replace_strict(numbers),
        item=pl.when(pl.col("ticker").is_in(UNKNOWN))
        .then("text")
        .otherwise(pl.col("ticker").str.to_uppercase()),
        is_option=pl.Series([bool(OPTION.search(asset)) for asset, _ in assets], dtype=pl.Boolean),
        time=pl.when(pl.col("transaction_date") != 0).then("transaction_date"),
    )


def _names(representative: str) -> list[str]:
    """The words of a name without titles and initials."""
    return [word for word in WORDS.findall(representative) if word not in TITLES]
