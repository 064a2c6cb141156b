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
from coldbench.files.frames import from_frames
from coldbench.files.locate import locate
from coldbench.interactions import Catalogue, Interactions

from ._lines import bad_field, check_id, lines_of

ADDRESS = (
    "https://raw.githubusercontent.com/agiresearch/IDGenRec/"
    "a297185aa5b6cd6de9dcf8b8182052ee8e0b3261/rec_datasets/Beauty/"
)
SEQUENCES = File.at(
    ADDRESS,
    "user_sequence.txt",
    "47197cbee7bdc1896926e10d96b807dce0aecb9a1f0c2ccc887c21090237c9b7",
    2_513_357,
)
PRODUCTS = File.at(
    ADDRESS,
    "item_generative_indexing_phase_0.txt",
    "1a90f934fe506747f094b181f791ece593e2f86bb15e5420d910e6de4882b456",
    573_272,
)


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
    for row in lines_of(path, " ", quoted=False):
        for field in range(len(row.fields[:ids])):
            check_id(path, row, field)
        if len(row.fields) == 1:
            expected = "an id, a space and what belongs to it"
            raise bad_field(path, row, 0, expected, "complete the line")
        yield row.fields
