"""Performance profiles: how many users get how much of the headline metric.

Dolan & Moré, "Benchmarking Optimization Software with Performance Profiles" (2002).
"""

import numpy as np

from coldbench.metrics import statistics
from coldbench.results.bootstrap import Bootstrap
from coldbench.results.rounding import number
from coldbench.results.schema import Row, schema
from coldbench.results.setting import Setting
from coldbench.results.user_scores import MethodScores

STEPS = np.linspace(0, 1, 41)  # thresholds, as a share of the metric's range in this setting

FRAME = "profiles"
SCHEMA = schema("method", "", "threshold share low high")


def rows(setting: Setting) -> list[Row]:
    """The share of users above each threshold of the headline metric."""
    return profile(setting.scores, setting.column, setting.bootstrap)


def profile(methods: MethodScores, column: int, bootstrap: Bootstrap) -> list[Row]:
    """At the largest K: the share of users above each threshold, with its interval."""
    last = {method: by_shots[max(by_shots)] for method, by_shots in methods.items()}
    if not last:
        return []
    every = np.concatenate([scores.values[:, column] for scores in last.values()])
    every = every[~np.isnan(every)]
    if not len(every):
        return []
    thresholds = every.min() + STEPS * np.ptp(every)
    rows = []
    for method, scores in last.items():
        values = scores.values[:, column, None]
        above = np.where(np.isnan(values), np.nan, (values > thresholds).astype(np.float64))
        interval = statistics.interval(above, bootstrap.weights(scores), seeds=scores.seeds)
        for at, threshold in enumerate(thresholds):
            share, low, high = (number(x[at]) for x in interval)
            rows.append(
                {"method": method, "threshold": number(threshold), "share": share, "low": low,
                 "high": high}
            )  # fmt: skip
    return rows
