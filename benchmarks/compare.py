"""`coldbench compare RUN A B`: two methods paired by user and split, and the answer in words."""

from pathlib import Path

import numpy as np
import polars as pl

from coldbench.errors import unknown
from coldbench.results import read
from coldbench.statistics import Difference, bootstrap_weights, paired

METRICS = ("ndcg@10", "ndcg@5", "auc", "mrr", "accuracy", "mae", "log-loss")
LOWER = ("mae", "log-loss")  # where less is better


def compare(run: Path, one: str, other: str) -> str:
    """A table for each dataset and protocol at the largest K, with a sentence under it."""
    users = read(run, metrics=METRICS, resamples=2).users
    known = users["method"].unique().sort().to_list()
    for name in (one, other):
        if name not in known:
            raise unknown("method in this run", name, known, f"it has {', '.join(known)}")
    parts = []
    for (dataset, protocol), table in users.group_by("dataset", "protocol", maintain_order=True):
        at = table.filter(pl.col("shots") == table["shots"].max())
        keys = ["seed", "user"]
        mine, theirs = (at.filter(pl.col("method") == name) for name in (one, other))
        both = mine.join(theirs, keys, suffix=" other").sort(keys)
        title = f"{dataset}, {protocol}, K = {at['shots'][0]}: {one} less {other}"
        parts.append(f"{title}\n{_table(both, one, other)}")
    return "\n\n".join(parts)


def _table(both: pl.DataFrame, one: str, other: str) -> str:
    if not len(both):
        return "no user was met by both"
    weights = bootstrap_weights(both["user"].to_numpy().astype(np.int64), resamples=10_000)
    head = f"{'metric':10} {one:>14} {other:>14} {'difference':>11} {'95 % interval':>18} {'p':>7}"
    lines = [f"{head}  better  worse"]
    verdict = ""
    for metric in METRICS:
        a, b = (both[c].to_numpy().astype(np.float64) for c in (metric, f"{metric} other"))
        found = paired(a, b, weights, both["seed"].to_numpy().astype(np.int64))
        better, worse = found.helped, found.harmed
        if metric in LOWER:
            better, worse = worse, better
        values = f"{np.nanmean(a):>14.4f} {np.nanmean(b):>14.4f} {found.mean:>+11.4f}"
        span = f"[{found.low:+.4f}, {found.high:+.4f}]"
        shares = f"{better:>6.0%} {worse:>6.0%}"
        lines.append(f"{metric:10} {values} {span:>18} {found.p:>7.4f}  {shares}")
        if metric == "ndcg@5":
            verdict = _verdict(found, one, other, len(both))
    return "\n".join([*lines, verdict])


def _verdict(found: Difference, one: str, other: str, episodes: int) -> str:
    """In words, by NDCG@5."""
    behind = f"over {episodes} paired episodes"
    if np.isnan(found.p):
        return f"Nothing can be said {behind}."
    if found.p < 0.05:
        better, worse = (one, other) if found.mean > 0 else (other, one)
        return f"{better} is better than {worse} in NDCG@5 by {abs(found.mean):.4f} {behind}."
    return (
        f"No difference in NDCG@5 is shown {behind}; one of {found.detectable:.4f} or more "
        "would have been seen 4 times in 5."
    )
