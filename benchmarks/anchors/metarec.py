"""RecBole-MetaRec's tables on ml-100k: meta-learning beside chance, which they do not show.

github.com/nuster1128/RecBole-MetaRec published them in commit 8ceb99d and deleted them in f033e16.
Users with 13 to 100 ratings are cut 8 : 1 : 1 at random; of each 10 random ratings are the query
and all others the support. In its rating task the 5 highest labels of 10 are relevant, so chance is
one half by construction. Ties of labels are broken at random, once a split; ties of scores count in
expectation, where theirs leak the order of the labels.
"""

from collections.abc import Iterator

import numpy as np
import polars as pl
import torch
from torch import Tensor

from coldbench.metrics.predictions import Predictions, rank_predictions
from coldbench.seeds import Seeds
from coldbench.splits.split import Split

from ._ml_100k import LIKE_AT, by_lot, episodes, ml_100k, of_size
from ._ours import METHODS, NOTES, items, lay, learnt, scores, values
from .row import Row

NAME = "metarec-ml-100k"
SPLITS = 20
METRICS = ("precision@5", "ndcg-binary@5", "mrr@5")
RELEVANT = 5  # of the query, in the rating task
GONE = "published in 8ceb99d, withdrawn in f033e16"
PUBLISHED = {  # task -> row -> precision, NDCG and MRR at 5
    "rating": {
        "melu, paper": (0.5345, 0.5331, 0.7359),
        "MAMO": (0.6103, 0.5929, 0.7144),
        "TaNP": (0.5806, 0.5994, 0.8070),
    },
    "click": {
        "LWA": (0.5655, 0.5736, 0.6713),
        "NLBA": (0.5655, 0.5719, 0.6626),
        "MetaEmb": (0.6517, 0.7070, 0.8305),
        "MWUF": (0.6517, 0.7139, 0.8391),
    },
}
RANKED = [row for row in METHODS if row not in ("user-mean", "user-median")]  # order alone counts
BEFORE = {  # task -> row -> what it came to when this anchor was first measured, by other code
    "rating": {
        "item-bias": "before: .591 +- .017, .612, .823",
        "stack": "before, item bias + content prior + fold-in + ridge: .615 +- .025, .637, .839",
    },
    "click": {
        "item-bias": "before: .680, .744, .855",
        "stack": "before, item bias + content prior + fold-in + ridge: .702, .772, .888",
    },
}


def cut(split: int) -> Split:
    """Who is learnt from, chosen by and judged on: 466, 58 and 58 users."""
    rng = np.random.default_rng(split)
    everyone = by_lot(ml_100k()[0], rng)
    log = everyone.log
    fit = of_size(everyone, np.ones(len(log), bool))
    who = rng.permutation(np.unique(log.users[fit]))
    tenth = len(who) // 10
    cold, valid, warm = (
        everyone.only(np.isin(log.users, part)) for part in np.split(who, [tenth, 2 * tenth])
    )
    return Split(warm, episodes(valid), episodes(cold), np.arange(log.n_items), too_short=0)


def predictions_of(task: str, given: Tensor, labels: Tensor, split: int) -> Predictions:
    """(E, Q) scores beside what is relevant in a task."""
    mask = torch.ones_like(labels, dtype=torch.bool)
    if task == "click":
        return rank_predictions(given, labels, mask, like_at=LIKE_AT, graded=False)
    lot = torch.rand(labels.shape, generator=torch.Generator().manual_seed(split))
    best = (labels + 0.1 * lot).topk(RELEVANT, 1).indices  # labels are .25 apart
    relevant = torch.zeros_like(labels).scatter(1, best, 1.0)
    return rank_predictions(given, relevant, mask, like_at=0.5, graded=False)


def measure(split: int) -> pl.DataFrame:
    """row, task, metric, user, value, chance."""
    data_split = cut(split)
    labels = torch.from_numpy(data_split.cold.users.labels[data_split.cold.query])
    parts = []
    for row, method in learnt(RANKED, data_split, items(), Seeds.of(split)):
        given = scores(method, data_split.cold)
        for task in PUBLISHED:
            per_user = values(predictions_of(task, given, labels, split), data_split.cold, METRICS)
            parts.append(per_user.select(pl.lit(row).alias("row"), pl.lit(task).alias("task"), "*"))
    return pl.concat(parts)


def rows(measured: pl.DataFrame) -> list[Row]:
    return [row for task in PUBLISHED for row in _task(task, measured.filter(task=task))]


def _task(task: str, measured: pl.DataFrame) -> Iterator[Row]:
    published = PUBLISHED[task]
    for name in dict.fromkeys((*published, *RANKED)):
        notes = GONE if name in published else "", NOTES.get(name, ""), BEFORE[task].get(name, "")
        note = "; ".join(filter(None, notes))
        for at, metric in enumerate(METRICS):
            theirs = published[name][at] if name in published else None
            row = Row(f"{NAME}-{task}", name, metric, theirs, note=note)
            yield lay(row, measured, metric)
