"""How good every method is at every K: each metric with its interval, and what is not done."""

from collections import Counter
from collections.abc import Iterator

import numpy as np

from coldbench.metrics import statistics
from coldbench.metrics.compute import chance
from coldbench.results.rounding import number
from coldbench.results.schema import REAL, TEXT, WHOLE, Row
from coldbench.results.setting import Setting
from coldbench.results.user_scores import Float, UserScores

FRAME = "table"
SCHEMA = {  # in the order of results.csv
    "method": TEXT, "shots": WHOLE, "metric": TEXT, "value": REAL, "low": REAL, "high": REAL,
    "users": WHOLE, "seeds": WHOLE, "status": TEXT,
}  # fmt: skip


def rows(setting: Setting) -> list[Row]:
    """Every method at every K, and "chance", which is exact; then, without numbers, what is not
    done."""
    levels: list[Row] = []
    for shots, scores in setting.everyone.items():
        for name in setting.metrics:
            value = {"value": number(chance(name, scores.predictions))}
            if value["value"] is not None:
                levels.append(_row("chance", shots, name, scores, value))
    for method, cells in setting.cells.items():
        levels += _levels(setting, method)
        for status, many in Counter(cell.status for cell in cells).items():
            if status != "done":
                levels.append({"method": method, "seeds": many, "status": status})
    return levels


def _levels(setting: Setting, method: str) -> Iterator[Row]:
    by_shots = setting.scores.get(method, {})
    alike: dict[bytes, list[int]] = {}  # K of the same users: resampled in one go
    for shots, scores in by_shots.items():
        alike.setdefault(scores.key, []).append(shots)
    for many in alike.values():
        values = np.concatenate([by_shots[shots].values for shots in many], 1)
        first = by_shots[many[0]]
        interval = statistics.interval(values, setting.bootstrap.weights(first), seeds=first.seeds)
        ends = np.stack(interval).reshape(3, len(many), len(setting.per_user))
        for place, shots in enumerate(many):
            yield from _level(setting, method, shots, ends[:, place])


def _level(setting: Setting, method: str, shots: int, per_user: Float) -> Iterator[Row]:
    scores = setting.scores[method][shots]
    limited = any(cell.spec.limit is not None for cell in setting.cells[method])
    pooled = setting.bootstrap.pooled(
        [name for name in setting.metrics if name not in setting.per_user], scores
    )
    for name in setting.metrics:
        if name in setting.per_user:
            at = setting.per_user.index(name)
            mean, low, high = per_user[:, at]
            users = int((~np.isnan(scores.values[:, at])).sum())
        else:
            mean, low, high = pooled[name]
            users = len(scores)
        more = {"value": number(mean), "low": number(low), "high": number(high)}
        status = "limited" if limited else "done"
        yield _row(method, shots, name, scores, more | {"users": users, "status": status})


def _row(method: str, shots: int, metric: str, scores: UserScores, more: Row) -> Row:
    row = {"method": method, "shots": shots, "metric": metric, "status": "done"}
    return row | {"users": len(scores), "seeds": scores.many_seeds} | more
