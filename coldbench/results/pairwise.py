"""Any two methods beside each other: over users within a section, over blocks across a run.

Demšar, "Statistical Comparisons of Classifiers over Multiple Data Sets" (2006): Friedman's test of
all methods' ranks over blocks. Benavoli, Corani & Mangili (2016): then Wilcoxon's signed ranks,
pair by pair, Holm-corrected, since mean ranks depend on who else was compared.
"""

from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import polars as pl

from coldbench.metrics import statistics
from coldbench.metrics.compute import known
from coldbench.results import paired
from coldbench.results.user_scores import Blocks, Draws, Float

FEW = 6  # blocks below which Wilcoxon cannot find anything, whatever there is

Row = dict[str, Any]


def pairs(
    methods: dict[str, dict[int, Blocks]], metric: str, column: int, draws: Draws
) -> list[Row]:
    """Every method less every other at the largest K, over the users that both met. `column` is
    the metric's place in the blocks' values. Holm's correction is over all these pairs."""
    rows: list[Row] = []
    waiting: dict[bytes, list[tuple[int, Blocks, Float]]] = {}
    for one, other in combinations(methods, 2):
        shots = max(methods[one])
        if shots not in methods[other]:
            continue
        mine, theirs = methods[one][shots].beside(methods[other][shots])
        if not len(mine):
            continue
        change = mine.values[:, column] - theirs.values[:, column]
        waiting.setdefault(mine.key, []).append((len(rows), mine, change))
        rows.append({"method": one, "other": other, "shots": shots, "metric": metric})
    for many in waiting.values():
        blocks, changes = many[0][1], np.stack([change for _, _, change in many], 1)
        found = paired.paired(changes, draws.of(blocks), blocks.seeds)
        for (at, _, _), more in zip(many, found, strict=True):
            rows[at].update(more)
    p = np.array([np.nan if row["p"] is None else row["p"] for row in rows])
    for row, adjusted in zip(rows, statistics.holm(p), strict=True):
        row["p_holm"] = paired.number(adjusted)
        if not known(metric)[0].higher_is_better:
            row["helped"], row["harmed"] = row["harmed"], row["helped"]
    return [row for row in rows if row["users"]]


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
        if row["p_holm"] < paired.CERTAIN
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

    return float(stats.wilcoxon(change).pvalue) if np.any(change) else 1.0


def _cliques(names: list[str], differ: set[tuple[str, str]]) -> tuple[tuple[str, ...], ...]:
    found: list[tuple[str, ...]] = []
    end = 0
    for first in range(len(names)):
        last = first
        while last + 1 < len(names) and not any(
            (names[at], names[last + 1]) in differ for at in range(first, last + 1)
        ):
            last += 1
        if last > first and last + 1 > end:
            found.append(tuple(names[first : last + 1]))
            end = last + 1
    return tuple(found)
