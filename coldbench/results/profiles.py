"""More of a metric than its mean: how many users get how much, and what the middle half gets.

Dolan & Moré, "Benchmarking Optimization Software with Performance Profiles" (2002); Agarwal,
Schwarzer, Castro, Courville & Bellemare, "Deep Reinforcement Learning at the Edge of the
Statistical Precipice" (2021), for the interquartile mean and its bootstrap.
"""

from typing import Any

import numpy as np

from coldbench.metrics import statistics
from coldbench.results.paired import number
from coldbench.results.user_scores import Blocks, Draws, Float

STEPS = np.linspace(0, 1, 41)  # thresholds, as a share of the metric's range in this section

Row = dict[str, Any]


def profile(methods: dict[str, dict[int, Blocks]], column: int, draws: Draws) -> list[Row]:
    """At the largest K: the share of users above each threshold, with its interval."""
    last = {method: by_shots[max(by_shots)] for method, by_shots in methods.items()}
    if not last:
        return []
    every = np.concatenate([blocks.values[:, column] for blocks in last.values()])
    every = every[~np.isnan(every)]
    if not len(every):
        return []
    thresholds = every.min() + STEPS * np.ptp(every)
    rows = []
    for method, blocks in last.items():
        values = blocks.values[:, column, None]
        above = np.where(np.isnan(values), np.nan, (values > thresholds).astype(np.float64))
        found = statistics.interval(above, draws.of(blocks), seeds=blocks.seeds)
        for at, threshold in enumerate(thresholds):
            share, low, high = (number(x[at]) for x in found)
            rows.append(
                {"method": method, "threshold": number(threshold), "share": share, "low": low,
                 "high": high}
            )  # fmt: skip
    return rows


def middle(methods: dict[str, dict[int, Blocks]], column: int, draws: Draws) -> list[Row]:
    """At the largest K: the mean of the middle half of the users, which few outliers can move."""
    rows = []
    for method, by_shots in methods.items():
        blocks = by_shots[max(by_shots)]
        values = blocks.values[:, column]
        here = ~np.isnan(values)
        if not here.any():
            continue
        weights = draws.of(blocks)[:, here]
        value = interquartile_mean(values[here], np.ones((1, int(here.sum()))))[0]
        users = len(np.unique(blocks.users[here]))
        low, high = statistics.percentiles(interquartile_mean(values[here], weights), users)
        rows.append({"method": method, "iqm": number(value), "iqm_low": number(low),
                     "iqm_high": number(high)})  # fmt: skip
    return rows


def interquartile_mean(values: Float, weights: Float | statistics.Weights) -> Float:
    """(n,) values counted as often as (R, n) weights say -> (R,) mean between the quartiles."""
    order = np.argsort(values, kind="stable")
    upto = np.cumsum(weights[:, order].astype(np.float64), 1)
    total = upto[:, -1:]
    inside = np.clip(upto, 0.25 * total, 0.75 * total)
    share = np.diff(inside, axis=1, prepend=0.25 * total)  # how much of each value is inside
    return (share @ values[order]) / (0.5 * total[:, 0])
