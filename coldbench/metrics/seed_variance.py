"""What the means of seeds differ by beyond their users' own chance: a second level of variance.

Satterthwaite, "An Approximate Distribution of Estimates of Variance Components" (1946).

Shapes: n rows, m columns (methods or metrics), R resamples, S seeds.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]
Int = NDArray[np.int64]
Numbers = Any  # one, or (m,) of them


@dataclass(frozen=True)
class SeedVariance:
    """What the mean over S seeds varies by, beyond its users: a variance each of m columns."""

    variance: Float  # (m,)
    seeds: int

    def widen(self, draws: Float, column: int | slice, users: Numbers) -> tuple[Float, Numbers]:
        """(R,) draws spread by it, and the degrees of freedom left; of all columns (R, m), (m,)."""
        more = np.where(np.less(users, 2), 0, self.variance[column])
        noise = np.random.default_rng(1).standard_normal(len(draws))
        reach = np.sqrt(more * (users - 1) / np.maximum(users, 1))
        variance, wide = np.zeros(more.shape), more > 0
        if wide.any():
            variance[wide] = np.nanvar(np.ascontiguousarray(draws.T[wide]), -1)  # as one column is
        variance *= users / np.maximum(users - 1, 1)
        return draws + (noise * reach[..., None]).T, self.error(variance, column, users)[1]

    def error(self, variance: Numbers, column: int | slice, users: Numbers) -> tuple[Numbers, Any]:
        """The standard error of a mean whose users alone give it the variance `own`, and the
        degrees of freedom: Satterthwaite's of the two variances together."""
        more = np.where(np.less(users, 2), 0, self.variance[column])
        lone, both = np.maximum(users - 1, 1), variance + more
        parts = np.square(variance) / lone + more**2 / max(self.seeds - 1, 1)
        alone = more <= 0
        df = np.where(alone, users - 1, both**2 / np.where(alone, 1, parts))
        return np.sqrt(both), df


def variance_of_seeds(table: Float, seeds: Int | None) -> SeedVariance:
    """The variance of seeds' means, less what their own users explain; never below 0."""
    given = np.zeros(len(table)) if seeds is None else seeds
    codes = np.unique(given, return_inverse=True)[1]
    many = int(codes.max(initial=0)) + 1
    if many < 2:
        return SeedVariance(np.zeros(table.shape[1]), many)
    of = np.arange(many)[:, None] == codes  # (S, n)
    defined = ~np.isnan(table)
    n = of @ defined.astype(np.float64)  # (S, m)
    safe = np.where(defined, table, 0)
    means = ratio(of @ safe, n)
    left = np.where(defined, table - means[codes], 0)
    within = ratio(of @ left**2, n * (n - 1))  # variance of a seed's mean over users
    with np.errstate(invalid="ignore"):
        between = np.var(means, 0, ddof=1) - np.mean(within, 0)
    return SeedVariance(np.nan_to_num(np.maximum(between, 0)) / many, many)


def seed_variance(values: Float, draws: Sequence[Float]) -> SeedVariance:
    """Of what is no mean over users: (S,) or (S, m) by seed, and the (R, ...) resamples of each."""
    values, draws = values.reshape(len(values), -1), [d.reshape(len(d), -1) for d in draws]
    known = ~np.any([np.isnan(draw).all(0) for draw in draws], 0) & (len(values) > 1)
    between = np.zeros(known.shape)
    if known.any():
        own = np.mean([np.nanvar(draw[:, known], 0) for draw in draws], 0)
        between[known] = np.var(values[:, known], 0, ddof=1) - own
    return SeedVariance(np.maximum(between, 0) / len(values), len(values))


def ratio(sums: Float, counts: Float) -> Float:
    return np.divide(sums, counts, out=np.full(np.shape(sums), np.nan), where=counts > 0)
