"""Askers beside random questions: paired by user, and questions saved."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

import coldbench
from coldbench import registry
from coldbench.results.elicitation import saved
from coldbench.results.results import Results, read
from tests import fake_run


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    """Ridge under random questions, and under an asker whose two answers tell the order."""
    ordered = pl.when(pl.col("shots") == 2).then(pl.col("label")).otherwise("score")
    ways = {"random": pl.col("score"), "variance": ordered}
    run = fake_run.write_two_ways(tmp_path_factory.mktemp("elicit"), "asker", ways)
    return read(run, ("ndcg@5", "auc", "log-loss"))


def test_the_difference_is_that_of_the_same_users_under_both_askers(results: Results) -> None:
    by_asker = results.users.filter(shots=2).group_by("protocol").agg(pl.mean("ndcg@5"))
    means = dict(by_asker.iter_rows())
    row = results.elicitation.filter(metric="ndcg@5", shots=2, asker="variance").to_dicts()[0]
    assert row["value"] == pytest.approx(means["variance"], abs=1e-5)
    assert row["random"] == pytest.approx(means["random"], abs=1e-5)
    assert row["mean"] == pytest.approx(row["value"] - row["random"], abs=1e-5)
    assert row["mean"] > 0 and row["users"] == 40


def test_before_the_first_question_askers_do_not_differ(results: Results) -> None:
    assert (results.elicitation.filter(shots=0)["mean"] == 0).all()


def test_questions_are_saved_by_the_better_asker_alone(results: Results) -> None:
    last = results.elicitation.filter(metric="ndcg@5", shots=2)
    questions = dict(last.select("asker", "saved").iter_rows())
    assert questions["random"] is None and 0 < questions["variance"] <= 2


@pytest.mark.parametrize(
    ("asker", "random", "expected"),
    [
        ([0.5, 0.7, 0.8], [0.5, 0.6, 0.7], 2),  # all that random gives after two of four
        ([0.5, 0.6, 0.7], [0.5, 0.6, 0.7], 0),
        ([0.5, 0.6, 0.65], [0.5, 0.6, 0.7], -1),  # random is there after three
        ([0.5, 0.4, 0.4], [0.5, 0.6, 0.7], -4),
        ([0.5, 0.9, 0.9], [0.5, 0.6, 0.5], np.nan),  # random gains nothing
    ],
)
def test_saved_is_read_off_the_curves(
    asker: list[float], random: list[float], expected: float
) -> None:
    questions = saved((0, 2, 4), np.array(asker), np.array(random))
    assert questions == pytest.approx(expected, nan_ok=True)


def test_report_shows_a_row_and_a_line_an_asker(results: Results, tmp_path: Path) -> None:
    registry.find("reports", "markdown")().write(results, tmp_path)
    text = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert "Which item to ask first?" in text and "| variance |" in text
    (axes,) = coldbench.plot.elicitation(results).axes
    assert len(axes.lines) == 2


def test_the_legend_of_a_figure_lies_on_none_of_its_words(results: Results) -> None:
    figure = coldbench.plot.elicitation(results)
    figure.canvas.draw()
    (legend,) = (box.get_window_extent() for box in figure.legends)
    words = [axes.get_tightbbox() for axes in figure.axes]
    assert figure.axes[-1].get_xlabel() and figure.get_supxlabel() == ""
    assert all(box is not None and not legend.overlaps(box) for box in words)


def test_a_run_without_askers_has_no_rows(tmp_path: Path) -> None:
    assert read(fake_run.build(tmp_path / "run"), ("ndcg@5",)).elicitation.is_empty()
