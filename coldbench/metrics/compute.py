"""The metrics by name, per user or pooled over users, and what each is by chance.

`coldbench.metrics.formulas` gives each formula and its source. Shapes: B users, R resamples.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from coldbench.errors import unknown
from coldbench.metrics import formulas
from coldbench.metrics.formulas import NO_CUT
from coldbench.metrics.predictions import Predictions

GAIN = "gain 2^g - 1, g the rating mapped from its scale to 1..5 (of likes: the like)"


@dataclass(frozen=True)
class Metric:
    """What a name stands for: a value per user, or one pooled over all predictions."""

    summary: str
    per_user: Callable[[Predictions, int], Tensor] | None = None  # with k -> (B,)
    pooled: Callable[[Predictions, Tensor], Tensor] | None = None  # with weights (R, B) -> (R,)
    higher_is_better: bool = True
    ranks: bool = True  # only the order of the scores counts
    uniform: Callable[[Predictions], Tensor] | None = None  # (B,) expected, scores uniform in 0..1


METRICS = {
    "ndcg@k": Metric(
        f"discounted gain of the first k over the best possible; {GAIN}",
        lambda pred, k: formulas.ndcg(pred, pred.gains, k),
    ),
    "ndcg-binary@k": Metric(
        "the same where a like gains 1 and all else 0",
        lambda pred, k: formulas.ndcg(pred, pred.relevant.double(), k),
    ),
    "auc": Metric(
        "chance that a like of the user outscores a dislike; a tie counts half",
        lambda pred, _: formulas.auc(pred),
    ),
    "auc-matched": Metric(
        "the same over pairs of items that all people rate equally well, to a tenth of a star: "
        "their ratings alone earn .5 of those that tie",
        lambda judged, _: formulas.auc_matched(judged),
    ),
    "mrr": Metric(
        "one over the rank of the user's first like",
        formulas.reciprocal_rank,
    ),
    "mrr@k": Metric(
        "one over the rank of the user's first like, 0 beyond k",
        formulas.reciprocal_rank,
    ),
    "hit@k": Metric(
        "there is a like among the first k",
        formulas.hit,
    ),
    "recall@k": Metric(
        "share of the user's likes that are among the first k",
        formulas.recall,
    ),
    "precision@k": Metric(
        "likes among the first k, over k; 0 for a user without likes",
        formulas.precision,
    ),
    "accuracy": Metric(
        "share of the user's items whose like or dislike is predicted",
        lambda pred, _: formulas.accuracy(pred),
        ranks=False,
        uniform=formulas.accuracy_of_uniform,
    ),
    "mae": Metric(
        "mean absolute error of the user's ratings, in rating units",
        lambda pred, _: formulas.mae(pred),
        higher_is_better=False,
        ranks=False,
        uniform=formulas.mae_of_uniform,
    ),
    "rmse": Metric(
        "root of the user's mean squared error, in rating units",
        lambda pred, _: formulas.rmse(pred),
        higher_is_better=False,
        ranks=False,
    ),
    "log-loss": Metric(
        "binary cross-entropy with the user's labels, in nats",
        lambda pred, _: formulas.log_loss(pred),
        higher_is_better=False,
        ranks=False,
        uniform=formulas.log_loss_of_uniform,
    ),
    "auc-pooled": Metric(
        "AUC over all users' items of a seed at once; rewards knowing who likes much",
        pooled=formulas.auc_pooled,
    ),
    "f1": Metric(
        "harmonic mean of precision and recall of likes, pooled",
        pooled=lambda pred, weights: formulas.f_measure(pred, weights, 0.5),
        ranks=False,
    ),
    "precision": Metric(
        "share of predicted likes that are likes, pooled",
        pooled=lambda pred, weights: formulas.f_measure(pred, weights, 1.0),
        ranks=False,
    ),
    "recall": Metric(
        "share of likes that are predicted, pooled",
        pooled=lambda pred, weights: formulas.f_measure(pred, weights, 0.0),
        ranks=False,
    ),
    "ece": Metric(
        "calibration error: mean score against mean label in ten bins, pooled",
        pooled=formulas.ece,
        higher_is_better=False,
        ranks=False,
    ),
}


def names() -> list[str]:
    """The metrics there are; `@k` stands for a number such as `@10`."""
    return list(METRICS)


def parse_metric(name: str) -> tuple[Metric, int]:
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


def per_user(name: str, pred: Predictions) -> Tensor:
    """(B,) NaN for a user on whom the metric is not defined: no like, for AUC nothing but likes,
    for NDCG no gain, no item at all; for a metric of the scores themselves, a ranked catalogue of
    which only likes are known. A pooled metric has no such value: a ValueError."""
    metric, k = parse_metric(name)
    if metric.per_user is None:
        raise ValueError(f"{name} is pooled over all users and has no value per user")
    if not metric.ranks and pred.positive_only:
        return pred.scores.new_full((len(pred.scores),), torch.nan)
    measured = [metric.per_user(part, k) for part in pred.parts()]
    return torch.cat(measured) if measured else pred.scores.new_empty(0)


def mean_defined(values: Tensor) -> tuple[float, int]:
    """The mean over the users on whom the metric is defined, and how many they are."""
    defined = values[~values.isnan()]
    return float(defined.mean()), len(defined)


def pooled(name: str, pred: Predictions, weights: Tensor | None = None) -> Tensor:
    """(R,) the metric over all users, each counted as often as `weights` (R, B) says.

    No weights: every user once, R = 1. A metric per user is the weighted mean over the users on
    whom it is defined. NaN where a resample holds nothing to measure, such as no predicted like.
    """
    metric, _ = parse_metric(name)
    if weights is None:
        weights = pred.scores.new_ones(1, len(pred.mask))
    weights = weights.double()
    if metric.pooled is not None:
        if pred.positive_only:
            return weights.new_full((len(weights),), torch.nan)
        return metric.pooled(pred, weights)
    values = per_user(name, pred)
    return (weights @ values.nan_to_num(0)) / (weights @ (~values.isnan()).double())


def chance(name: str, pred: Predictions) -> float:
    """The metric's exact expectation when all scores are drawn uniformly from 0..1.

    A ranking metric is then averaged over all orders, which is what a tie of all candidates means.
    RMSE, F1, precision, recall and ECE have no simple closed form: NaN.
    """
    metric, _ = parse_metric(name)
    if metric.ranks:
        level = replace(
            pred,
            scores=torch.zeros_like(pred.scores),
            above=torch.zeros_like(pred.above),
            tied=torch.where(pred.mask, pred.candidates[:, None], 1),
        )
        return float(pooled(name, level))
    if metric.uniform is None or pred.positive_only:
        return float("nan")
    return mean_defined(metric.uniform(pred))[0]


def classification(pred: Predictions) -> str:
    """scikit-learn's classification report of likes and dislikes over all predictions, to the
    letter, without the seconds of its import (only where nothing at all is right it writes its
    counts as 2.0, here 2)."""
    truth, predicted = (
        x[pred.mask].cpu().numpy() for x in (pred.relevant, pred.predicted_positive)
    )
    right, found, support = (
        np.bincount(labels, minlength=2) for labels in (truth[truth == predicted], predicted, truth)
    )
    scores = [
        np.divide(a, b, out=np.zeros(2), where=b > 0)
        for a, b in ((right, found), (right, support), (2 * right, found + support))
    ]  # precision, recall, F1 of dislikes and of likes
    n = support.sum()
    lines = [
        f"{'':12} "
        + "".join(f" {head:>9}" for head in ("precision", "recall", "f1-score", "support")),
        "",
        *(
            _line(name, [x[at] for x in scores], support[at])
            for at, name in enumerate(("dislike", "like"))
        ),
        "",
        f"{'accuracy':>12} {'':21}{right.sum() / n:9.2f} {n:>9}",
        _line("macro avg", [x.mean() for x in scores], n),
        _line("weighted avg", [np.average(x, weights=support) for x in scores], n),
        "",
    ]
    return "\n".join(lines)


def _line(name: str, scores: list[float], support: int) -> str:
    return f"{name:>12} " + "".join(f" {score:9.2f}" for score in scores) + f" {support:>9}"
