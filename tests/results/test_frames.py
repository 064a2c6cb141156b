"""The newer frames of a run, against other people's code and against counting by hand."""

import re
from itertools import combinations
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from scipy import stats

from coldbench.metrics.predictions import Predictions, rank_predictions
from coldbench.results import results
from coldbench.results.critical_difference import critical
from coldbench.results.exposure import gini
from coldbench.results.interquartile import interquartile_mean
from coldbench.results.pooled_auc import pooled_auc
from coldbench.results.subgroups import rightly_ordered
from coldbench.results.user_scores import UserScores


def some_predictions(users: int = 12, width: int = 7) -> Predictions:
    """Ragged users; scores in tenths, so that some are equal, and labels in quarters."""
    rng = np.random.default_rng(4)
    mask = np.arange(width) < rng.integers(3, width + 1, users)[:, None]
    scores, labels = (
        rng.integers(0, 11, (users, width)) / 10,
        rng.integers(0, 5, (users, width)) / 4,
    )
    score, label = (torch.from_numpy(np.where(mask, x, 0)).float() for x in (scores, labels))
    return rank_predictions(score, label, torch.from_numpy(mask), like_at=0.6)


def credit(better: float, worse: float) -> float:
    return 0.5 if better == worse else float(better > worse)


def test_a_critical_difference_is_friedmans_and_wilcoxons_with_holm() -> None:
    posthocs = pytest.importorskip("scikit_posthocs")
    rng = np.random.default_rng(0)
    names = ["good", "fair", "same", "poor"]
    values = rng.normal(size=(18, 4)) + np.array([1.5, 0.4, 0.4, -0.8])
    result = critical(values, names)
    assert result.p == pytest.approx(stats.friedmanchisquare(*values.T).pvalue)
    expected = posthocs.posthoc_wilcoxon(list(values.T), p_adjust="holm").to_numpy()
    for row in result.tests.iter_rows(named=True):
        first, other = names.index(row["method"]), names.index(row["other"])
        assert row["p_holm"] == pytest.approx(expected[first, other])
    ranks = dict(result.ranks.iter_rows())
    mean = stats.rankdata(-values, axis=1).mean(0)
    assert [ranks[name] for name in names] == pytest.approx(mean)
    assert result.ranks["method"][0] == "good" and result.blocks == 18
    sure = result.tests.filter(pl.col("p_holm") < 0.05).select("method", "other")
    joined = {frozenset(pair) for group in result.alike for pair in combinations(group, 2)}
    assert frozenset(("fair", "same")) in joined
    assert len(sure) and not joined & {frozenset(pair) for pair in sure.iter_rows()}


def test_lower_values_rank_first_where_lower_is_better() -> None:
    values = np.array([[0.1, 0.3], [0.2, 0.4], [0.1, 0.2]])
    assert critical(values, ["a", "b"], higher_is_better=False).ranks["method"][0] == "a"
    assert critical(values, ["a", "b"]).ranks["method"][0] == "b"


@pytest.mark.parametrize("n", [4, 8, 40])
def test_the_interquartile_mean_is_scipys_trimmed_mean(n: int) -> None:
    values = np.random.default_rng(n).normal(size=n)
    mean = interquartile_mean(values, np.ones((1, n)))[0]
    assert mean == pytest.approx(stats.trim_mean(values, 0.25))


def test_the_interquartile_mean_counts_weights_as_copies() -> None:
    values, weights = np.array([3.0, 0.0, 9.0, 1.0]), np.array([[2.0, 1.0, 0.0, 5.0]])
    copies = [0.0, 1.0, 1.0, 1.0, 1.0, 1.0, 3.0, 3.0]  # the middle four: 1, 1, 1, 1
    assert interquartile_mean(values, weights)[0] == stats.trim_mean(copies, 0.25) == 1
    odd = interquartile_mean(np.array([0.0, 1.0, 5.0]), np.ones((1, 3)))[0]
    assert odd == pytest.approx((0.25 * 0 + 1 + 0.25 * 5) / 1.5)  # a quarter of 3 is .75 of one


def test_a_pooled_auc_is_its_pairs_within_users_and_those_between() -> None:
    of = some_predictions()
    n, width = of.mask.shape
    whose, rows = np.arange(n), np.zeros((n, width), np.int64)
    scores = UserScores(np.zeros(n, np.int64), whose, rows, of, np.zeros((n, 1)))
    (auc,) = pooled_auc({"any": {2: scores}})
    within: list[float] = []
    across: list[float] = []
    level: list[float] = []
    items = [(u, j) for u in range(n) for j in range(width) if of.mask[u, j]]
    mean = [float(of.scores[u][of.mask[u]].mean()) for u in range(n)]
    for u, i in items:
        for v, j in items:
            if of.relevant[u, i] and not of.relevant[v, j]:
                right = credit(float(of.scores[u, i]), float(of.scores[v, j]))
                (within if u == v else across).append(right)
                level.append(0.5 if u == v else credit(mean[u], mean[v]))
    assert auc["within"] == pytest.approx(np.mean(within), abs=1e-6)
    assert auc["between"] == pytest.approx(np.mean(across), abs=1e-6)
    assert auc["pooled"] == pytest.approx(np.mean(within + across), abs=1e-6)
    assert auc["level"] == pytest.approx(np.mean(level), abs=1e-6)
    share = auc["share"]
    assert share == pytest.approx(len(within) / len(within + across), abs=1e-6)
    whole = share * auc["within"] + (1 - share) * auc["between"]
    assert auc["pooled"] == pytest.approx(whole, abs=1e-5)


def test_an_items_share_of_pairs_in_the_right_order_is_counted_right() -> None:
    of = some_predictions()
    shares = rightly_ordered(of).numpy()
    n, width = of.mask.shape
    for u in range(n):
        for i in range(width):
            right = []
            for j in range(width):
                first, other = float(of.labels[u, i]), float(of.labels[u, j])
                if of.mask[u, i] and of.mask[u, j] and first != other:
                    scores = float(of.scores[u, i]), float(of.scores[u, j])
                    right.append(credit(*(scores if first > other else scores[::-1])))
            expected = np.mean(right) if right else np.nan
            assert shares[u, i] == pytest.approx(expected, nan_ok=True)


def test_gini_is_nothing_where_all_are_equal_and_most_where_one_has_all() -> None:
    assert gini(np.full(7, 3.0)) == pytest.approx(0)
    assert gini(np.array([0.0, 0, 0, 0, 12])) == pytest.approx(4 / 5)
    assert gini(np.array([1.0, 3.0])) == pytest.approx(0.25)  # mean |difference| / (2 mean)
    assert np.isnan(gini(np.zeros(3)))


def test_every_file_with_the_rows_of_a_setting_is_a_frame_of_its_own_name() -> None:
    files = [p.read_text(encoding="utf-8") for p in Path(results.__file__).parent.glob("*.py")]
    analyses = [text for text in files if "\ndef rows(setting: Setting)" in text]
    stated = [re.findall(r'^FRAME = "(\w+)"$', text, re.M) for text in analyses]
    assert sorted(name for names in stated for name in names) == sorted(results.ANALYSES)
    assert len(analyses) == len(results.ANALYSES) > 10
