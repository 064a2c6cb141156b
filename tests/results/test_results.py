"""The numbers of a run, read back from its cells."""

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch

from coldbench import meanwhile
from coldbench.cell import read_run, write_plan
from coldbench.errors import UserError
from coldbench.metrics import compute, statistics
from coldbench.metrics.predictions import rank_predictions
from coldbench.results.bootstrap import Bootstrap
from coldbench.results.paired import differences
from coldbench.results.results import DEFAULT_METRICS, MEANWHILE, Results, read
from coldbench.results.user_scores import read_user_scores
from tests import fake_run as fake


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    return read(fake.build(tmp_path_factory.mktemp("runs") / "toy"), resamples=300)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux forks")
def test_what_forks_make_is_what_one_process_makes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, forks = fake.build(tmp_path / "toy"), []

    class Counted(meanwhile._Fork):
        def __init__(self, make: Callable[[], Any]) -> None:
            forks.append(make)
            super().__init__(make)

    monkeypatch.setattr(meanwhile, "_Fork", Counted)
    both = []
    for cores in (2, 1):
        monkeypatch.setattr(meanwhile, "CORES", cores)
        both.append(read(run, resamples=50))
        assert len(forks) == len(MEANWHILE)
    assert all(frame.equals(both[1].frames[name]) for name, frame in both[0].frames.items())


def level(results: Results, method: str, metric: str, shots: int = 2) -> dict[str, Any]:
    return results.table.filter(method=method, metric=metric, shots=shots).row(0, named=True)


def test_a_level_is_the_mean_over_all_judged_users_and_seeds(results: Results) -> None:
    both = pl.concat([fake.made_up("ridge", seed, 30) for seed in (0, 1)]).filter(shots=2)
    scores, labels = (torch.tensor(both[c].to_numpy()).view(60, 6) for c in ("score", "label"))
    predictions = rank_predictions(
        scores, labels, torch.ones(60, 6, dtype=torch.bool), like_at=0.625
    )
    expected = float(compute.per_user("ndcg@5", predictions).nanmean())
    row = level(results, "ridge", "ndcg@5")
    assert row["value"] == pytest.approx(expected, abs=1e-6)
    assert row["low"] < row["value"] < row["high"]
    assert (row["users"], row["seeds"], row["status"]) == (60, 2, "done")


def test_every_metric_of_every_done_method_has_a_row(results: Results) -> None:
    done = results.table.filter(pl.col("method").is_in(list(fake.METHODS)))
    assert len(done) == len(fake.METHODS) * 2 * len(DEFAULT_METRICS)


@pytest.mark.parametrize("metric", ["ndcg@5", "ndcg@10", "auc", "mrr", "hit@5", "auc-pooled"])
def test_the_constant_row_is_exactly_chance(results: Results, metric: str) -> None:
    assert level(results, "constant", metric)["value"] == level(results, "chance", metric)["value"]


def test_the_constant_rows_auc_is_one_half_without_spread(results: Results) -> None:
    row = level(results, "constant", "auc")
    assert (row["value"], row["low"], row["high"]) == (0.5, 0.5, 0.5)


def test_failed_and_missing_methods_are_rows_without_numbers(results: Results) -> None:
    rows = results.table.filter(pl.col("value").is_null() & pl.col("metric").is_null())
    assert rows.select("method", "shots", "seeds", "status").rows() == [
        ("broken", None, 2, "failed"),
        ("late", None, 2, "missing"),
    ]


def test_a_gain_is_what_statistics_paired_says(results: Results) -> None:
    rng = np.random.default_rng(0)
    users = np.repeat(np.arange(12), 2)
    a, b = rng.random((24, 3)), rng.random((24, 3))
    a[3, 1], b[:, 2] = np.nan, a[:, 2]
    weights = statistics.bootstrap_weights(users, 200, 0)
    for column, difference in enumerate(differences(a - b, weights)):
        alone = statistics.paired(a[:, column].copy(), b[:, column].copy(), weights)
        for name in ("mean", "low", "high", "p", "helped", "harmed", "detectable"):
            assert difference[name] == pytest.approx(getattr(alone, name), abs=1e-6), name
        assert difference["users"] == alone.n


