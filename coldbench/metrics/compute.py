"""How good a user's scores are: ranking, rating, classification and calibration.

Ties are scored in expectation over random tie-breaking, exactly, so a constant measures as chance
and the order in which items are stored cannot help. Every ranking metric is computed from three
counts, `above`, `tied` and `candidates`: ranking the query's items and ranking the whole catalogue
are one path.

Järvelin & Kekäläinen, "Cumulated gain-based evaluation of IR techniques" (2002).
McSherry & Najork, "Computing information retrieval performance measures efficiently in the presence
of tied scores" (2008).

Shapes: B users, Q query items, R resamples; short queries are padded and `mask` is True where an
item is real. All measures are float64. One that has no meaning for a user is NaN, not 0.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from coldbench.errors import unknown
from coldbench.metrics.predictions import Judged

MEMORY = 25_000_000  # float64 numbers held at a time by the pooled AUC: 200 MB
NO_CUT = 1 << 62  # the k of a metric that looks at the whole list
GAIN = "gain 2^g - 1, g the rating mapped from its scale to 1..5 (of likes: the like)"


def _mean(values: Tensor, judged: Judged) -> Tensor:
    return (values * judged.mask).sum(1, dtype=torch.float64) / judged.mask.sum(1)


def _ndcg(judged: Judged, gains: Tensor, k: int) -> Tensor:
    """Sum over ranks r up to k of gain / log2(1 + r), over the same of the best order."""
    k = min(k, int(judged.candidates.max()))
    places = torch.arange(1, k + 1, dtype=torch.float64, device=gains.device)
    discounts = 1 / torch.log2(places + 1)  # (k,)
    cumulated = torch.nn.functional.pad(discounts.cumsum(0), (1, 0))  # (k + 1,)
    first, last = judged.above.clamp(max=k), (judged.above + judged.tied).clamp(max=k)
    expected = (cumulated.take(last) - cumulated.take(first)) / judged.tied  # (B, Q)
    ideal = gains.sort(1, descending=True).values[:, :k]
    best = (ideal * discounts[: ideal.shape[1]]).sum(1)
    return (gains * expected).sum(1) / best


def _auc(judged: Judged) -> Tensor:
    n, r = judged.candidates.double(), judged.relevant.sum(1).double()
    beaten = n[:, None] - judged.above - 0.5 * (judged.tied + 1.0).double()  # half for a tie
    wins = (beaten * judged.relevant).sum(1) - r * (r - 1) / 2  # the relevant beat one another
    return wins / (r * (n - r))


def _first_like(judged: Judged, k: int, worth: Callable[[Tensor], Tensor]) -> Tensor:
    """(B,) expected worth of the rank of the first relevant item, 0 beyond k.

    The first tie group that holds relevant items has m of them among t; the chance that its first
    p places hold none is hypergeometric, (t-m)/t * (t-m-1)/(t-1) * ..., and multiplied up here.
    """
    above = judged.above.masked_fill(~judged.relevant, NO_CUT).amin(1)
    group = judged.relevant & (judged.above == above[:, None])
    m, t = group.sum(1), (judged.tied * group).amax(1)
    none = torch.ones(len(m), dtype=torch.float64, device=m.device)
    value = torch.zeros_like(none)
    for p in range(1, min(k, int(t.max())) + 1):
        still = none * (t - m - p + 1).clamp(min=0) / (t - p + 1).clamp(min=1)
        value += (none - still) * worth((above + p).double()) * (above + p <= k)
        none = still
    return value.masked_fill(m == 0, torch.nan)


def _likes_in_top(judged: Judged, k: int) -> Tensor:
    inside = torch.minimum((k - judged.above).clamp(min=0), judged.tied).double() / judged.tied
    return (inside * judged.relevant).sum(1)


def _log_loss(judged: Judged) -> Tensor:
    p, y = judged.scores.clamp(1e-7, 1 - 1e-7), judged.labels
    return _mean(-y * p.log() - (1 - y) * torch.log1p(-p), judged)


def _auc_pooled(judged: Judged, weights: Tensor) -> Tensor:
    scores, order = judged.scores[judged.mask].sort()  # (N,)
    like = judged.relevant[judged.mask][order]
    user = judged.mask.nonzero()[:, 0][order]
    first = torch.searchsorted(scores, scores[like])
    last = torch.searchsorted(scores, scores[like], right=True)
    result = []
    for part in weights.split(max(1, MEMORY // max(1, 4 * len(scores)))):
        each = part[:, user]  # (r, N)
        dislikes = torch.nn.functional.pad((each * ~like).cumsum(1), (1, 0))  # (r, N + 1)
        beaten = (dislikes[:, first] + dislikes[:, last]) / 2  # half for a tie
        likes = each[:, like]
        result.append((likes * beaten).sum(1) / (likes.sum(1) * dislikes[:, -1]))
    return torch.cat(result)


def _found(judged: Judged, weights: Tensor, precision: float) -> Tensor:
    """van Rijsbergen's F: recall at precision = 0, precision at 1, F1 at one half."""
    found = (judged.likes & judged.relevant).sum(1).double()
    amount = precision * judged.likes.sum(1).double() + (1 - precision) * judged.relevant.sum(1)
    return (weights @ found) / (weights @ amount)


