"""The rows of the table of levels: what is done, by chance, and not done."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from coldbench.metrics import statistics
from coldbench.results.bootstrap import Bootstrap
from coldbench.results.levels import rows
from tests.scored import scored, setting

NAN = float("nan")
SCORES, LABELS = [[0.9, 0.4], [0.2, 0.6], [0.7, 0.8]], [[1, 0], [1, 0], [1, 1]]
TWO = {"seeds": np.array([0, 0, 1])}
K0 = scored(SCORES, LABELS, values=np.array([[1, 4.0], [0, 2.0], [NAN, 3.0]]), **TWO)
K2 = scored(SCORES, LABELS, values=np.array([[1, 1.0], [1, 1.0], [NAN, 1.0]]), **TWO)
FEWER = K2.take(np.array([0, 2]))


def cells(*status: str, limit: int | None = None) -> list[Any]:
    return [SimpleNamespace(status=s, spec=SimpleNamespace(limit=limit)) for s in status]


def table(scores: Any, of: Any, everyone: Any = None) -> list[dict[str, Any]]:
    metrics = ["auc", "mae", "recall"]
    return rows(
        setting(metrics=metrics, per_user=metrics[:2], scores=scores, cells=of,
                everyone=everyone or {}, bootstrap=Bootstrap(50))
    )  # fmt: skip


def test_a_level_is_a_mean_over_the_users_of_whom_it_is_defined_and_its_interval_is_its_own() -> (
    None
):
    found = table({"m": {0: K0, 2: K2, 4: FEWER}}, {"m": cells("done", "done")})
    assert [(row["shots"], row["metric"], row["value"], row["users"], row["seeds"])
            for row in found] == [
        (0, "auc", 0.5, 2, 2), (0, "mae", 3, 3, 2), (0, "recall", 0.75, 3, 2),
        (2, "auc", 1, 2, 2), (2, "mae", 1, 3, 2), (2, "recall", 0.75, 3, 2),
        (4, "auc", 1, 1, 2), (4, "mae", 1, 2, 2), (4, "recall", 1, 2, 2),
    ]  # fmt: skip
    assert {(row["method"], row["status"]) for row in found} == {("m", "done")}
    drawn = Bootstrap(50)
    interval = statistics.interval(K0.values[:, 1], drawn.weights(K0), seeds=TWO["seeds"])
    assert (found[1]["low"], found[1]["high"]) == pytest.approx(
        (float(interval.low), float(interval.high)), abs=1e-6
    )
    pooled = drawn.pooled(["recall"], K0)["recall"]
    assert [found[2][name] for name in ("value", "low", "high")] == pytest.approx(pooled, abs=1e-6)


def test_a_cell_of_limited_users_makes_all_rows_of_its_method_limited() -> None:
    of = {"m": [*cells("done"), *cells("done", limit=0)], "n": cells("done")}
    found = table({"m": {0: K0}, "n": {0: K0}}, of)
    assert [row["status"] for row in found] == ["limited"] * 3 + ["done"] * 3


def test_chance_is_of_all_users_and_is_told_where_it_has_a_closed_form() -> None:
    found = table({}, {}, {0: K0, 2: FEWER})
    assert [list(row.values()) for row in found] == [
        ["chance", 0, "auc", "done", 3, 2, 0.5],
        ["chance", 0, "mae", "done", 3, 2, 0.5],
        ["chance", 2, "auc", "done", 2, 2, 0.5],
        ["chance", 2, "mae", "done", 2, 2, 0.5],
    ]
    assert list(found[0]) == ["method", "shots", "metric", "status", "users", "seeds", "value"]


def test_what_is_not_done_is_counted_by_its_status() -> None:
    found = table({}, {"m": cells("failed", "missing", "failed"), "n": cells("missing")})
    assert [list(row.values()) for row in found] == [
        ["m", 2, "failed"], ["m", 1, "missing"], ["n", 1, "missing"],
    ]  # fmt: skip
