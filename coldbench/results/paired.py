"""Paired differences: a method beside its own K = 0 and beside the row to beat, user by user.

The arithmetic is that of statistics.differences; here it is said which pairs, and in words.
"""

from collections import defaultdict
from dataclasses import asdict
from typing import Any

import numpy as np

from coldbench.metrics import statistics
from coldbench.metrics.compute import known
from coldbench.results.user_scores import Blocks, Draws, Float

REFERENCE = "item-bias"  # the row to beat
OWN = "K = 0"  # what a method is beside itself
STILL = 1e-3  # scores that move by less than this share of the scale have not adapted
CERTAIN = 0.05  # a Holm-adjusted p below this is shown as real
DIGITS = 6  # kept of every number, so that the order of a sum cannot be seen

Row = dict[str, Any]


def number(x: Any) -> float | None:
    """Rounded; None where it has no meaning."""
    return None if x is None or np.isnan(float(x)) else round(float(x), DIGITS)


def gains(methods: dict[str, dict[int, Blocks]], metrics: list[str], draws: Draws) -> list[Row]:
    """Every method at every K against its own K = 0 and against item-bias at the same K, on the
    blocks that both have; p is adjusted by Holm over all that is tested of a metric at one K."""
    rows: list[Row] = []
    waiting: dict[bytes, list[tuple[int, Blocks, Float]]] = defaultdict(list)
    for method, by_shots in methods.items():
        for shots, blocks in by_shots.items():
            others = {
                OWN: by_shots.get(0) if shots else None,
                REFERENCE: methods.get(REFERENCE, {}).get(shots) if method != REFERENCE else None,
            }
            for against, found in others.items():
                if found is None:
                    continue
                mine, other = blocks.beside(found)
                if not len(mine):
                    continue
                waiting[mine.key].append((len(rows), mine, mine.values - other.values))
                seeds = len(np.unique(mine.seeds))
                rows += [
                    {"method": method, "shots": shots, "metric": metric, "against": against,
                     "seeds": seeds} for metric in metrics
                ]  # fmt: skip
    for pairs in waiting.values():
        blocks = pairs[0][1]
        changes = np.concatenate([change for _, _, change in pairs], 1)
        differences = paired(changes, draws.of(blocks), blocks.seeds)
        for (at, _, _), some in zip(pairs, _chunks(differences, len(metrics)), strict=True):
            for row, more in zip(rows[at : at + len(metrics)], some, strict=True):
                row.update(more)
                if not known(row["metric"])[0].higher_is_better:
                    row["helped"], row["harmed"] = row["harmed"], row["helped"]
    _adjust(rows)
    return [row for row in rows if row["users"]]


def paired(
    changes: Float, weights: statistics.Weights, seeds: statistics.Int | None = None
) -> list[Row]:
    """statistics.differences of (n, m) changes as rows: rounded, None where one has no meaning."""
    return [
        {name: number(x) for name, x in asdict(found).items() if name != "n"} | {"users": found.n}
        for found in statistics.differences(changes, weights, seeds)
    ]


def _chunks(rows: list[Row], size: int) -> list[list[Row]]:
    return [rows[at : at + size] for at in range(0, len(rows), size)]


def tested(row: Row) -> bool:
    """Whether there is something to test: more than one user, and not the same for all of them."""
    return row["p"] is not None and bool(row["helped"] or row["harmed"])


def _adjust(rows: list[Row]) -> None:
    """Where nothing differs nothing is tested, and nothing is counted."""
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


def verdict(moved: float, gain: Row | None) -> str:
    """What adapting did, in words: `moved` is the mean change of a score (0: the method takes no
    support), `gain` the row against its own K = 0."""
    if moved and gain is not None and gain["p_holm"] is not None and gain["p_holm"] < CERTAIN:
        ends = sorted(abs(gain[end]) for end in ("low", "high"))
        better = (gain["mean"] > 0) == known(gain["metric"])[0].higher_is_better
        words = " ".join([plain(abs(gain["mean"])), f"[{plain(ends[0])}, {plain(ends[1])}]"])
        return f"{'gains' if better else 'loses'} {words}"
    return "does not adapt" if moved < STILL else "adapts, no gain shown"


def plain(x: float, digits: int = 3) -> str:
    """`.016`, `-.002`, `1.204`: a statistician's number."""
    text = f"{x:.{digits}f}"
    text = text.removeprefix("-") if float(text) == 0 else text
    return text.replace("0.", ".", 1) if text.lstrip("-").startswith("0.") else text