def _ece(judged: Judged, weights: Tensor) -> Tensor:
    bins = (judged.scores * 10).long().clamp(0, 9)
    excess = judged.scores.new_zeros(len(bins), 10)
    excess.scatter_add_(1, bins, judged.scores - judged.labels)  # padding adds 0 - 0
    return (weights @ excess).abs().sum(1) / (weights @ judged.mask.sum(1).double())


@dataclass(frozen=True)
class Metric:
    """What a name stands for: a value per user, or one pooled over all predictions."""

    summary: str
    per_user: Callable[[Judged, int], Tensor] | None = None  # with k -> (B,)
    pooled: Callable[[Judged, Tensor], Tensor] | None = None  # with weights (R, B) -> (R,)
    higher_is_better: bool = True
    ranks: bool = True  # only the order of the scores counts
    uniform: Callable[[Judged], Tensor] | None = None  # (B,) expected of scores uniform in 0..1


METRICS = {
    "ndcg@k": Metric(
        f"discounted gain of the first k over the best possible; {GAIN}",
        lambda judged, k: _ndcg(judged, judged.gains, k),
    ),
    "ndcg-binary@k": Metric(
        "the same where a like gains 1 and all else 0",
        lambda judged, k: _ndcg(judged, judged.relevant.double(), k),
    ),
    "auc": Metric(
        "chance that a like of the user outscores a dislike; a tie counts half",
        lambda judged, k: _auc(judged),
    ),
    "mrr": Metric(
        "one over the rank of the user's first like",
        lambda judged, k: _first_like(judged, k, torch.reciprocal),
    ),
    "mrr@k": Metric(
        "one over the rank of the user's first like, 0 beyond k",
        lambda judged, k: _first_like(judged, k, torch.reciprocal),
    ),
    "hit@k": Metric(
        "there is a like among the first k",
        lambda judged, k: _first_like(judged, k, torch.ones_like),
    ),
    "recall@k": Metric(
        "share of the user's likes that are among the first k",
        lambda judged, k: _likes_in_top(judged, k) / judged.relevant.sum(1),
    ),
    "precision@k": Metric(
        "likes among the first k, over k; 0 for a user without likes",
        lambda judged, k: (_likes_in_top(judged, k) / k).masked_fill(
            judged.candidates == 0, torch.nan
        ),
    ),
    "accuracy": Metric(
        "share of the user's items whose like or dislike is predicted",
        lambda judged, k: _mean(judged.likes == judged.relevant, judged),
        ranks=False,
        uniform=lambda judged: _mean((judged.relevant.double() - judged.like_at).abs(), judged),
    ),
    "mae": Metric(
        "mean absolute error of the user's ratings, in rating units",
        lambda judged, k: _mean((judged.scores - judged.labels).abs(), judged) * judged.span,
        higher_is_better=False,
        ranks=False,
        uniform=lambda judged: (
            _mean(judged.labels**2 + (1 - judged.labels) ** 2, judged) / 2 * judged.span
        ),
    ),
    "rmse": Metric(
        "root of the user's mean squared error, in rating units",
        lambda judged, k: _mean((judged.scores - judged.labels) ** 2, judged).sqrt() * judged.span,
        higher_is_better=False,
        ranks=False,
    ),
    "log-loss": Metric(
        "binary cross-entropy with the user's labels, in nats",
        lambda judged, k: _log_loss(judged),
        higher_is_better=False,
        ranks=False,
        uniform=lambda judged: _mean(
            torch.ones_like(judged.labels), judged
        ),  # -ln u is 1 on average
    ),
    "auc-pooled": Metric(
        "AUC over all users' items of a seed at once; rewards knowing who likes much",
        pooled=_auc_pooled,
    ),
    "f1": Metric(
        "harmonic mean of precision and recall of likes, pooled",
        pooled=lambda judged, weights: _found(judged, weights, 0.5),
        ranks=False,
    ),
    "precision": Metric(
        "share of predicted likes that are likes, pooled",
        pooled=lambda judged, weights: _found(judged, weights, 1.0),
        ranks=False,
    ),
    "recall": Metric(
        "share of likes that are predicted, pooled",
        pooled=lambda judged, weights: _found(judged, weights, 0.0),
        ranks=False,
    ),
    "ece": Metric(
        "calibration error: mean score against mean label in ten bins, pooled",
        pooled=_ece,
        higher_is_better=False,
        ranks=False,
    ),
}


