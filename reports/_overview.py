"""The first table of a run: for every dataset and protocol its best method, and is it real."""

import polars as pl

from coldbench.metrics.compute import parse_metric
from coldbench.results.paired import ALPHA, BASELINE, OWN_ZERO_SHOT
from coldbench.results.results import Results
from coldbench.results.rounding import significant

from ._costs import cost
from ._setting import BASELINES, TOO_SMALL, SettingResults, level, settings
from ._values import Row, Table, Value, difference, metric_name, point


def overview(results: Results) -> Table | None:
    """None for a run of one setting: its own words say as much."""
    rows = [row for setting in settings(results) if (row := _row(setting)) is not None]
    if len(rows) < 2:
        return None
    metric = metric_name(results.headline)
    return Table(
        "overview",
        "Every dataset at a glance",
        f"The best method of each by {metric} at the largest K, paired by user; the sections below "
        "say on how many users and seeds, and which cells each number comes from.",
        f"▲ significant after Holm's correction over the differences in {metric} of its own "
        "setting, p beside it. The best of many looks better than it is: read the last columns "
        "first. ms a user: adapting and scoring.",
        (f"best by {metric}", "level", "chance", f"− {BASELINE}", "− own K = 0", "verdict",
         "ms a user"),
        (("", tuple(rows)),),
        "dataset, protocol",
    )  # fmt: skip


def glance(results: Results) -> str:
    """The first line of a run of several settings: in how many is a gain real."""
    metric = results.headline
    shown = 0
    beaten: list[str] = []
    helped: list[str] = []
    for setting in settings(results):
        if setting.ranked.is_empty():
            continue
        shown += 1
        rows = setting.tested(metric, setting.max_shots)
        rises = parse_metric(metric)[0].higher_is_better
        better = rows.filter(pl.col("p_holm") < ALPHA, (pl.col("mean") > 0) == rises)
        better = better.filter(~pl.col("method").is_in(BASELINES))
        for against, titles in ((BASELINE, beaten), (OWN_ZERO_SHOT, helped)):
            if better.filter(against=against).height:
                titles.append(setting.title)
    return (
        f"Of {shown} settings, some method is significantly better than {BASELINE} in "
        f"{_of(beaten)} and significantly better for its user's labels than without in "
        f"{_of(helped)}, by {metric_name(metric)} at the largest K of each."
    )


def _of(titles: list[str]) -> str:
    return (
        f"{len(titles)} ({'; '.join(titles)})"
        if 0 < len(titles) <= 3
        else str(len(titles) or "none")
    )


def _row(setting: SettingResults) -> Row | None:
    results, metric = setting.results, setting.results.headline
    ranked = setting.ranked
    if ranked.is_empty():
        return None
    shots, best = setting.max_shots, ranked.row(0, named=True)
    method = best["method"]
    chance = setting.of(results.table, method="chance", metric=metric, shots=shots)
    gains = setting.of(results.gains, method=method, metric=metric, shots=shots)
    by = {row["against"]: row for row in gains.iter_rows(named=True)}
    moved = setting.of(results.adaptation, method=method, shots=shots)
    ms = cost(setting.of(results.costs, method=method).row(0, named=True))
    return Row(
        f"{setting.title}, K = {shots}",
        (
            Value(method),
            level(setting, best),
            point(chance["value"][0] if len(chance) else None),
            difference(by.get(BASELINE)),
            difference(by.get(OWN_ZERO_SHOT)),
            Value(_verdict(setting, moved["verdict"][0] if len(moved) else "")),
            Value("" if ms is None else significant(ms), ms),
        ),
    )


def _verdict(setting: SettingResults, verdict: str) -> str:
    return "; ".join(filter(None, (verdict, TOO_SMALL if setting.is_too_small else "")))
