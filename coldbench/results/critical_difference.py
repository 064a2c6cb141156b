"""All methods ranked over settings, each a dataset and protocol at one K: is there a best one?

Demšar, "Statistical Comparisons of Classifiers over Multiple Data Sets" (2006): Friedman's test of
all methods' ranks over blocks. Benavoli, Corani & Mangili (2016): then Wilcoxon's signed ranks,
pair by pair, Holm-corrected, since mean ranks depend on who else was compared.
"""

from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations

import numpy as np
import polars as pl

from coldbench.metrics import statistics
from coldbench.results.paired import ALPHA
from coldbench.results.user_scores import Float

EXACT = 13  # blocks up to which scipy tries all signs one by one where ranks are shared
FEW = 6  # blocks below which Wilcoxon cannot find anything, whatever there is


@dataclass(frozen=True, eq=False)
class Critical:
    """Methods ranked over blocks, each a dataset and protocol at one K; 1 is best."""

    ranks: pl.DataFrame  # method, rank (mean over blocks), best first
    blocks: int
    p: float  # Friedman's, of no difference at all
    tests: pl.DataFrame  # method, other, p, p_holm: Wilcoxon's
    alike: tuple[tuple[str, ...], ...]  # runs of neighbours no two of which differ


def critical(values: Float, methods: list[str], *, higher_is_better: bool = True) -> Critical:
    """(N, m) values of m >= 2 methods over N blocks, none missing."""
    from scipy import stats  # a second that a run, which reads its cells too, can do without

    ranks = stats.rankdata(-values if higher_is_better else values, axis=1).mean(0)  # (m,)
    order = [int(i) for i in np.argsort(ranks, kind="stable")]
    rows = [
        {"method": methods[a], "other": methods[b], "p": _wilcoxon(values[:, a] - values[:, b])}
        for a, b in combinations(order, 2)
    ]
    adjusted = statistics.holm(np.array([row["p"] for row in rows], np.float64))
    tests = pl.DataFrame(rows).with_columns(p_holm=pl.Series(adjusted))
    differ = {
        (row["method"], row["other"])
        for row in tests.iter_rows(named=True)
        if row["p_holm"] < ALPHA
    }
    names = [methods[i] for i in order]
    return Critical(
        pl.DataFrame({"method": names, "rank": ranks[order]}),
        len(values),
        _friedman(values),
        tests,
        _cliques(names, differ),
    )


def _friedman(values: Float) -> float:
    """Its chi-square where there are three methods, else Wilcoxon's p of the two."""
    if values.shape[1] == 2:
        return _wilcoxon(values[:, 0] - values[:, 1])
    if len(values) < 2 or not np.ptp(values, axis=1).any():
        return 1.0
    from scipy import stats

    return float(stats.friedmanchisquare(*values.T).pvalue)


def _wilcoxon(change: Float) -> float:
    from scipy import stats

    signed = np.sort(np.sign(change) * stats.rankdata(np.abs(change)))
    return _of_signed_ranks(tuple(signed)) if signed.any() else 1.0


@lru_cache(maxsize=1 << 16)
def _of_signed_ranks(signed: tuple[float, ...]) -> float:
    """All that Wilcoxon's test looks at; of few blocks many pairs have the same."""
    from scipy import stats

    if len(signed) > EXACT:
        return float(stats.wilcoxon(signed).pvalue)
    moved = np.array([rank for rank in signed if rank])
    ranks = (2 * stats.rankdata(np.abs(moved))).astype(int)  # shared ranks are halves
    sums = np.ones(1)  # sums[w]: how many of the 2^n choices of signs have 2 W+ = w
    for rank in ranks:
        sums = np.pad(sums, (0, rank)) + np.pad(sums, (rank, 0))
    at = int(ranks[moved > 0].sum())
    tail = min(sums[: at + 1].sum(), sums[at:].sum())
    return float(min(1.0, 2 * tail / 2 ** len(moved)))


def _cliques(names: list[str], differ: set[tuple[str, str]]) -> tuple[tuple[str, ...], ...]:
    cliques: list[tuple[str, ...]] = []
    end = 0
    for first in range(len(names)):
        last = first
        while last + 1 < len(names) and not any(
            (names[at], names[last + 1]) in differ for at in range(first, last + 1)
        ):
            last += 1
        if last > first and last + 1 > end:
            cliques.append(tuple(names[first : last + 1]))
            end = last + 1
    return tuple(cliques)
