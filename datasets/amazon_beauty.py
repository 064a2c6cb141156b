"""Amazon Beauty: what 22,363 shoppers reviewed of 12,101 beauty products, in the order of time.

McAuley, Targett, Shi & van den Hengel, "Image-based Recommendations on Styles and Substitutes"
(2015), doi:10.1145/2766462.2767755, every user and product with five reviews or more; the edition
of Tan et al., "IDGenRec: LLM-RecSys Alignment with Textual ID Learning" (2024), arXiv:2403.19021,
which gives neither stars nor times. Likes alone. A product's text is no title: it is the short
name that a language model of theirs made of the title and more ("raw mango butter 16 oz"); one
product got none, and its text is its id.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from coldbench.dataset import Dataset, File
from coldbench.errors import BadFile, Problem
from coldbench.files.delimited import content_of
from coldbench.files.frames import from_frames
from coldbench.files.locate import locate
from coldbench.files.rows import Unreadable, rows_of
from coldbench.files.schema import Column, InvalidValue
from coldbench.interactions import Catalogue, Interactions

ADDRESS = (
    "https://raw.githubusercontent.com/agiresearch/IDGenRec/"
    "a297185aa5b6cd6de9dcf8b8182052ee8e0b3261/rec_datasets/Beauty/"
)
SEQUENCES = File(
    "user_sequence.txt",
    "47197cbee7bdc1896926e10d96b807dce0aecb9a1f0c2ccc887c21090237c9b7",
    urls=(ADDRESS + "user_sequence.txt",),
    size=2_513_357,
)
PRODUCTS = File(
    "item_generative_indexing_phase_0.txt",
    "1a90f934fe506747f094b181f791ece593e2f86bb15e5420d910e6de4882b456",
    urls=(ADDRESS + "item_generative_indexing_phase_0.txt",),
    size=573_272,
)
ID = Column("id", "id")


@dataclass(frozen=True)
class AmazonBeauty(Dataset):
    domain = "e-commerce"
    licence = "none stated: research use"
    citation = "McAuley et al. 2015, doi:10.1145/2766462.2767755; Tan et al. 2024, arXiv:2403.19021"
    scale = (0.0, 1.0)
    like_above = 0.5
    explicit = False
    ordered = True
    size = "22,363 users, 12,101 items, 198,502 reviews"
    files = (SEQUENCES, PRODUCTS)

    def load(self) -> tuple[Interactions, Catalogue]:
        log = read_sequences(locate("amazon-beauty", SEQUENCES))
        return from_frames(log, read_products(locate("amazon-beauty", PRODUCTS)))


def read_sequences(path: Path) -> pl.DataFrame:
    """A row a review: user, item, rating. A line of the file is a user and then the items."""
    lines = [(words[0], words[1:]) for words in _words(path)]
    log = pl.DataFrame(lines, ["user", "item"], orient="row").explode("item")
    return log.with_columns(rating=pl.lit(1.0))


def read_products(path: Path) -> pl.DataFrame:
    """A row a product: item and text. A line of the file is an id and then a name."""
    lines = [(words[0], " ".join(words[1:]).strip() or words[0]) for words in _words(path, ids=1)]
    return pl.DataFrame(lines, ["item", "text"], orient="row")


def _words(path: Path, ids: int | None = None) -> Iterator[list[str]]:
    """The words of each line, two or more; the first `ids` of them are ids, or all are."""
    line = 0
    for row in rows_of(content_of(path), " ", quoted=False, encoding="utf-8"):
        line = row.line
        if isinstance(row, Unreadable):
            where = line, row.column, row.value
            raise BadFile([Problem(str(path), *where, row.expected, row.fix)])
        for field, word in enumerate(row.fields[:ids]):
            try:
                ID.parse(word)
            except InvalidValue as wrong:
                where = *row.place(field), word
                raise BadFile([Problem(str(path), *where, wrong.expected, wrong.fix)]) from None
        if len(row.fields) == 1:
            expected = "an id, a space and what belongs to it"
            raise BadFile([Problem(str(path), line, 1, row.raw, expected, "complete the line")])
        yield row.fields
    if not line:
        raise BadFile([Problem(str(path), 1, 1, "", "at least one line", "add the rows")])
