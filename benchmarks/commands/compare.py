"""`coldbench compare RUN A B`: two methods paired by user and split, and the answer in words."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from coldbench.cell import Cell, read_runs
from coldbench.errors import UserError, unknown
from coldbench.metrics import statistics
from coldbench.metrics.compute import parse_metric
from coldbench.metrics.statistics import Difference, bootstrap_weights
from coldbench.results import paired, pairwise
from coldbench.results.bootstrap import Bootstrap
from coldbench.results.paired import ALPHA, BASELINE
from coldbench.results.rounding import plain
from coldbench.results.user_scores import UserScores, read_user_scores

METRICS = ("ndcg@10", "ndcg@5", "auc", "mrr", "accuracy", "mae", "log-loss")
VERDICT = "ndcg@5"  # the metric that words are about, as on the report's page
AT = METRICS.index(VERDICT)


def compare(run: Path, method: str, other: str, metrics: Sequence[str] = ()) -> str:
    """The comparisons as a table each, with sentences under it: the verdict on this one, and the
    report's, which corrects for all that it tests."""
    parts = [_words(row) for row in comparisons(run, method, other, metrics)]
    return "\n\n".join(parts) or f"{method} and {other} have no dataset and protocol in common"


def comparisons(
    run: Path, method: str, other: str, metrics: Sequence[str] = ()
) -> list[dict[str, Any]]:
    """One for each dataset and protocol that both have, at the largest K, ready for JSON.

    metrics: rows of the table, by default METRICS; the verdict is about NDCG@5 whichever they are.
    shots is None where they have no K in common; n counts pairs of user and seed; differences are
    `method` less `other`, better and worse the shares of pairs; verdict and report are sentences.
    Raises UserError where one of them has no finished cell, or a metric is none per user.
    """
    for name in metrics:
        if not parse_metric(name)[0].per_user:
            raise UserError(f"{name} is no metric per user, and users are paired here; auc is one")
    measured = tuple(dict.fromkeys((*METRICS, *metrics)))
    cells = read_runs([run])
    done = [cell for cell in cells if cell.status == "done"]
    for name in (method, other):
        _check_finished(name, cells, done)
    rows = []
    for (dataset, protocol), methods in by_setting(done).items():
        if not {method, other} <= methods.keys():
            continue
        scores = {name: read_user_scores(many, measured) for name, many in methods.items()}
        common = scores[method].keys() & scores[other].keys()
        row: dict[str, Any] = {
            "dataset": dataset, "protocol": protocol, "method": method, "other": other,
            "limit": methods[method][0].spec.limit, "shots": max(common, default=None),
            "n": 0, "metrics": [], "verdict": "", "report": "",
        }  # fmt: skip
        rows.append(row)
        if common:
            mine, theirs = scores[method][max(common)].align(scores[other][max(common)])
            row["n"] = len(mine)
        if row["n"]:
            lines, row["verdict"] = _differences(mine, theirs, method, other, measured)
            by_name = {line["metric"]: line for line in lines}
            row["metrics"] = [by_name[m] for m in metrics or METRICS if m in by_name]
            row["report"] = _corrected(scores, method, other)
    return rows


def by_setting(cells: list[Cell]) -> dict[tuple[str, str], dict[str, list[Cell]]]:
    """(dataset, protocol) -> method -> its cells."""
    settings: dict[tuple[str, str], dict[str, list[Cell]]] = {}
    for cell in cells:
        methods = settings.setdefault((cell.spec.dataset, cell.spec.protocol), {})
        methods.setdefault(cell.name, []).append(cell)
    return settings


def _check_finished(name: str, cells: list[Cell], done: list[Cell]) -> None:
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


