"""TALLRec's movie table: is a language model of 7 billion weights better than ten likes counted?

Bao et al., "TALLRec: An Effective and Efficient Tuning Framework to Align Large Language Model with
Recommendation" (2023), arXiv:2305.00447, table 1. Their measure is one AUC over 1,000 rows of 16
users, which rewards who knows how much a user likes at all; the mean AUC per user stands beside it.
Our few-shot methods learn from as many rows as TALLRec did and from nothing else.
"""

from collections.abc import Iterator

import numpy as np
import polars as pl

from coldbench import registry
from coldbench.encoder import Encoder, Items

from . import _tallrec_simple as simple
from ._tallrec import Rows, every_row, train_valid_test
from ._tallrec_auc import SAMPLES, both, published
from ._tallrec_few import few_shot
from .row import Row

NAME = "tallrec-movie"
SPLITS = 20
DRAWS = {  # method -> how many times the training rows are drawn
    **dict.fromkeys(("user-mean", "knn", "ridge", "logistic", "simpleshot", "protonet"), 10),
    **dict.fromkeys(("fold-in", "ease", "stack", "maml", "anil"), 10),
    "adaptive-finetune": 3,
}
LOGISTIC = "logistic on 5 history and similarity numbers"
WARM = "uses warm users' ratings, which TALLRec does not see"
NOTES = {
    LOGISTIC: "its set-up was chosen among 18 with these rows in view: optimistic",
    "history like-rate": "no training",
    "item like-rate of the other 927 users": WARM,
    "user level + item bias + fold-in": WARM,
}
LEVEL = {"user-mean": "the history's like-rate: training rows change nothing"}


def measure(split: int) -> pl.DataFrame:
    """row, samples (0: it has no training rows), user, label, score of the 1,000 test rows."""
    train, _, test = train_valid_test()
    items = Encoder("minilm").items(test.films)
    asked = {"user": test.users, "label": test.likes[test.places]}
    scored = _scored(split, train, test, items)
    return pl.concat(
        pl.DataFrame(
            {"row": [row] * len(score), "samples": samples, **asked, "score": score.astype(float)}
        )
        for row, samples, score in scored
    )


def _scored(
    split: int, train: Rows, test: Rows, items: Items
) -> Iterator[tuple[str, int, np.ndarray]]:
    if split == 0:
        yield "constant", 0, np.full(len(test.places), 0.5)
        yield "history like-rate", 0, simple.like_rate(test)
        yield "item like-rate of the other 927 users", 0, simple.item_like_rate(test)
        fold_in = simple.fold_in(every_row(), test, items)
        yield "user level + item bias + fold-in", 0, fold_in
    for samples in SAMPLES:
        rng = np.random.default_rng([split, samples])
        drawn = train.part(rng.choice(len(train.places), samples, replace=False))
        if samples > min(SAMPLES):
            yield LOGISTIC, samples, simple.logistic(drawn, test, items)
        for method, draws in DRAWS.items():
            if split < draws:
                learner = registry.find("methods", method)()
                yield method, samples, few_shot(learner, drawn, test, items, split)


def rows(measured: pl.DataFrame) -> list[Row]:
    weak = "published: .49 to .54"
    few = "GRU, Caser, SASRec, DROS, 16 to 256 rows"
    lines = [Row(NAME, few, "auc-pooled", chance=0.5, note=weak), *published(NAME)]
    parts = measured.partition_by("row", "samples", as_dict=True, maintain_order=True)
    for row, samples in sorted(parts, key=lambda part: part[1]):  # stable: as measured within
        name = str(row)
        empty = Row(NAME, name, "auc", chance=0.5, note=NOTES.get(name, ""))
        lines += both(empty, int(samples), parts[row, samples], more=LEVEL.get(name, ""))
    return lines
