"""`coldbench compare RUN A B`: two methods paired by user and split, and the answer in words."""

from pathlib import Path

import numpy as np

from coldbench.blocks import Blocks, read_blocks
from coldbench.cell import Cell, read_runs
from coldbench.errors import unknown
from coldbench.metrics import known
from coldbench.statistics import Difference, bootstrap_weights, paired

METRICS = ("ndcg@10", "ndcg@5", "auc", "mrr", "accuracy", "mae", "log-loss")


def compare(run: Path, one: str, other: str) -> str:
    """A table for each dataset and protocol at the largest K, with a sentence under it."""
    done = [cell for cell in read_runs([run]) if cell.status == "done"]
    names = sorted({cell.name for cell in done})
    for name in (one, other):
        if name not in names:
            raise unknown("method in this run", name, names, f"it has {', '.join(names)}")
    sections: dict[tuple[str, str], dict[str, list[Cell]]] = {}
    for cell in done:
        here = sections.setdefault((cell.spec.dataset, cell.spec.protocol), {})
        here.setdefault(cell.name, []).append(cell)
    parts = []
    for (dataset, protocol), methods in sections.items():
        if not {one, other} <= methods.keys():
            continue
        mine, theirs = (read_blocks(methods[name], METRICS) for name in (one, other))
        shots = max(mine.keys() & theirs.keys())
        title = f"{dataset}, {protocol}, K = {shots}: {one} less {other}"
        parts.append(f"{title}\n{_table(*mine[shots].beside(theirs[shots]), one, other)}")
    return "\n\n".join(parts) or f"{one} and {other} have no dataset and protocol in common"


def _table(mine: Blocks, theirs: Blocks, one: str, other: str) -> str:
    if not len(mine):
        return "no user was met by both"
    weights = bootstrap_weights(mine.users, resamples=10_000)
    head = f"{'metric':10} {one:>14} {other:>14} {'difference':>11} {'95 % interval':>18} {'p':>7}"
    lines = [f"{head}  better  worse"]
    verdict = ""
    for metric, a, b in zip(METRICS, mine.values.T, theirs.values.T, strict=True):
        found = paired(a, b, weights, mine.seeds)
        if not found.n:  # of likes alone some metrics say nothing
            continue
        better, worse = found.helped, found.harmed
        if not known(metric)[0].higher_is_better:
            better, worse = worse, better
        values = f"{np.nanmean(a):>14.4f} {np.nanmean(b):>14.4f} {found.mean:>+11.4f}"
        span = f"[{found.low:+.4f}, {found.high:+.4f}]"
        shares = f"{better:>6.0%} {worse:>6.0%}"
        lines.append(f"{metric:10} {values} {span:>18} {found.p:>7.4f}  {shares}")
        if metric == "ndcg@5":
            verdict = _verdict(found, one, other, len(mine))
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
