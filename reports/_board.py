"""What the site's leaderboard and its plot redraw: levels of every metric and K, and costs.

Lists of one length each: a place in them is a method, so that a page holds each name once.
"""

from typing import Any

from coldbench.metrics.compute import parse_metric

from ._costs import cost, idle
from ._setting import SettingResults
from ._values import metric_name

Levels = dict[str, list[dict[int, list[float | None]]]]  # metric -> set -> K -> method


def board(every: list[SettingResults]) -> dict[str, Any]:
    """The record that `_site.js` reads. Rows of fewer seeds, so of other users, have no level."""
    methods = list(dict.fromkeys(m for setting in every for m in setting.ranked["method"]))
    families = {name: family for s in every for family, names in s.methods for name in names}
    metrics = dict.fromkeys(name for setting in every for name in setting.results.metrics)
    return {
        "metric": every[0].results.headline if every else "",
        "names": {name: metric_name(name) for name in metrics},
        "falls": [name for name in metrics if not parse_metric(name)[0].higher_is_better],
        "methods": methods,
        "families": [families[name] for name in methods],
        "sets": [
            {"name": s.dataset, "title": s.title, "shots": s.shots, "small": s.is_too_small}
            for s in every
        ],
        "levels": levels(every, methods, "value"),
    }


def explored(every: list[SettingResults]) -> dict[str, Any]:
    """The same with intervals, chance, and cost: ms for one user, users adapted to in a second."""
    of = board(every)
    for column in ("low", "high"):
        of[column] = levels(every, of["methods"], column)
    of["chance"] = levels(every, ["chance"], "value")
    for known, setting in zip(of["sets"], every, strict=True):
        rows = {r["method"]: r for r in setting.of(setting.results.costs).iter_rows(named=True)}
        costs = [rows.get(name) for name in of["methods"]]
        known["ms"] = [None if row is None else _short(cost(row)) for row in costs]
        known["rate"] = [
            None if row is None or idle(row) else _short(row["adapt_users_per_second"])
            for row in costs
        ]
    return of


def levels(every: list[SettingResults], methods: list[str], column: str) -> Levels:
    """A column of the frame `table` by metric, set, K and method; None where there is none."""
    place = {name: at for at, name in enumerate(methods)}
    found: Levels = {}
    for at, setting in enumerate(every):
        rows = setting.of(setting.results.table).drop_nulls([column, "shots"])
        for method, metric, shots, value in rows.select(
            "method", "metric", "shots", column
        ).iter_rows():
            if method not in place or method in setting.few:
                continue
            by_set = found.setdefault(metric, [{} for _ in every])
            by_set[at].setdefault(shots, [None] * len(methods))[place[method]] = round(value, 4)
    return found


def _short(x: float | None) -> float | None:
    return None if x is None else float(f"{x:.3g}")
