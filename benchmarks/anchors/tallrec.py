"""TALLRec's movie table: is a language model of 7 billion weights better than ten likes counted?

Bao et al., "TALLRec: An Effective and Efficient Tuning Framework to Align Large Language Model with
Recommendation" (2023), arXiv:2305.00447, table 1. Their measure is one AUC over 1,000 rows of 16
users, which rewards who knows how much a user likes at all; the mean AUC per user stands beside it.
Our few-shot methods learn from as many rows as TALLRec did and from nothing else.
"""

from collections.abc import Iterator

import numpy as np
import polars as pl
import torch

from coldbench.encoder import Encoder, Items
from coldbench.metrics.compute import per_user, pooled
from coldbench.metrics.predictions import Predictions, rank_predictions
from coldbench.metrics.statistics import bootstrap_weights, percentiles

from . import _tallrec_simple as simple
from ._tallrec import Rows, every_row, train_valid_test
from ._tallrec_few import few_shot
from .row import Row

NAME = "tallrec-movie"
SPLITS = 20
RESAMPLES = 1000  # of users, for the pooled AUC
SAMPLES = {16: 0.6724, 64: 0.6748, 256: 0.7198}  # training rows -> TALLRec LLaMA-7B's AUC
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
                yield method, samples, few_shot(method, drawn, test, items, split)


def rows(measured: pl.DataFrame) -> list[Row]:
    weak = "published: .49 to .54"
    lines = [
        Row(NAME, "GRU, Caser, SASRec, DROS, 16 to 256 rows", "auc-pooled", chance=0.5, note=weak)
    ]
    for samples, published in SAMPLES.items():
        row = f"TALLRec LLaMA-7B, {samples} rows"
        lines.append(Row(NAME, row, "auc-pooled", published, 0.5))
    parts = measured.partition_by("row", "samples", as_dict=True, maintain_order=True)
    for row, samples in sorted(parts, key=lambda part: part[1]):  # stable: as measured within
        lines += _both(str(row), int(samples), parts[row, samples])
    return lines


def _both(name: str, samples: int, part: pl.DataFrame) -> Iterator[Row]:
    """The pooled AUC and the mean per user, over all draws of the training rows."""
    by_split = part.partition_by("split", maintain_order=True)
    predictions = [_predictions(draw) for draw in by_split]
    users = np.unique(part["user"].to_numpy())
    weights = torch.from_numpy(bootstrap_weights(users, RESAMPLES))
    means = [float(pooled("auc-pooled", of_split)) for of_split in predictions]
    resampled = np.mean(
        [pooled("auc-pooled", of_split, weights).numpy() for of_split in predictions], 0
    )
    low, high = percentiles(resampled, len(users))
    row = f"{name}, {samples} rows" if samples else name
    notes = [NOTES.get(name, ""), LEVEL.get(name, "")]
    if samples:
        notes.append(f"{len(by_split)} draws")
        notes.append(_against(SAMPLES[samples], low, high))
    empty = Row(NAME, row, "auc-pooled", chance=0.5, note="; ".join(filter(None, notes)))
    yield empty.filled(float(np.mean(means)), (low, high), means)
    each = [
        pl.DataFrame({"split": at, "user": users, "value": per_user("auc", of_split).numpy()})
        for at, of_split in enumerate(predictions)
    ]
    yield Row(NAME, row, "auc", chance=0.5, note=NOTES.get(name, "")).measured(pl.concat(each))


def _against(published: float, low: float, high: float) -> str:
    where = "below" if published < low else "above" if published > high else "inside"
    return f"TALLRec-7B's {published:.4f} is {where} the interval"


def _predictions(draw: pl.DataFrame) -> Predictions:
    """One draw's 1,000 scores laid out by user, in the order of the users' numbers."""
    draw = draw.sort("user", maintain_order=True)
    counts = draw.group_by("user", maintain_order=True).len()["len"].to_numpy()
    mask = torch.from_numpy(np.arange(counts.max()) < counts[:, None])  # (16, most)

    def padded(column: str) -> torch.Tensor:
        table = torch.zeros(mask.shape, dtype=torch.float64)
        table[mask] = torch.from_numpy(draw[column].cast(pl.Float64).to_numpy(writable=True))
        return table

    return rank_predictions(padded("score"), padded("label"), mask, like_at=0.5, graded=False)
