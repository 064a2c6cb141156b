"""The bins of a reliability diagram, counted by hand."""

import pytest

from coldbench.results.calibration import reliability, rows
from tests.scored import scored, setting


def test_a_bin_holds_the_mean_score_and_label_of_its_tenth_and_the_last_one_holds_a_one() -> None:
    found = reliability(
        {"m": {2: scored([[0.0, 0.05, 0.1, 0.875, 0.925, 1.0]], [[0, 1, 1, 1, 1, 0]])}}
    )
    assert [list(row.values()) for row in found] == [
        ["m", 2, 0, pytest.approx(0.025), 0.5, 2],
        ["m", 2, 1, pytest.approx(0.1), 1.0, 1],
        ["m", 2, 8, pytest.approx(0.875), 1.0, 1],
        ["m", 2, 9, pytest.approx(0.9625), 0.5, 2],
    ]  # fmt: skip
    assert list(found[0]) == ["method", "shots", "bin", "score", "label", "predictions"]


def test_scores_are_binned_before_the_first_label_and_after_the_last() -> None:
    one = scored([[0.5, None]], [[1.0, None]])
    found = rows(setting(scores={"m": {2: one, 0: one, 1: one}, "other": {1: one}}))
    assert [(row["method"], row["shots"], row["predictions"]) for row in found] == [
        ("m", 0, 1), ("m", 2, 1), ("other", 1, 1),
    ]  # fmt: skip
