"""Coat: 290 people shop for a coat online, then rate 24 coats they chose and 16 drawn at random.

Schnabel, Swaminathan, Singh, Chandak & Joachims, "Recommendations as Treatments: Debiasing Learning
and Evaluation" (2016), arXiv:1602.05352. No times: rows are in no order. Of 366 coats that a person
rated twice the one at random is kept. A coat's text is made of its attributes; whether the shop
showed it on its front page is left out, which says nothing of the coat.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from coldbench.dataset import Dataset, File
from coldbench.errors import BadFile, Problem, UserError
from coldbench.files.delimited import Table, read
from coldbench.files.frames import from_frames
from coldbench.files.locate import local_path, locate
from coldbench.files.schema import Column
from coldbench.interactions import Catalogue, Interactions

ZIP = File("coat.zip", urls=("https://www.cs.cornell.edu/~schnabts/mnar/coat.zip",))
CHOSEN = File(
    "train.ascii",
    "a87bd9e7eaf3b89f976df3f25d4aa5d5d871be8a00b58947df9e6e015559bd37",
    archive=ZIP,
    inside="coat/train.ascii",
    size=174_290,
)
DRAWN = File(
    "test.ascii",
    "de6714ab105a5e0be8166be7fd313901b29f9a09c3bea307901457d1d71847e6",
    archive=ZIP,
    inside="coat/test.ascii",
    size=174_290,
)
FLAGS = File(
    "item_features.ascii",
    "edea8217ec5606779b4d3bf819f7591dc63bcd5194d619e8048c2322d07630b1",
    archive=ZIP,
    inside="coat/user_item_features/item_features.ascii",
    size=20_100,
)
PEOPLE = File(
    "user_features.ascii",
    "d8f9531b601c54a7272602f8b21fa6cb4652cbf122e35d8615ea9645ebbf1b1f",
    archive=ZIP,
    inside="coat/user_item_features/user_features.ascii",
    size=8_410,
)
TRAITS = File(
    "user_features_map.txt",
    "3b8c825ad4445d4a46a400629c5fb43c805ff5a7982b2e436b69e7262c8a013a",
    archive=ZIP,
    inside="coat/user_item_features/user_features_map.txt",
    size=211,
)
NAMES = File(
    "item_features_map.txt",
    "2675dfaa38b89a9cbb1997f0cfcd46ed7e0e366dc515d12d95508d1f356e5d25",
    archive=ZIP,
    inside="coat/user_item_features/item_features_map.txt",
    size=498,
)
GROUPS = ("gender", "jackettype", "color")
SAID = {  # attributes that read otherwise than "bomber jacket" and "navy"
    "jackettype:other": "jacket",
    "jackettype:parkas": "parka",
    "jackettype:pea": "pea coat",
    "jackettype:shells": "shell",
    "jackettype:trench": "trench coat",
    "jackettype:vests": "vest",
    "color:multi": "many colours",
    "color:other": "",
}


@dataclass(frozen=True)
class Coat(Dataset):
    domain = "e-commerce"
    licence = "research use"
    citation = "Schnabel et al. 2016, arXiv:1602.05352"
    scale = (1.0, 5.0)
    like_above = 3.5  # 4 and 5
    size = "290 users, 300 items, 11,234 ratings"
    files = (CHOSEN, DRAWN, FLAGS, NAMES)

    def load(self) -> tuple[Interactions, Catalogue]:
        coats = read_coats(locate("coat", FLAGS), locate("coat", NAMES))
        chosen = read_ratings(locate("coat", CHOSEN), coats.height)
        drawn = read_ratings(locate("coat", DRAWN), coats.height)
        return from_frames(pl.concat([chosen, drawn]), coats)

    def people(self) -> pl.DataFrame | None:
        """Gender and age, where the file of people lies on this machine."""
        if not (local_path("coat", PEOPLE) and local_path("coat", TRAITS)):
            return None
        path = locate("coat", PEOPLE)
        rows = list(enumerate(read_flags(path, locate("coat", TRAITS)), 1))
        return pl.DataFrame(
            {
                group: [_one(flags, group, path, line) for line, flags in rows]
                for group in ("gender", "age")
            }
        )


def read_ratings(path: Path, n_items: int) -> pl.DataFrame:
    """A row a rating: user, item, rating. The file: a line a user, a number a coat, 0 for none."""
    coats = tuple(Column(str(number), "whole", 0, 5) for number in range(n_items))
    matrix = read(Table(coats, " ", header=False), path).to_numpy()  # (U, n_items)
    users, items = np.nonzero(matrix)
    columns = {"user": users, "item": items, "rating": matrix[users, items]}
    return pl.DataFrame(columns).with_columns(pl.col("user", "item").cast(pl.String))


def read_coats(flags: Path, names: Path) -> pl.DataFrame:
    """A row a coat: item, text, "men's parka, navy", and tags, its gender, type and colour."""
    text, tags = [], []
    for number, row in enumerate(read_flags(flags, names), 1):
        gender, kind, colour = (_one(row, group, flags, number) for group in GROUPS)
        words = f"{gender}'s {SAID.get(f'jackettype:{kind}', f'{kind} jacket')}"
        text.append(", ".join(filter(None, (words, SAID.get(f"color:{colour}", colour)))))
        tags.append([tag for tag in (gender, kind, colour) if tag != "other"])
    ids = [str(number) for number in range(len(text))]
    return pl.DataFrame(
        {"item": ids, "text": text, "tags": pl.Series(tags, dtype=pl.List(pl.String))}
    )


def read_flags(flags: Path, names: Path) -> list[list[str]]:
    """The attributes, such as "gender:men", that are set in each row of `flags`."""
    parts = read(Table((Column("group"), Column("value")), ":", header=False), names)
    attributes = [":".join(part) for part in parts.iter_rows()]
    if len(set(attributes)) < len(attributes):
        twice = next(name for name in attributes if attributes.count(name) > 1)
        raise UserError(f"{names}: attribute {twice!r} stands twice; fix: get the file again")
    columns = tuple(Column(attribute, "whole", 0, 1) for attribute in attributes)
    table = read(Table(columns, " ", header=False), flags)
    return [
        [attribute for attribute, flag in zip(attributes, row, strict=True) if flag]
        for row in table.iter_rows()
    ]


def _one(row: list[str], group: str, path: Path, line: int) -> str:
    """What a coat's one attribute of a group is."""
    flags = [name.removeprefix(f"{group}:") for name in row if name.startswith(f"{group}:")]
    if len(flags) != 1:
        expected = f"one flag of {group}, found {len(flags)}"
        raise BadFile([Problem(str(path), line, 1, ", ".join(row), expected, "mend the row")])
    return flags[0]
