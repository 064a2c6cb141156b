"""What a mean over users is worth: intervals and paired tests that draw users, not rows.

A row is an evaluated user: one who is cold under one seed. The same user may be cold under several,
and those rows are alike, so a resample draws users with all their rows (a cluster bootstrap).
Rows of one seed share a split and a training run: where `seeds` are given, what the means of seeds
differ by beyond their users' own chance is a second level of variance, and is added.
Intervals are the bootstrap's; p, on which marks hang, has a closed form and no resamples in it.

Cameron & Miller, "A Practitioner's Guide to Cluster-Robust Inference" (2015), for that form.
Davison & Hinkley, "Bootstrap Methods and their Application" (1997), section 3.8 on clusters.
Hesterberg, "What Teachers Should Know About the Bootstrap" (2015), section 5.3: percentiles moved
outwards, so that intervals of few users are as wide as Student's t has them.
Holm, "A Simple Sequentially Rejective Multiple Test Procedure" (1979).

Shapes: n rows, m columns (methods or metrics), R resamples. NaN is a row on which a metric is not
defined: it is left out, never counted as 0.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import special

from coldbench.metrics.seed_variance import ratio, variance_of_seeds

Float = NDArray[np.float64]
Weights = NDArray[np.float32]
Int = NDArray[np.int64]

EPSILON = 1e-9  # values closer than this are equal: rounding must not become significant
RESAMPLES = 2000  # that an interval is made of
BLOCK = 1 << 22  # weights multiplied at a time
ALL = slice(None)  # columns
Numbers = Any  # one, or (m,) of them


class Interval(NamedTuple):
    """A mean and its confidence interval, each of shape () or (m,)."""

    mean: Float
    low: Float
    high: Float


@dataclass(frozen=True)
class Difference:
    """How a differs from b over the rows on which both are defined."""

    mean: float
    low: float
    high: float
    p: float  # two-sided, of no difference
    helped: float  # share of rows where a is higher
    harmed: float  # share of rows where a is lower
    detectable: float  # the smallest difference this many users would show, 80% power at 5%
    n: int  # rows


def bootstrap_weights(users: Int, resamples: int = RESAMPLES, seed: int = 0) -> Weights:
    """(R, n) how often each row is drawn when as many users are drawn as there are.

    `users` (n,) says whose row it is: rows of one user are always drawn together.
    """
    distinct, cluster = np.unique(users, return_inverse=True)
    count = len(distinct)
    rng = np.random.default_rng(seed)
    weights = np.empty((resamples, len(users)), np.float32)
    for resample in weights:
        drawn = np.bincount(rng.integers(count, size=count), minlength=count)
        resample[:] = drawn[cluster]
    return weights


def interval(
    values: Float, weights: Weights, level: float = 0.95, seeds: Int | None = None
) -> Interval:
    """The mean of (n,) or (n, m) values over the defined rows, with its bootstrap interval."""
    table = values if values.ndim == 2 else values[:, None]
    defined, (_, users) = ~np.isnan(table), cluster_variance(table, _clusters(weights))
    mean = ratio(np.where(defined, table, 0).sum(0), defined.sum(0))
    spread, df = variance_of_seeds(table, seeds).widen(_means(table, weights), ALL, users)
    low, high = percentiles(spread, users, level, df)
    shape = values.shape[1:]
    return Interval(mean.reshape(shape), low.reshape(shape), high.reshape(shape))


def percentiles(
    draws: Float, users: Numbers, level: float = 0.95, df: Numbers = None
) -> tuple[Numbers, Numbers]:
    """The interval of a statistic of so many users, from its (R,) values over the resamples: (), or
    (m,) of (R, m) values, users and df.

    Also for what is no mean over users, such as a pooled AUC. A resample in which it is NaN is
    left out. One user says nothing about others: NaN. df: Student's t has so many degrees of
    freedom; None: users - 1.
    """
    ordered = np.sort(draws.reshape(len(draws), -1).T)  # (m, R), NaN last
    n = len(draws) - np.isnan(ordered).sum(1)
    users, df = np.broadcast_to(users, n.shape), users - 1 if df is None else df
    reach = special.stdtrit(df, (1 + level) / 2) * np.sqrt(users / np.maximum(users - 1, 1))
    row, known, ends = np.arange(len(n)), (users > 1) & (n > 0), []
    for side in (-reach, reach):  # numpy.quantile, whose shares are those of one column
        place = np.where(known, special.ndtr(side) * (n - 1), 0)
        left = place.astype(np.int64)
        share, right = place - left, np.minimum(left + 1, np.maximum(n - 1, 0))
        a, b = ordered[row, left], ordered[row, right]
        end = np.where(share < 0.5, a + (b - a) * share, b - (b - a) * (1 - share))
        ends.append(np.where(known, end, np.nan).reshape(draws.shape[1:])[()])
    return ends[0], ends[1]


def paired(a: Float, b: Float, weights: Weights, seeds: Int | None = None) -> Difference:
    """a - b, both (n,), row by row: one column of `differences`."""
    return differences((a - b)[:, None], weights, seeds)[0]


def differences(changes: Float, weights: Weights, seeds: Int | None = None) -> list[Difference]:
    """What each column of (n, m) changes comes to over its defined rows.

    p is Student's t on the standard error in closed form, with one degree of freedom less than
    users, fewer where seeds differ (Satterthwaite): the t-test's where every row is a user.
    """
    changes = np.where(np.abs(changes) <= EPSILON, 0, changes)
    defined, between = ~np.isnan(changes), variance_of_seeds(changes, seeds)
    variances, users = cluster_variance(changes, _clusters(weights))
    n = defined.sum(0)
    total = np.ascontiguousarray(np.where(defined, changes, 0).T).sum(1)  # as a column alone is
    helped, harmed = (ratio(side.sum(0), n) for side in (changes > 0, changes < 0))
    mean, few = ratio(total, n), users < 2
    spread, _ = between.widen(_means(changes, weights), ALL, users)
    error, df = between.error(variances, ALL, users)
    low, high = percentiles(spread, users, df=df)
    sure = error <= EPSILON * np.abs(mean)  # every user changed by the same amount
    p = 2 * special.stdtr(df, -np.abs(mean) / np.where(sure | few, 1, error))
    p = np.where(few, np.nan, np.where(sure, 0.0, p))
    detectable = special.ndtri([0.8, 0.975]).sum() * error  # 2.8 standard errors
    columns = np.stack([mean, low, high, p, helped, harmed, detectable])
    still = ~few & (helped + harmed == 0)  # nothing changed for anybody
    columns[:, still] = np.array([0, 0, 0, 1, 0, 0, 0])[:, None]
    return [Difference(*of) for of in zip(*columns.tolist(), n.tolist(), strict=True)]


def cluster_variance(values: Float, clusters: Int) -> tuple[Float, Int]:
    """(m,) the variance of the mean of each column of (n, m) values, and how many users it has.

    With s_u the sum and n_u the number of the defined rows of user u, m the mean and n the number
    of all: sum over users of (s_u - n_u m)^2 / n^2, times U / (U - 1). NaN of fewer than two users.
    """
    defined, columns = ~np.isnan(values), values.shape[1]
    shape = int(clusters.max(initial=-1)) + 1, columns
    place = (clusters[:, None] * columns + np.arange(columns)).ravel()
    sums, counts = (
        np.bincount(place, of_row.ravel(), shape[0] * columns).reshape(shape)
        for of_row in (np.where(defined, values, 0), defined)
    )
    n, users = counts.sum(0), (counts > 0).sum(0)
    squares = ((sums - counts * ratio(sums.sum(0), n)) ** 2).sum(0)
    return ratio(squares * users, n**2 * (users - 1)), users


def holm(p: Float) -> Float:
    """The p-values of a family of tests adjusted so that the chance of any false alarm is kept.
    A NaN is a test that was not made: it stays NaN and does not count."""
    adjusted = np.full(p.shape, np.nan)
    defined = np.flatnonzero(~np.isnan(p))
    order = defined[np.argsort(p[defined], kind="stable")]
    steps = p[order] * np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1)
    return adjusted


def _means(table: Float, weights: Weights) -> Float:
    """(R, m) weighted means over the defined rows; NaN where a resample has none."""
    defined = ~np.isnan(table)
    which = _alike(defined.T)  # most columns are
    _, first = np.unique(which, return_index=True)
    both = np.concatenate([np.where(defined, table, 0), defined[:, first]], 1)
    size = max(1, BLOCK // max(1, len(table)))
    parts = [
        weights[at : at + size].astype(np.float64) @ both for at in range(0, len(weights), size)
    ]
    sums, counts = np.hsplit(np.concatenate(parts), [table.shape[1]])
    return ratio(sums, counts[:, which])


def _clusters(weights: Weights) -> Int:
    """(n,) whose row it is: rows that 64 resamples always draw alike are one user's."""
    return _alike(weights[:64].T)


def _alike(rows: NDArray[Any]) -> Int:
    """(n,) which rows of (n, m) have the same bytes, numbered in the order of their first."""
    rows, seen = np.ascontiguousarray(rows), dict[bytes, int]()
    return np.array([seen.setdefault(row.tobytes(), len(seen)) for row in rows], np.int64)