def test_labels_that_help_are_a_gain_and_labels_that_do_not_are_none(results: Results) -> None:
    gains = results.gains.filter(metric="ndcg@5", against="K = 0", shots=2)
    ridge, still = (gains.filter(method=name).row(0, named=True) for name in ("ridge", "constant"))
    assert ridge["mean"] > 0.01
    assert ridge["p_holm"] < 0.05
    assert ridge["helped"] > ridge["harmed"]
    assert (still["mean"], still["p_holm"], still["helped"], still["harmed"]) == (0, 1, 0, 0)


def test_for_errors_less_is_a_help(results: Results) -> None:
    row = results.gains.filter(method="ridge", metric="mae", against="K = 0").row(0, named=True)
    assert row["mean"] < 0
    assert row["helped"] > row["harmed"]


def test_holm_counts_only_what_is_tested_of_a_metric_at_one_k(results: Results) -> None:
    rows = results.gains.filter(metric="ndcg@5", shots=2)
    tested = rows.filter((pl.col("helped") > 0) | (pl.col("harmed") > 0))
    expected = statistics.holm(tested["p"].to_numpy())
    assert tested["p_holm"].to_numpy() == pytest.approx(expected, rel=1e-4)
    assert len(tested) < len(rows)


def test_the_audit_says_who_moved(results: Results) -> None:
    words = dict(results.adaptation.select("method", "verdict").iter_rows())
    assert words["ridge"].startswith("gains .")
    assert words["stuck"] == words["item-bias"] == "does not adapt"


def test_only_users_that_both_have_are_paired(tmp_path: Path) -> None:
    run = fake.build(tmp_path / "run")
    gone = run / "cells" / fake.spec("ridge", 1).fingerprint
    (gone / "cell.json").unlink()
    results = read(run, ("ndcg@5",), 100)
    row = results.gains.filter(method="ridge", against="item-bias", shots=2).row(0, named=True)
    assert (row["users"], row["seeds"]) == (30, 1)
    assert level(results, "chance", "ndcg@5")["users"] == 60


def test_a_limited_run_says_so_in_every_row(tmp_path: Path) -> None:
    results = read(fake.build(tmp_path / "run", limit=30), ("ndcg@5",), 100)
    done = results.table.filter(pl.col("method").is_in(list(fake.METHODS)))
    assert results.limit == 30
    assert set(done["status"]) == {"limited"}


def test_costs_come_from_the_timed_cell_and_count_cells(results: Results) -> None:
    rows = {row["method"]: row for row in results.costs.iter_rows(named=True)}
    assert (rows["ridge"]["adapt_ms_p50"], rows["ridge"]["trained_parameters"]) == (0.25, 7)
    assert (rows["ridge"]["done"], rows["broken"]["failed"], rows["late"]["missing"]) == (2, 2, 2)
    assert rows["broken"]["adapt_ms_p50"] is None


def test_users_hold_one_row_a_user_seed_and_k(results: Results) -> None:
    assert len(results.users) == len(fake.METHODS) * 2 * 30 * 2
    assert results.users.columns[:6] == ["dataset", "protocol", "method", "seed", "user", "shots"]


def test_reading_twice_gives_the_same_frames(results: Results, tmp_path: Path) -> None:
    again = read(fake.build(tmp_path / "toy"), resamples=300)
    for name in ("table", "gains", "adaptation", "users", "reports"):
        assert getattr(results, name).equals(getattr(again, name)), name


def test_the_pooled_auc_of_many_users_is_resampled_almost_exactly(tmp_path: Path) -> None:
    fake.write_run(tmp_path, [fake.spec("ridge", 0)], fake.made_up("ridge", 0, 150))
    scores = read_user_scores(read_run(tmp_path), ())[2]
    bootstrap = Bootstrap(500)
    value, low, high = bootstrap.pooled(["auc-pooled"], scores)["auc-pooled"]
    exact = compute.pooled(
        "auc-pooled", scores.predictions, torch.from_numpy(bootstrap.weights(scores))
    )
    bounds = statistics.percentiles(exact.numpy(), 150)
    assert value == pytest.approx(float(compute.pooled("auc-pooled", scores.predictions)))
    assert (low, high) == pytest.approx(bounds, abs=0.05 * (high - low))


