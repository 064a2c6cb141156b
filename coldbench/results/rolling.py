"""Does it pay to train again? The same users, met by a method trained anew and by one left alone.

Two settings of a run that differ in `refit` alone (coldbench/splits/rolling.py) stand side by side:
each method under "period" minus the same under "never", paired by user and period, at every K. A
seed is a period here, so its number says how old the method that was left alone is.
"""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import numpy as np

from coldbench.results.paired import differences
from coldbench.results.rounding import number
from coldbench.results.schema import Row, schema
from coldbench.results.setting import Setting

ALL = -1  # as a period: every one of them together
SCHEMA = schema(
    "method metric",
    "shots period users",
    "days again never mean low high p helped harmed detectable",
)


def rows(settings: Iterable[Setting]) -> list[Row]:
    """By method, K, metric and period, and over all periods (period = -1).

    days: from the start of the method left alone to the middle of the period, None over all. again,
    never: the means of the metric. mean: of the differences, with its interval.
    """
    pairs: dict[str, dict[str, Setting]] = defaultdict(dict)
    for setting in settings:
        fields = _fields(setting)
        if fields.get("split") == "rolling":
            others = {key: value for key, value in fields.items() if key != "refit"}
            pairs[repr(sorted(others.items()))][fields["refit"]] = setting
    periods: list[Row] = []
    for two in pairs.values():
        if len(two) == 2:
            periods += _pair(two["period"], two["never"])
    return periods


def _fields(setting: Setting) -> dict[str, Any]:
    return next(iter(setting.cells.values()))[0].spec.protocol_fields


def _pair(again: Setting, never: Setting) -> list[Row]:
    days = _fields(again)["period"]
    paired: list[Row] = []
    for method in (name for name in again.scores if name in never.scores):
        for shots in again.scores[method].keys() & never.scores[method].keys():
            mine, theirs = again.scores[method][shots].align(never.scores[method][shots])
            for period in (ALL, *np.unique(mine.seeds).tolist()):
                at = np.flatnonzero((mine.seeds == period) | (period == ALL))
                a, b = mine.take(at), theirs.take(at)
                seeds = a.seeds if period == ALL else None
                tests = differences(a.values - b.values, again.bootstrap.weights(a), seeds)
                for column, (metric, test) in enumerate(zip(again.per_user, tests, strict=True)):
                    paired.append(
                        {"method": method, "shots": shots, "metric": metric, "period": period,
                         "days": None if period == ALL else (period + 0.5) * days,
                         "again": number(np.nanmean(a.values[:, column])),
                         "never": number(np.nanmean(b.values[:, column])), **test}
                    )  # fmt: skip
    return paired
