"""Scores as probabilities, and what a pooled AUC is made of.

A pooled AUC compares likes of one user with dislikes of another, too: it rewards knowing who likes
much, which ranks nobody's items. Its pairs are split here into those within a user and the others.
"""

from typing import Any

import numpy as np

from coldbench.metrics.compute import per_user, pooled
from coldbench.results.paired import number
from coldbench.results.user_scores import Blocks, Float

BINS = 10

Row = dict[str, Any]


def reliability(methods: dict[str, dict[int, Blocks]]) -> list[Row]:
    """Before the first label and after the last: mean label of the scores in each of ten bins."""
    rows = []
    for method, by_shots in methods.items():
        for shots in sorted({min(by_shots), max(by_shots)}):
            judged = by_shots[shots].judged
            if judged.likes_alone:
                continue
            score, label = (x[judged.mask].numpy() for x in (judged.scores, judged.labels))
            bins = np.clip((score * BINS).astype(np.int64), 0, BINS - 1)
            n = np.bincount(bins, minlength=BINS)
            sums = [np.bincount(bins, x, BINS) for x in (score, label)]
            rows += [
                {"method": method, "shots": shots, "bin": b, "score": number(sums[0][b] / n[b]),
                 "label": number(sums[1][b] / n[b]), "predictions": int(n[b])}
                for b in range(BINS) if n[b]
            ]  # fmt: skip
    return rows


def pooled_auc(methods: dict[str, dict[int, Blocks]]) -> list[Row]:
    """The pooled AUC at the largest K and its two parts, each a mean over seeds.

    pooled = share x within + (1 - share) x between. `level`: the AUC that is left when every user's
    scores are replaced by their mean, so that nothing but who likes much is known.
    """
    rows = []
    for method, by_shots in methods.items():
        blocks = by_shots[max(by_shots)]
        if blocks.judged.likes_alone:
            continue
        parts = [
            _split(blocks.take(np.flatnonzero(blocks.seeds == seed)))
            for seed in np.unique(blocks.seeds)
        ]
        whole, within, share, level = np.mean(parts, 0)
        between = (whole - share * within) / (1 - share) if share < 1 else np.nan
        found = {"pooled": whole, "within": within, "between": between, "share": share}
        rows.append(
            {"method": method} | {k: number(v) for k, v in (found | {"level": level}).items()}
        )
    return rows


def _split(blocks: Blocks) -> Float:
    """Pooled AUC, its part within users, that part's share of all pairs, AUC of users' levels."""
    judged = blocks.judged
    likes = judged.relevant.sum(1).double()
    dislikes = judged.mask.sum(1) - likes
    pairs = likes * dislikes  # (B,)
    own = per_user("auc", judged).nan_to_num(0)
    within = (pairs * own).sum() / pairs.sum()
    share = pairs.sum() / (likes.sum() * dislikes.sum())
    mean = judged.scores.sum(1, keepdim=True) / judged.mask.sum(1, keepdim=True)
    level = _auc((mean * judged.mask).expand_as(judged.scores), blocks)
    return np.array([float(pooled("auc-pooled", judged)), float(within), float(share), level])


def _auc(scores: Any, blocks: Blocks) -> float:
    from dataclasses import replace

    return float(pooled("auc-pooled", replace(blocks.judged, scores=scores)))