def test_a_pooled_metric_is_pooled_within_a_seed_and_averaged_over_seeds(tmp_path: Path) -> None:
    """Constants that differ by seed must not look as if they could rank."""
    specs = [fake.spec("constant", seed) for seed in (0, 1)]
    for which in specs:
        scores = fake.made_up("constant", which.seed, 20 + 20 * which.seed)
        scores = scores.with_columns(pl.col("score") + pl.lit(0.1 * which.seed, pl.Float32))
        fake.write_cell(tmp_path, which, "done", scores=scores)
    write_plan(tmp_path, specs)
    row = level(read(tmp_path, ("auc", "auc-pooled"), 50), "constant", "auc-pooled")
    assert (row["value"], row["low"], row["high"]) == (0.5, 0.5, 0.5)


def test_one_method_twice_with_one_seed_is_refused(tmp_path: Path) -> None:
    fake.write_run(tmp_path, [fake.spec("ridge", 0), fake.spec("ridge", 0, limit=7)])
    with pytest.raises(UserError, match="ridge stands twice with seed 0"):
        read(tmp_path)


def test_a_method_with_other_parameters_is_a_row_of_its_own_named_by_them(tmp_path: Path) -> None:
    first, other = (replace(fake.spec("ridge", 0), params={"tau": tau}) for tau in (1.0, 2.0))
    fake.write_run(tmp_path / "a", [first])
    fake.write_run(tmp_path / "b", [first, other])
    results = read([tmp_path / "a", tmp_path / "b"], resamples=50)
    assert results.name == "a + b"
    assert list(dict.fromkeys(results.costs["method"])) == ["ridge", "ridge (tau = 2.0)"]
    assert len(results.cells) == 2  # what both runs hold is there once


def test_runs_of_different_data_under_one_name_are_refused(tmp_path: Path) -> None:
    for name, data in (("a", "1"), ("b", "2")):
        fake.write_run(tmp_path / name, [replace(fake.spec("ridge", 0), data=data)])
    with pytest.raises(UserError, match="not the same data and protocol"):
        read([tmp_path / "a", tmp_path / "b"])


def test_where_all_items_are_ranked_the_stored_ranks_count(tmp_path: Path) -> None:
    """Likes alone, each at the top of 100 candidates."""
    ranks = {"above": pl.col("item"), "tied": pl.lit(1, pl.Int32), "candidates": pl.lit(100)}
    scores = fake.made_up("ridge", 0, 9).with_columns(label=pl.lit(1.0, pl.Float32), **ranks)
    fake.write_run(tmp_path, [fake.spec("ridge", 0)], scores, graded=False, like_at=0.5)
    results = read(tmp_path, resamples=50)
    assert level(results, "ridge", "ndcg@5")["value"] == 1
    assert level(results, "ridge", "auc")["value"] == 1
    assert level(results, "ridge", "auc-pooled")["value"] is None
    assert level(results, "chance", "auc")["value"] == 0.5


def test_a_run_without_a_finished_cell_still_reads(tmp_path: Path) -> None:
    write_plan(tmp_path, [fake.spec("ridge", 0)])
    results = read(tmp_path)
    assert results.table["status"].to_list() == ["missing"]


def test_a_report_needs_a_metric_per_user(tmp_path: Path) -> None:
    write_plan(tmp_path, [fake.spec("ridge", 0)])
    with pytest.raises(UserError, match="needs a metric per user"):
        read(tmp_path, ("f1",))


@pytest.mark.parametrize("metric", ["ece", "auc-pooled", "f1"])
def test_an_interval_of_a_pooled_metric_holds_its_value(results: Results, metric: str) -> None:
    rows = results.table.filter(metric=metric).drop_nulls("low")
    assert len(rows)
    assert (rows["low"] <= rows["value"]).all()
    assert (rows["value"] <= rows["high"]).all()


def test_frames_become_pandas_for_those_who_want_them(results: Results) -> None:
    frame = results.gains.to_pandas()
    assert list(frame.columns) == results.gains.columns
    assert len(frame) == len(results.gains)