def names() -> list[str]:
    """The metrics there are; `@k` stands for a number such as `@10`."""
    return list(METRICS)


def known(name: str) -> tuple[Metric, int]:
    """`ndcg@10` -> the metric and its k; a wrong name is an error that names the nearest."""
    family, _, k = name.partition("@")
    if f"{family}@k" in METRICS and re.fullmatch("[1-9][0-9]{0,8}", k):
        return METRICS[f"{family}@k"], int(k)
    if name in METRICS and not k:
        return METRICS[name], NO_CUT
    right = [
        metric.replace("@k", f"@{k}" if k.isdigit() and int(k) else "@10") for metric in METRICS
    ]
    raise unknown("metric", name, right, "see: coldbench list metrics")


def per_user(name: str, judged: Judged) -> Tensor:
    """(B,) NaN for a user on whom the metric is not defined: no like, for AUC nothing but likes,
    for NDCG no gain, no item at all; for a metric of the scores themselves, a ranked catalogue of
    which likes alone are known. A pooled metric has no such value: a ValueError."""
    metric, k = known(name)
    if metric.per_user is None:
        raise ValueError(f"{name} is pooled over all users and has no value per user")
    if not metric.ranks and judged.likes_alone:
        return judged.scores.new_full((len(judged.scores),), torch.nan)
    measured = [metric.per_user(part, k) for part in judged.parts()]
    return torch.cat(measured) if measured else judged.scores.new_empty(0)


def mean_defined(values: Tensor) -> tuple[float, int]:
    """The mean over the users on whom the metric is defined, and how many they are."""
    defined = values[~values.isnan()]
    return float(defined.mean()), len(defined)


def pooled(name: str, judged: Judged, weights: Tensor | None = None) -> Tensor:
    """(R,) the metric over all users, each counted as often as `weights` (R, B) says.

    No weights: every user once, R = 1. A metric per user is the weighted mean over the users on
    whom it is defined. NaN where a resample holds nothing to measure, such as no predicted like.
    """
    metric, _ = known(name)
    if weights is None:
        weights = judged.scores.new_ones(1, len(judged.mask))
    weights = weights.double()
    if metric.pooled is not None:
        if judged.likes_alone:
            return weights.new_full((len(weights),), torch.nan)
        return metric.pooled(judged, weights)
    values = per_user(name, judged)
    return (weights @ values.nan_to_num(0)) / (weights @ (~values.isnan()).double())


def chance(name: str, judged: Judged) -> float:
    """The metric's exact expectation when all scores are drawn uniformly from 0..1.

    A ranking metric is then averaged over all orders, which is what a tie of all candidates means.
    RMSE, F1, precision, recall and ECE have no simple closed form: NaN.
    """
    metric, _ = known(name)
    if metric.ranks:
        level = replace(
            judged,
            scores=torch.zeros_like(judged.scores),
            above=torch.zeros_like(judged.above),
            tied=torch.where(judged.mask, judged.candidates[:, None], 1),
        )
        return float(pooled(name, level))
    if metric.uniform is None or judged.likes_alone:
        return float("nan")
    return mean_defined(metric.uniform(judged))[0]


def classification(judged: Judged) -> str:
    """scikit-learn's classification report of likes and dislikes over all predictions."""
    from sklearn.metrics import classification_report

    truth, predicted = (x[judged.mask].cpu().numpy() for x in (judged.relevant, judged.likes))
    names = {"labels": [False, True], "target_names": ["dislike", "like"]}
    return str(classification_report(truth, predicted, **names, zero_division=0))