def _differences(
    mine: UserScores, theirs: UserScores, method: str, other: str, metrics: Sequence[str]
) -> tuple[list[dict[str, Any]], str]:
    """A row for each metric that is defined, and the verdict."""
    weights = bootstrap_weights(mine.users, resamples=10_000)
    rows, verdict = [], ""
    for metric, a, b in zip(metrics, mine.values.T, theirs.values.T, strict=True):
        gain = statistics.paired(a, b, weights, mine.seeds)
        if not gain.n:  # some metrics are undefined for implicit feedback
            continue
        better, worse = gain.helped, gain.harmed
        if not parse_metric(metric)[0].higher_is_better:
            better, worse = worse, better
        both = ~np.isnan(a - b)  # the rows that the difference is of
        rows.append({
            "metric": metric, "method": float(a[both].mean()), "other": float(b[both].mean()),
            "difference": gain.mean, "low": gain.low, "high": gain.high, "p": gain.p,
            "better": better, "worse": worse,
        })  # fmt: skip
        if metric == VERDICT:
            verdict = _verdict(gain, method, other, len(mine))
    return rows, verdict


def _words(row: dict[str, Any]) -> str:
    where, pair = f"{row['dataset']}, {row['protocol']}", f"{row['method']} less {row['other']}"
    if row["shots"] is None:
        return f"{where}: no K that both have"
    limit = row["limit"]
    stamp = "" if limit is None else f" (LIMITED to {limit} users a seed: a trial, no result)"
    title = f"{where}, K = {row['shots']}: {pair}{stamp}"
    if not row["n"]:
        return f"{title}\nno user was evaluated by both"
    names = f"{row['method']:>14} {row['other']:>14}"
    head = f"{'metric':10} {names} {'difference':>11} {'95 % interval':>18} {'p':>7}  better  worse"
    lines = [title, head, *map(_line, row["metrics"]), row["verdict"], row["report"]]
    return "\n".join(lines)


def _line(row: dict[str, Any]) -> str:
    values = f"{row['method']:>14.4f} {row['other']:>14.4f} {row['difference']:>+11.4f}"
    none = np.isnan(row["p"])
    interval = "one user: none" if none else f"[{row['low']:+.4f}, {row['high']:+.4f}]"
    p = f"{'':>7}" if none else f"{row['p']:>7.4f}"
    shares = f"{row['better']:>6.0%} {row['worse']:>6.0%}"
    return f"{row['metric']:10} {values} {interval:>18} {p}  {shares}"


def _verdict(gain: Difference, method: str, other: str, n: int) -> str:
    """In words, by NDCG@5."""
    over = f"over {n} paired evaluated user{'' if n == 1 else 's'}"
    if np.isnan(gain.p):
        return f"No test is possible {over}, all of them the same user."
    rule = f"p {gain.p:.4f}, not corrected: right where this comparison alone was planned"
    if gain.p < ALPHA:
        better, worse = (method, other) if gain.mean > 0 else (other, method)
        size = f"{abs(gain.mean):.4f}"
        return f"{better} is better than {worse} in NDCG@5 by {size} {over} ({rule})."
    return (
        f"No difference in NDCG@5 is shown {over} ({rule}); one of {gain.detectable:.4f} or "
        "more would have been seen 4 times in 5."
    )


def _corrected(scores: dict[str, dict[int, UserScores]], row_method: str, other: str) -> str:
    """What the report says of the same two: Holm's correction over the family it tests them in."""
    bootstrap = Bootstrap(100)  # for intervals, which are not asked for
    by = {
        method: {k: b.only(AT) for k, b in by_shots.items()} for method, by_shots in scores.items()
    }
    if BASELINE in (row_method, other):
        rows = paired.compare(by, [VERDICT], bootstrap)
        of = (other if row_method == BASELINE else row_method), BASELINE
        row = next((r for r in rows[::-1] if (r["method"], r["against"]) == of), None)
        family = [r for r in rows if row and r["shots"] == row["shots"] and paired.tested(r)]
        what = "differences to item-bias and to a method's own K = 0"
    else:
        family = [r for r in pairwise.pairs(by, VERDICT, 0, bootstrap) if r["p"] is not None]
        row = next((r for r in family if {r["method"], r["other"]} == {row_method, other}), None)
        what = "pairs of methods"
    if row is None or row["p_holm"] is None:
        return "The report has no test of the two."
    sure = "significant" if row["p_holm"] < ALPHA else "not significant"
    return (
        f"The report, which tests {len(family)} {what} at K = {row['shots']} at once, has p "
        f"{plain(row['p_holm'], 4)} after Holm's correction: {sure}."
    )
