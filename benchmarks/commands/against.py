"""`coldbench compare RUN METHOD`: every method beside this one, on every set, paired by user."""

from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from coldbench.cell import read_runs
from coldbench.errors import UserError, unknown
from coldbench.metrics import statistics
from coldbench.metrics.compute import parse_metric
from coldbench.results.bootstrap import Bootstrap
from coldbench.results.paired import ALPHA
from coldbench.results.rounding import plain
from coldbench.results.user_scores import UserScores, read_user_scores

from .compare import by_setting

Row = dict[str, Any]
METRIC = "ndcg@5"
AT = ("at the largest K", "mean over K")  # of labels given, K = 0 left out


def against(run: Path, other: str, metrics: Sequence[str] = (METRIC,)) -> list[Row]:
    """A row for each metric, setting, method and AT: what the method's users gain over the same
    users of `other`, best first within a setting and AT.

    mean, low and high are in the metric's unit, the interval 95 % over users and seeds; p_holm is
    p after Holm's correction over all rows of a metric and AT, whatever the setting; n counts pairs
    of user and seed; detectable is the difference that would show 4 times in 5. Raises UserError
    where `other` has no finished cell or a metric is none per user.
    """
    for metric in metrics:
        if not parse_metric(metric)[0].per_user:
            raise UserError(
                f"{metric} is no metric per user, and users are paired here; auc is one"
            )
    settings = by_setting([cell for cell in read_runs([run]) if cell.status == "done"])
    names = sorted({name for methods in settings.values() for name in methods})
    if other not in names:
        raise unknown("method in this run", other, names, f"it has {', '.join(names) or 'none'}")
    rows: list[Row] = []
    for (dataset, protocol), methods in settings.items():
        scores = {name: read_user_scores(cells, metrics) for name, cells in methods.items()}
        limit, bootstrap = next(iter(methods.values()))[0].spec.limit, Bootstrap()
        rows += [
            {"dataset": dataset, "protocol": protocol, "limit": limit, "method": name,
             "other": other, **row}
            for name in scores.keys() - {other}
            for row in _rows(scores[name], scores.get(other, {}), metrics, bootstrap)
        ]  # fmt: skip
    places = list(settings)

    def order(row: Row) -> tuple[int, int, int, float, str]:
        rises = parse_metric(row["metric"])[0].higher_is_better
        place = places.index((row["dataset"], row["protocol"]))
        mean = -row["mean"] if rises else row["mean"]
        return metrics.index(row["metric"]), place, AT.index(row["at"]), mean, row["method"]

    for metric, at in product(metrics, AT):
        family = [row for row in rows if (row["metric"], row["at"]) == (metric, at)]
        adjusted = statistics.holm(np.array([row["p"] for row in family]))
        for row, p in zip(family, adjusted, strict=True):
            row["p_holm"] = float(p)
    return sorted(rows, key=order)


def _rows(
    mine: dict[int, UserScores],
    others: dict[int, UserScores],
    metrics: Sequence[str],
    bootstrap: Bootstrap,
) -> list[Row]:
    """One for each metric and each of AT that both have."""
    common = sorted(mine.keys() & others.keys())
    rows = []
    for at, over in zip(AT, (common[-1:], [k for k in common if k > 0]), strict=True):
        pairs = [mine[k].align(others[k]) for k in over]  # the same users at every K
        if not pairs or not len(pairs[0][0]):
            continue
        first = pairs[0][0]
        weights = bootstrap.weights(first)
        a, b = (np.mean([pair[side].values for pair in pairs], 0) for side in (0, 1))  # (n, M)
        gains = statistics.differences(a - b, weights, first.seeds)
        for metric, gain, x, y in zip(metrics, gains, a.T, b.T, strict=True):
            level = float(y[~np.isnan(x - y)].mean()) if gain.n else np.nan
            if gain.n:  # some metrics are undefined for implicit feedback
                rows.append(
                    {"metric": metric, "at": at, "shots": over, "level": level, **vars(gain)}
                )
    return rows


def words(rows: Sequence[Row]) -> str:
    """For each metric a table for each setting, and who is above and below."""
    if not rows:
        return "no other method has a finished cell where this one has"
    parts = []
    for metric in dict.fromkeys(row["metric"] for row in rows):
        parts.append(_of_metric([row for row in rows if row["metric"] == metric]))
    return "\n\n".join(parts)


def _of_metric(rows: list[Row]) -> str:
    metric, other = rows[0]["metric"], rows[0]["other"]
    tests = max(sum(row["at"] == at for row in rows) for at in AT)
    lines = [
        f"Each method less {other}, {metric}, paired by user. Intervals are 95 %, not corrected;",
        f"p is after Holm's correction over all {tests} differences of its column.",
    ]
    for where in dict.fromkeys((row["dataset"], row["protocol"]) for row in rows):
        lines += ["", *_table([r for r in rows if (r["dataset"], r["protocol"]) == where])]
    lines.append("")
    for at in AT:
        better, worse = (_named(rows, at, better=side) for side in (True, False))
        lines.append(f"Better than {other} {at}, p below .05: {better}. Worse: {worse}.")
    return "\n".join(lines)


def _table(rows: list[Row]) -> list[str]:
    first = rows[0]
    stamp = "" if first["limit"] is None else f", LIMITED to {first['limit']} users a seed: a trial"
    lines = [f"{first['dataset']}, {first['protocol']}{stamp}"]
    for at in AT:
        here = [row for row in rows if row["at"] == at]
        if here:
            shots = ", ".join(map(str, here[0]["shots"]))
            would = plain(float(np.median([row["detectable"] for row in here])))
            level = f"{first['other']} {plain(here[0]['level'])}"
            lines.append(f"{at}, K = {shots}: {level}; a difference of {would} would show")
    lines.append(f"{'method':20}" + "".join(f"{at:>26}{'p':>7}" for at in AT) + "   users")
    for method in dict.fromkeys(row["method"] for row in rows):
        of = {row["at"]: row for row in rows if row["method"] == method}
        n = max(row["n"] for row in of.values())
        lines.append(f"{method:20}" + "".join(_cell(of.get(at)) for at in AT) + f"{n:>8,}")
    return lines


def _cell(row: Row | None) -> str:
    if row is None:
        return " " * 33
    mean = f"{'+' if row['mean'] > 0 else ''}{plain(row['mean'])}"
    if np.isnan(row["p"]):
        return f"{mean + ' one user':>26}{'':>7}"
    interval = f"{mean} [{plain(row['low'])}, {plain(row['high'])}]"
    return f"{interval:>26}{plain(row['p_holm']):>7}"


def _named(rows: list[Row], at: str, *, better: bool) -> str:
    above = parse_metric(rows[0]["metric"])[0].higher_is_better == better
    found = [
        f"{row['method']} on {row['dataset']}"
        for row in rows
        if row["at"] == at and row["p_holm"] < ALPHA and (row["mean"] > 0) == above
    ]
    return ", ".join(found) or "none"
