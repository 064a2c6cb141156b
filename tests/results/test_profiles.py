"""Performance profiles, counted by hand."""

import numpy as np
import pytest

from coldbench.metrics import statistics
from coldbench.results.bootstrap import Bootstrap
from coldbench.results.profiles import profile, rows
from tests.scored import setting, valued

NAN = float("nan")
LEVELS = valued([9, 0.5], [9, 0.75], [9, 1.0], [9, NAN])  # of the second metric
BEFORE = valued([0, 5.0], [0, 5.0], [0, 5.0], [0, 5.0])


def test_a_threshold_is_passed_by_the_users_above_it_among_those_of_whom_it_is_defined() -> None:
    drawn = Bootstrap(50)
    found = rows(setting(scores={"m": {2: LEVELS, 0: BEFORE}}, column=1, bootstrap=drawn))
    assert [row["threshold"] for row in found] == pytest.approx([0.5 + i / 80 for i in range(41)])
    share = [2 / 3] * 20 + [1 / 3] * 20 + [0]  # .75 is not above .75
    assert [row["share"] for row in found] == pytest.approx(share, abs=1e-6)
    above = np.array([0.0, 0, 1, NAN])
    interval = [float(x) for x in statistics.interval(above, drawn.weights(LEVELS))]
    assert [found[20][end] for end in ("share", "low", "high")] == pytest.approx(interval, abs=1e-6)
    assert found[0].keys() == {"method", "threshold", "share", "low", "high"}


def test_all_methods_share_the_thresholds_of_the_whole_setting() -> None:
    other = valued([0, 0.25], [0, NAN], [0, 0.5], [0, 0.5])
    found = profile({"m": {2: LEVELS}, "other": {2: other}}, 1, Bootstrap(50))
    assert [row["method"] for row in found] == ["m"] * 41 + ["other"] * 41
    for first in (found[0], found[41]):
        assert (first["threshold"], first["share"]) == (
            0.25,
            {"m": 1, "other": 0.666667}[first["method"]],
        )


@pytest.mark.parametrize("methods", [{}, {"m": {0: valued([NAN], [NAN])}}])
def test_nothing_that_is_defined_has_no_profile(methods: dict[str, dict[int, object]]) -> None:
    assert profile(methods, 0, Bootstrap(5)) == []  # type: ignore[arg-type]
