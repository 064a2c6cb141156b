"""Intervals of 30 methods over 10,000 users: our bootstrap, drawn once for all, and scipy's.

Both resample users 10,000 times (scipy 100 times, for one method): what is counted are resampled
means a second. Paired differences of all methods come from the same draws.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from coldbench.metrics.statistics import bootstrap_weights, differences, interval

METHODS, USERS, RESAMPLES = 30, 10_000, 10_000
FEWER = 100  # resamples of the peer, for one method


def values(methods: int) -> NDArray[np.float64]:
    return np.random.default_rng(0).beta(5, 1.5, (USERS, methods))


def says(benchmark: Any, role: str, name: str, items: int) -> None:
    benchmark.group = "bootstrap"
    benchmark.extra_info = {"role": role, "name": name, "items": items, "unit": "means/s"}


def test_coldbench(benchmark: Any) -> None:
    table = values(METHODS)

    def measure() -> int:
        weights = bootstrap_weights(np.arange(USERS), RESAMPLES)
        mean = interval(table, weights)
        return len(mean.low) + len(differences(table - table[:, :1], weights))

    says(benchmark, "subject", "coldbench, with differences", METHODS * RESAMPLES)
    assert benchmark.pedantic(measure, rounds=3, warmup_rounds=1) == 2 * METHODS


def test_scipy(benchmark: Any) -> None:
    column = values(1)[:, 0]

    def measure() -> float:
        rng = np.random.default_rng(0)
        resampled = stats.bootstrap(
            (column,), np.mean, n_resamples=FEWER, method="percentile", rng=rng
        )
        return float(resampled.confidence_interval.low)

    says(benchmark, "peer", "scipy", FEWER)
    assert benchmark.pedantic(measure, rounds=5, warmup_rounds=1) < float(column.mean())
