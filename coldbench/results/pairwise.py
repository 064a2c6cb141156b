"""Any two methods of a setting side by side, over the users that both have.

K is the largest that all methods have; where there is none, the largest of all, and methods without
it stand in no pair.
"""

from itertools import combinations

import numpy as np

from coldbench.metrics import statistics
from coldbench.metrics.compute import parse_metric
from coldbench.results import paired
from coldbench.results.bootstrap import Bootstrap
from coldbench.results.rounding import number
from coldbench.results.schema import Row, schema
from coldbench.results.setting import Setting
from coldbench.results.user_scores import Float, MethodScores, UserScores

FRAME = "pairs"
SCHEMA = schema(
    "method other metric", "shots users", "mean low high p p_holm helped harmed detectable"
)


def rows(setting: Setting) -> list[Row]:
    """Method minus other by the headline metric."""
    return pairs(setting.scores, setting.headline, setting.column, setting.bootstrap)


def pairs(methods: MethodScores, metric: str, column: int, bootstrap: Bootstrap) -> list[Row]:
    """Every method less every other at one K, over the users that both have. `column` is
    the metric's place in the users' values. Holm's correction is over all these pairs."""
    if not methods:
        return []
    rows: list[Row] = []
    known = [set(by_shots) for by_shots in methods.values()]
    shots = max(set.intersection(*known) or set.union(*known))
    waiting: dict[bytes, list[tuple[int, UserScores, Float]]] = {}
    for method, other in combinations(methods, 2):
        if not (shots in methods[method] and shots in methods[other]):
            continue
        mine, theirs = methods[method][shots].align(methods[other][shots])
        if not len(mine):
            continue
        change = mine.values[:, column] - theirs.values[:, column]
        waiting.setdefault(mine.key, []).append((len(rows), mine, change))
        rows.append({"method": method, "other": other, "shots": shots, "metric": metric})
    for many in waiting.values():
        scores, changes = many[0][1], np.stack([change for _, _, change in many], 1)
        differences = paired.differences(changes, bootstrap.weights(scores), scores.seeds)
        for (at, _, _), more in zip(many, differences, strict=True):
            rows[at].update(more)
    p = np.array([np.nan if row["p"] is None else row["p"] for row in rows])
    for row, adjusted in zip(rows, statistics.holm(p), strict=True):
        row["p_holm"] = number(adjusted)
        if not parse_metric(metric)[0].higher_is_better:
            row["helped"], row["harmed"] = row["harmed"], row["helped"]
    return [row for row in rows if row["users"]]
