"""The interquartile mean of the headline metric: the middle half of the users, which few can move.

Agarwal, Schwarzer, Castro, Courville & Bellemare, "Deep Reinforcement Learning at the Edge of the
Statistical Precipice" (2021).
"""

import numpy as np

from coldbench.metrics import statistics
from coldbench.results.bootstrap import Bootstrap
from coldbench.results.rounding import number
from coldbench.results.schema import Row, schema
from coldbench.results.setting import Setting
from coldbench.results.user_scores import Float, MethodScores

FRAME = "interquartile"
SCHEMA = schema("method", "", "iqm iqm_low iqm_high")


def rows(setting: Setting) -> list[Row]:
    """At the largest K."""
    return interquartile(setting.scores, setting.column, setting.bootstrap)


def interquartile(methods: MethodScores, column: int, bootstrap: Bootstrap) -> list[Row]:
    """At the largest K: the mean of the middle half of the users, which few outliers can move."""
    rows = []
    for method, by_shots in methods.items():
        scores = by_shots[max(by_shots)]
        values = scores.values[:, column]
        defined = ~np.isnan(values)
        if not defined.any():
            continue
        weights = bootstrap.weights(scores)[:, defined]
        values, users = values[defined], len(np.unique(scores.users[defined]))
        [value] = interquartile_mean(values, np.ones_like(values)[None])
        low, high = statistics.percentiles(interquartile_mean(values, weights), users)
        rows.append({"method": method, "iqm": number(value), "iqm_low": number(low),
                     "iqm_high": number(high)})  # fmt: skip
    return rows


def interquartile_mean(values: Float, weights: Float | statistics.Weights) -> Float:
    """(n,) values counted as often as (R, n) weights say -> (R,) mean between the quartiles, NaN
    where nothing is drawn."""
    order = np.argsort(values, kind="stable")
    upto = np.cumsum(weights[:, order].astype(np.float64), 1)
    total = upto[:, -1:]
    inside = np.clip(upto, 0.25 * total, 0.75 * total)
    share = np.diff(inside, axis=1, prepend=0.25 * total)  # how much of each value is inside
    with np.errstate(invalid="ignore"):
        return (share @ values[order]) / (0.5 * total.ravel())
