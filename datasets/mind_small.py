"""MIND, small: which of the news shown to 50,000 readers of Microsoft News they clicked on.

Wu et al., "MIND: A Large-scale Dataset for News Recommendation" (2020),
doi:10.18653/v1/2020.acl-main.331, the training part, November 9 to 14 of 2019. An interaction is a
news item shown: clicked is a like, passed over is none; of an item shown to a reader again the last
time counts. Clicks before (the `History` column) have no time and no dislikes and are left out.
Tested on made-up files of the published form: the zip was not at hand, its MD5 is the publisher's.
"""

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from coldbench.dataset import Dataset, File
from coldbench.files.delimited import Table, read
from coldbench.files.frames import from_frames
from coldbench.files.locate import locate
from coldbench.files.schema import Column, InvalidValue
from coldbench.interactions import Catalogue, Interactions

ZIP = File(
    "MINDsmall_train.zip",
    md5="bd6ae77fa15949653f39829e946d327c",
    urls=("https://recodatasets.z20.web.core.windows.net/newsrec/MINDsmall_train.zip",),
)
SHOWN = File("behaviors.tsv", archive=ZIP, inside="behaviors.tsv")
NEWS = File("news.tsv", archive=ZIP, inside="news.tsv")
CLICKS = {"1": 1.0, "0": 0.0}


class Impressions(Column):
    """News shown at once: "N12-1 N7-0", 1 where it was clicked on."""

    def parse(self, value: str) -> str:
        for shown in value.split(" "):
            name, dash, click = shown.rpartition("-")
            if not (name and dash and click in CLICKS):
                expected = f"news like N12-1 (clicked on) and N7-0, not {shown[:40]!r}"
                raise InvalidValue(
                    expected, "take the training part: the test part tells no clicks"
                )
        return value


@dataclass(frozen=True)
class MINDSmall(Dataset):
    domain = "news"
    licence = "research use, no redistribution"
    citation = "Wu et al. 2020, doi:10.18653/v1/2020.acl-main.331"
    scale = (0.0, 1.0)
    like_above = 0.5
    size = "50,000 users; news shown 5,843,444 times before the last of each pair is taken"
    files = (SHOWN, NEWS)

    def load(self) -> tuple[Interactions, Catalogue]:
        shown = read_shown(locate("mind-small", SHOWN))
        return from_frames(shown, read_news(locate("mind-small", NEWS)))


def read_shown(path: Path) -> pl.DataFrame:
    """A row a news item shown: user, item, rating, time."""
    columns = (
        Column("impression", "id"),
        Column("user", "id"),
        Column("time", "time", unit="%m/%d/%Y %I:%M:%S %p"),
        Column("history"),
        Impressions("shown", "id"),
    )
    table = read(Table(columns, "\t", header=False), path)
    shown = table.select("user", "time", pl.col("shown").str.split(" ")).explode("shown")
    return shown.select(
        "user",
        "time",
        item=pl.col("shown").str.head(-2),
        rating=pl.col("shown").str.tail(1).replace_strict(CLICKS),
    )


def read_news(path: Path) -> pl.DataFrame:
    """A row a news item: item, text, "Title. Abstract", and tags, its category and sub-category."""
    names = "category", "subcategory", "title", "abstract"
    unread = "url", "title entities", "abstract entities"
    columns = Column("item", "id"), *map(Column, (*names, *unread))
    news = read(Table(columns, "\t", header=False), path)
    text, tags = [], []
    for category, subcategory, title, abstract in news.select(names).iter_rows():
        ended = title if title.rstrip().endswith((".", "!", "?")) else f"{title}."
        text.append(
            " ".join(f"{ended} {abstract}".split()) if abstract else " ".join(title.split())
        )
        tags.append(list(dict.fromkeys((category, subcategory))))
    kind = pl.List(pl.String)
    return pl.DataFrame({"item": news["item"], "text": text, "tags": pl.Series(tags, dtype=kind)})
