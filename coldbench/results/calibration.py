"""Scores as probabilities: what share of the items with a score were liked."""

import numpy as np

from coldbench.results.rounding import number
from coldbench.results.schema import Row, schema
from coldbench.results.setting import Setting
from coldbench.results.user_scores import MethodScores

BINS = 10

FRAME = "reliability"
SCHEMA = schema("method", "shots bin predictions", "score label")


def rows(setting: Setting) -> list[Row]:
    """The mean label of the scores in a bin, before and after adapting."""
    return reliability(setting.scores)


def reliability(methods: MethodScores) -> list[Row]:
    """Before the first label and after the last: mean label of the scores in each of ten bins."""
    rows = []
    for method, by_shots in methods.items():
        for shots in sorted({min(by_shots), max(by_shots)}):
            predictions = by_shots[shots].predictions
            if predictions.positive_only:
                continue
            score, label = (
                x[predictions.mask].numpy() for x in (predictions.scores, predictions.labels)
            )
            bins = np.minimum((score * BINS).astype(np.int64), BINS - 1)  # scores lie in 0..1
            n = np.bincount(bins, minlength=BINS)
            sums = [np.bincount(bins, x, BINS) for x in (score, label)]
            rows += [
                {"method": method, "shots": shots, "bin": b, "score": number(sums[0][b] / n[b]),
                 "label": number(sums[1][b] / n[b]), "predictions": int(n[b])}
                for b in range(BINS) if n[b]
            ]  # fmt: skip
    return rows
