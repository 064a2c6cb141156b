"""What a pooled AUC is made of.

It compares likes of one user with dislikes of another, too: it rewards knowing who likes much,
which ranks nobody's items. Its pairs are split here into those within a user and the others.
"""

from dataclasses import replace

import numpy as np
from torch import Tensor

from coldbench.metrics.compute import per_user, pooled
from coldbench.results.rounding import number
from coldbench.results.schema import Row, schema
from coldbench.results.setting import Setting
from coldbench.results.user_scores import Float, MethodScores, UserScores

FRAME = "pooled"
SCHEMA = schema("method", "", "pooled within between share level")


def rows(setting: Setting) -> list[Row]:
    """The pooled AUC and its parts."""
    return pooled_auc(setting.scores)


def pooled_auc(methods: MethodScores) -> list[Row]:
    """The pooled AUC at the largest K and its two parts, each a mean over seeds.

    pooled = share x within + (1 - share) x between. `level`: the AUC that is left when every user's
    scores are replaced by their mean, so that nothing but who likes much is known.
    """
    rows = []
    for method, by_shots in methods.items():
        scores = by_shots[max(by_shots)]
        if scores.predictions.positive_only:
            continue
        parts = [
            _split(scores.take(np.flatnonzero(scores.seeds == seed)))
            for seed in np.unique(scores.seeds)
        ]
        whole, within, share, level = np.mean(parts, 0)
        between = (whole - share * within) / (1 - share) if share < 1 else np.nan
        shares = {"pooled": whole, "within": within, "between": between, "share": share}
        rows.append(
            {"method": method} | {k: number(v) for k, v in (shares | {"level": level}).items()}
        )
    return rows


def _split(scores: UserScores) -> Float:
    """Pooled AUC, its part within users, that part's share of all pairs, AUC of users' levels."""
    predictions = scores.predictions
    likes = predictions.relevant.sum(1).double()
    dislikes = predictions.mask.sum(1) - likes
    pairs = likes * dislikes  # (B,)
    within = (pairs * per_user("auc", predictions)).nansum() / pairs.sum()
    share = pairs.sum() / (likes.sum() * dislikes.sum())
    mean = predictions.scores.sum(1, keepdim=True) / predictions.mask.sum(1, keepdim=True)
    level = _auc(mean.expand_as(predictions.scores), scores)
    return np.array([float(pooled("auc-pooled", predictions)), float(within), float(share), level])


def _auc(level: Tensor, scores: UserScores) -> float:
    return float(pooled("auc-pooled", replace(scores.predictions, scores=level)))
