"""`coldbench compare RUN A B`: two methods paired by user and split, and the answer in words."""

from pathlib import Path

import numpy as np

from coldbench.cell import Cell, read_runs
from coldbench.errors import UserError, unknown
from coldbench.metrics import statistics
from coldbench.metrics.compute import known
from coldbench.metrics.statistics import Difference, bootstrap_weights
from coldbench.results import paired, pairwise
from coldbench.results.paired import CERTAIN, REFERENCE
from coldbench.results.rounding import plain
from coldbench.results.user_scores import Blocks, Draws, read_blocks

METRICS = ("ndcg@10", "ndcg@5", "auc", "mrr", "accuracy", "mae", "log-loss")
VERDICT = "ndcg@5"  # the metric that words are about, as on the report's page
AT = METRICS.index(VERDICT)


def compare(run: Path, one: str, other: str) -> str:
    """A table for each dataset and protocol at the largest K, with sentences under it: the verdict
    on this one comparison, and the report's, which corrects for all that it tests."""
    cells = read_runs([run])
    done = [cell for cell in cells if cell.status == "done"]
    for name in (one, other):
        _asked_for(name, cells, done)
    sections: dict[tuple[str, str], dict[str, list[Cell]]] = {}
    for cell in done:
        here = sections.setdefault((cell.spec.dataset, cell.spec.protocol), {})
        here.setdefault(cell.name, []).append(cell)
    parts = []
    for (dataset, protocol), methods in sections.items():
        if not {one, other} <= methods.keys():
            continue
        blocks = {name: read_blocks(many, METRICS) for name, many in methods.items()}
        common = blocks[one].keys() & blocks[other].keys()
        if not common:
            parts.append(f"{dataset}, {protocol}: no K that both have")
            continue
        limit = methods[one][0].spec.limit
        stamp = "" if limit is None else f" (LIMITED to {limit} users a seed: a trial, no result)"
        title = f"{dataset}, {protocol}, K = {max(common)}: {one} less {other}{stamp}"
        mine, theirs = blocks[one][max(common)].beside(blocks[other][max(common)])
        parts.append(f"{title}\n{_table(mine, theirs, one, other)}")
        if len(mine):
            parts[-1] += f"\n{_corrected(blocks, one, other)}"
    return "\n\n".join(parts) or f"{one} and {other} have no dataset and protocol in common"


def _asked_for(name: str, cells: list[Cell], done: list[Cell]) -> None:
    names = sorted({cell.name for cell in done})
    if name in names:
        return
    for cell in cells:
        if cell.name == name:
            where = f" in {cell.stage}" if cell.stage else ""
            why = f": {cell.reason}" if cell.reason else ""
            raise UserError(
                f"{name} has no finished cell in this run; it is {cell.status}{where}{why}"
            )
    raise unknown("method in this run", name, names, f"it has {', '.join(names) or 'none yet'}")


def _table(mine: Blocks, theirs: Blocks, one: str, other: str) -> str:
    if not len(mine):
        return "no user was met by both"
    weights = bootstrap_weights(mine.users, resamples=10_000)
    head = f"{'metric':10} {one:>14} {other:>14} {'difference':>11} {'95 % interval':>18} {'p':>7}"
    lines = [f"{head}  better  worse"]
    verdict = ""
    for metric, a, b in zip(METRICS, mine.values.T, theirs.values.T, strict=True):
        found = statistics.paired(a, b, weights, mine.seeds)
        if not found.n:  # of likes alone some metrics say nothing
            continue
        better, worse = found.helped, found.harmed
        if not known(metric)[0].higher_is_better:
            better, worse = worse, better
        both = ~np.isnan(a - b)  # the rows that the difference is of
        values = f"{a[both].mean():>14.4f} {b[both].mean():>14.4f} {found.mean:>+11.4f}"
        none = np.isnan(found.p)
        span = "one user: none" if none else f"[{found.low:+.4f}, {found.high:+.4f}]"
        p = f"{'':>7}" if none else f"{found.p:>7.4f}"
        shares = f"{better:>6.0%} {worse:>6.0%}"
        lines.append(f"{metric:10} {values} {span:>18} {p}  {shares}")
        if metric == VERDICT:
            verdict = _verdict(found, one, other, len(mine))
    return "\n".join([*lines, verdict])


def _verdict(found: Difference, one: str, other: str, met: int) -> str:
    """In words, by NDCG@5."""
    behind = f"over {met} paired {'meeting' if met == 1 else 'meetings'}"
    if np.isnan(found.p):
        return f"Nothing can be said {behind} of one user."
    rule = f"p {found.p:.4f}, not corrected: right where this comparison alone was planned"
    if found.p < CERTAIN:
        better, worse = (one, other) if found.mean > 0 else (other, one)
        size = f"{abs(found.mean):.4f}"
        return f"{better} is better than {worse} in NDCG@5 by {size} {behind} ({rule})."
    return (
        f"No difference in NDCG@5 is shown {behind} ({rule}); one of {found.detectable:.4f} or "
        "more would have been seen 4 times in 5."
    )


def _corrected(blocks: dict[str, dict[int, Blocks]], one: str, other: str) -> str:
    """What the report says of the same two: Holm's correction over the family it tests them in."""
    draws = Draws(100)  # for intervals, which are not asked for
    by = {
        method: {k: b.only(AT) for k, b in by_shots.items()} for method, by_shots in blocks.items()
    }
    if REFERENCE in (one, other):
        rows = paired.gains(by, [VERDICT], draws)
        of = (other if one == REFERENCE else one), REFERENCE
        row = next((r for r in rows[::-1] if (r["method"], r["against"]) == of), None)
        family = [r for r in rows if row and r["shots"] == row["shots"] and paired.tested(r)]
        what = "differences to item-bias and to a method's own K = 0"
    else:
        family = [r for r in pairwise.pairs(by, VERDICT, 0, draws) if r["p"] is not None]
        row = next((r for r in family if {r["method"], r["other"]} == {one, other}), None)
        what = "pairs of methods"
    if row is None or row["p_holm"] is None:
        return "The report has no test of the two."
    sure = "significant" if row["p_holm"] < CERTAIN else "not significant"
    return (
        f"The report, which tests {len(family)} {what} at K = {row['shots']} at once, has p "
        f"{plain(row['p_holm'], 4)} after Holm's correction: {sure}."
    )
