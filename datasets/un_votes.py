"""UN votes: how 200 countries voted on 6,203 resolutions of the General Assembly, 1946 to 2019.

Voeten, "Data and Analyses of Voting in the UN General Assembly" (2013), doi:10.7910/DVN/LEJUQZ, as
the R package unvotes has it. Yes is 1 and a like, to abstain a half, no is 0; absences are not in
it. A user is a country by its name, since three codes are shared or lacking (Namibia's, NA, reads
as none). Times before 1970 are negative. A resolution is its description, without the marks that a
conversion left in it; its tags are the issues it touches.
"""

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from coldbench.dataset import Dataset, File
from coldbench.files.frames import from_frames
from coldbench.files.locate import locate
from coldbench.files.r_data import Most, read_r, require
from coldbench.interactions import SECOND, Catalogue, Interactions

Float = NDArray[np.float64]
REPOSITORY = "https://raw.githubusercontent.com/dgrtwo/unvotes/7eb7034314ff79c49c9e0785fcd9d216fa04cf14/data/"
VOTES = File.at(
    REPOSITORY,
    "un_votes.rda",
    "cf814a48bc536e8f87f8e027942ac515fe6aae9d63cd71dd88ed718b14887e87",
    262_083,
)
CALLS = File.at(
    REPOSITORY,
    "un_roll_calls.rda",
    "ff2070ae600cfd32176c6d149637306b9b677d6b910f48bec59a15357d673b4b",
    212_577,
)
ISSUES = File.at(
    REPOSITORY,
    "un_roll_call_issues.rda",
    "eec1b509ebce692c242b842837d5d861b52b65b2868a7c66f573d4a87d2eb0be",
    8_512,
)
MOST = Most(64 * 2**20, 40_000, 5_000)  # the votes have 37 MB, the calls 15,000 objects
MARKS = str.maketrans('\\"', "  ")
RATINGS = {"yes": 1.0, "abstain": 0.5, "no": 0.0}
DAY = 86_400 * SECOND
FIRST, LAST = -8_766, 47_482  # days since 1970: January 1, 1946, and the year 2100


@dataclass(frozen=True)
class UNVotes(Dataset):
    domain = "politics"
    licence = "MIT"
    citation = "Voeten 2013, doi:10.7910/DVN/LEJUQZ, by github.com/dgrtwo/unvotes"
    scale = (0.0, 1.0)
    like_above = 0.5
    size = "200 users, 6,203 items, 870,109 votes"
    files = (VOTES, CALLS, ISSUES)

    def load(self) -> tuple[Interactions, Catalogue]:
        require()
        votes, calls, issues = (locate("un-votes", file) for file in (VOTES, CALLS, ISSUES))
        return from_frames(*read_votes(votes, calls, issues))


def read_votes(votes: Path, calls: Path, issues: Path) -> tuple[pl.DataFrame, pl.DataFrame]:
    """A row a vote: user, item, rating, time; and a row a resolution: item, text, tags."""
    cast = read_r(votes, MOST, _cast)
    called = read_r(calls, MOST, _called)
    touched = read_r(issues, MOST, _touched)
    log = cast.join(called.select("item", "time"), "item", "left", maintain_order="left")
    days = log["time"].fill_null(0)  # a vote on what is not there is from_frames' to tell
    tags = pl.Series([touched[item] for item in called["item"]], dtype=pl.List(pl.String))
    return log.with_columns(time=days), called.select("item", "text").with_columns(tags=tags)


def _cast(objects: Any) -> pl.DataFrame:
    table = objects["un_votes"]
    names = [str(name) for name in table["country"]]
    if not all(name.strip() and name.isprintable() for name in set(names)):
        raise ValueError("a country without a name")
    rating = [RATINGS[vote] for vote in table["vote"]]
    return pl.DataFrame({"user": names, "item": _numbers(table["rcid"]), "rating": rating})


def _called(objects: Any) -> pl.DataFrame:
    table = objects["un_roll_calls"]
    days: Float = np.ma.filled(np.ma.asarray(table["date"], float), np.nan)
    if not ((days >= FIRST) & (days <= LAST)).all():
        raise ValueError("a date before 1946 or after 2100")
    text = [
        " ".join(str((long if long != "0" else "") or short or "").translate(MARKS).split())
        for long, short in zip(table["descr"], table["short"], strict=True)
    ]
    columns = {"item": _numbers(table["rcid"]), "text": text}
    return pl.DataFrame(columns | {"time": days.astype(np.int64) * DAY})


def _touched(objects: Any) -> defaultdict[str, list[str]]:
    """The issues of each resolution that touches one."""
    table, issues = objects["un_roll_call_issues"], defaultdict[str, list[str]](list)
    for item, issue in zip(_numbers(table["rcid"]), table["issue"], strict=True):
        issues[item].append(str(issue))
    return issues


def _numbers(column: Any) -> list[str]:
    """Whole numbers, that R keeps as such or as decimals, as ids."""
    numbers: Float = np.ma.filled(np.ma.asarray(column, float), np.nan)
    if not (np.abs(numbers) < 2**31).all() or (numbers % 1).any():
        raise ValueError("a resolution whose number is none")
    return [str(number) for number in numbers.astype(np.int64).tolist()]
