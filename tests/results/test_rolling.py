"""Trained again against left alone: paired by user, period by period."""

from pathlib import Path

import polars as pl
import pytest

from coldbench.results.results import Results, read
from tests import fake_run


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    """Ridge under both ways in two periods; trained again, the first item scores .1 higher."""
    better = pl.when(pl.col("label") > 0.9).then(1.0).otherwise(pl.col("score"))
    ways = {"period": better, "never": pl.col("score")}
    fields = {"split": "rolling", "period": 7}
    run = fake_run.write_two_ways(tmp_path_factory.mktemp("rolling"), "refit", ways, **fields)
    return read(run, ("ndcg@5", "log-loss"))


def test_the_difference_is_that_of_the_same_users_under_both_ways(results: Results) -> None:
    by_way = results.users.filter(shots=2, seed=0).group_by("protocol").agg(pl.mean("ndcg@5"))
    means = dict(by_way.iter_rows())
    (row,) = results.rolling.filter(metric="ndcg@5", shots=2, period=0).to_dicts()
    assert row["mean"] == pytest.approx(means["period"] - means["never"], abs=1e-5)
    for column, way in (("again", "period"), ("never", "never")):
        assert row[column] == pytest.approx(means[way], abs=1e-5)
    assert row["mean"] > 0 and row["users"] == 20 and row["days"] == 3.5


def test_all_periods_together_stand_under_minus_one(results: Results) -> None:
    rows = results.rolling.filter(metric="ndcg@5", shots=2)
    assert rows["period"].to_list() == [-1, 0, 1] and rows["users"].to_list() == [40, 20, 20]
    assert rows["mean"][0] == pytest.approx(rows["mean"][1:].mean(), abs=1e-5)


def test_the_picture_shows_every_period_of_a_method(results: Results) -> None:
    import coldbench

    (axes,) = [ax for ax in coldbench.plot.rolling(results).axes if ax.get_visible()]
    assert len(axes.collections[1].get_offsets()) == 2


def test_a_run_that_does_not_roll_has_no_rows(tmp_path: Path) -> None:
    assert read(fake_run.build(tmp_path / "run"), ("ndcg@5",)).rolling.is_empty()
