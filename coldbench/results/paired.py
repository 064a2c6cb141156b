"""Paired differences: a method beside its own K = 0 and beside the row to beat, user by user.

The arithmetic is that of statistics.differences; here are which pairs, and their rows.
"""

from collections import defaultdict

import numpy as np

from coldbench.metrics import statistics
from coldbench.metrics.compute import parse_metric
from coldbench.results.bootstrap import Bootstrap
from coldbench.results.rounding import number
from coldbench.results.schema import Row, schema
from coldbench.results.setting import Setting
from coldbench.results.user_scores import Float, MethodScores, UserScores

BASELINE = "item-bias"  # the row to beat
OWN_ZERO_SHOT = "K = 0"  # what a method is beside itself
ALPHA = 0.05  # a Holm-adjusted p below this is shown as real

FRAME = "gains"
SCHEMA = schema(
    "method metric against", "shots users seeds", "mean low high p p_holm helped harmed detectable"
)


def rows(setting: Setting) -> list[Row]:
    """Every K: method minus `against`, in the metric's own unit."""
    return compare(setting.scores, setting.per_user, setting.bootstrap)


def compare(methods: MethodScores, metrics: list[str], bootstrap: Bootstrap) -> list[Row]:
    """Every method at every K against its own K = 0 and against item-bias at the same K, on the
    users that both have; p is adjusted by Holm over all that is tested of a metric at one K."""
    rows: list[Row] = []
    waiting: dict[bytes, list[tuple[int, UserScores, Float]]] = defaultdict(list)
    for method, by_shots in methods.items():
        for shots, scores in by_shots.items():
            others = {
                OWN_ZERO_SHOT: by_shots.get(0) if shots else None,
                BASELINE: methods.get(BASELINE, {}).get(shots) if method != BASELINE else None,
            }
            for against, base in others.items():
                if base is None:
                    continue
                mine, other = scores.align(base)
                if not len(mine):
                    continue
                waiting[mine.key].append((len(rows), mine, mine.values - other.values))
                seeds = len(np.unique(mine.seeds))
                rows += [
                    {"method": method, "shots": shots, "metric": metric, "against": against,
                     "seeds": seeds} for metric in metrics
                ]  # fmt: skip
    for pairs in waiting.values():
        scores = pairs[0][1]
        changes = np.concatenate([change for _, _, change in pairs], 1)
        results = differences(changes, bootstrap.weights(scores), scores.seeds)
        for (at, _, _), of_pair in zip(pairs, _chunks(results, len(metrics)), strict=True):
            for row, more in zip(rows[at : at + len(metrics)], of_pair, strict=True):
                row.update(more)
                if not parse_metric(row["metric"])[0].higher_is_better:
                    row["helped"], row["harmed"] = row["harmed"], row["helped"]
    adjust(rows)
    return [row for row in rows if row["users"]]


def differences(
    changes: Float, weights: statistics.Weights, seeds: statistics.Int | None = None
) -> list[Row]:
    """statistics.differences of (n, m) changes as rows: rounded, None where one has no meaning."""
    return [
        {name: number(x) for name, x in vars(result).items() if name != "n"} | {"users": result.n}
        for result in statistics.differences(changes, weights, seeds)
    ]


def _chunks(rows: list[Row], size: int) -> list[list[Row]]:
    return [rows[at : at + size] for at in range(0, len(rows), size)]


def tested(row: Row) -> bool:
    """Whether there is something to test: more than one user, and not the same for all of them."""
    return row["p"] is not None and bool(row["helped"] or row["harmed"])


def adjust(rows: list[Row]) -> None:
    """Add p_holm, over what is tested of a metric at one K, and round p. Where nothing differs
    nothing is tested, and nothing is counted."""
    families: dict[tuple[str, int], list[Row]] = defaultdict(list)
    for row in rows:
        row["p_holm"] = None if row["p"] is None else 1.0
        if tested(row):
            families[row["metric"], row["shots"]].append(row)
    for family in families.values():
        adjusted = statistics.holm(np.array([row["p"] for row in family]))
        for row, p in zip(family, adjusted, strict=True):
            row["p_holm"] = float(f"{p:.6g}")
    for row in rows:
        if row["p"] is not None:
            row["p"] = float(f"{row['p']:.6g}")
