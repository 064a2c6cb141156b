"""Metrics against other people's code, against every order of the ties, and at their edges."""

import math
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise, permutations, product
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor

from coldbench.metrics.compute import (
    METRICS,
    chance,
    classification,
    mean_defined,
    per_user,
    pooled,
)
from coldbench.metrics.formulas import NEAR
from coldbench.metrics.predictions import Predictions, gain, rank_predictions

LIKE_AT = 0.6  # above a 3.4 on a scale from 1 to 5
RANKING = [
    name.replace("@k", f"@{k}")
    for name, metric in METRICS.items()
    if metric.ranks and metric.per_user
    for k in ((1, 3, 5, 10) if "@k" in name else (0,))
]
ALL = [name.replace("@k", "@3") for name in METRICS]


def world(users: int, items: int, *, levels: int = 0, seed: int = 0) -> Predictions:
    """Random users: ratings 1 to 5, scores all different or on so many `levels`."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 5, (users, items)) / 4
    scores = rng.random((users, items))
    if levels:
        scores = np.floor(scores * levels) / levels
    mask = torch.ones(users, items, dtype=torch.bool)
    prior = torch.tensor(rng.integers(0, 3, (users, items)) / 8)
    columns = torch.tensor(scores), torch.tensor(labels), mask
    return rank_predictions(*columns, like_at=LIKE_AT, span=4.0, prior=prior)


def prior_of(judged: Predictions) -> Tensor:
    assert judged.prior is not None
    return judged.prior


def one_user(scores: list[float], labels: list[float], *, graded: bool = True) -> Predictions:
    mask = torch.ones(1, len(scores), dtype=torch.bool)
    score, label = (torch.tensor([row], dtype=torch.float64) for row in (scores, labels))
    alike = torch.full_like(score, 0.5)  # everybody thinks the items equally good
    return rank_predictions(score, label, mask, like_at=LIKE_AT, graded=graded, prior=alike)


def expect(name: str, pred: Predictions, values: list[float] | NDArray[Any], *, to: float) -> None:
    np.testing.assert_allclose(per_user(name, pred).numpy(), values, rtol=0, atol=to)


# --- other people's code


@pytest.mark.parametrize("levels", [0, 3])
@pytest.mark.parametrize("k", [1, 5, 10, 30])
def test_ndcg_is_scikit_learns_with_and_without_ties(k: int, levels: int) -> None:
    from sklearn.metrics import ndcg_score

    pred = world(30, 20, levels=levels)
    theirs = [
        ndcg_score([gains], [scores], k=k)
        for gains, scores in zip(pred.gains.numpy(), pred.scores.numpy(), strict=True)
    ]
    expect(f"ndcg@{k}", pred, theirs, to=1e-12)


@pytest.mark.parametrize("levels", [0, 3])
def test_auc_is_scikit_learns_with_and_without_ties(levels: int) -> None:
    from sklearn.metrics import roc_auc_score

    pred = world(30, 20, levels=levels)
    theirs = list(map(roc_auc_score, pred.relevant.numpy(), pred.scores.numpy()))
    expect("auc", pred, theirs, to=1e-12)
    everyone = roc_auc_score(pred.relevant.numpy().ravel(), pred.scores.numpy().ravel())
    assert float(pooled("auc-pooled", pred)) == pytest.approx(everyone, abs=1e-12)


def test_classification_and_rating_metrics_are_scikit_learns() -> None:
    from sklearn import metrics as sk

    pred = world(30, 20)
    truth, predicted = pred.relevant.numpy().ravel(), pred.predicted_positive.numpy().ravel()
    for name, theirs in [
        ("accuracy", sk.accuracy_score),  # users have equally many items: the means agree
        ("f1", sk.f1_score),
        ("precision", sk.precision_score),
        ("recall", sk.recall_score),
    ]:
        assert float(pooled(name, pred)) == pytest.approx(theirs(truth, predicted), abs=1e-12)
    pairs = list(zip(pred.labels.numpy(), pred.scores.numpy(), strict=True))
    expect("mae", pred, [4 * sk.mean_absolute_error(*pair) for pair in pairs], to=1e-12)
    expect("rmse", pred, [4 * sk.root_mean_squared_error(*pair) for pair in pairs], to=1e-12)
    likes = replace(pred, labels=pred.relevant.double())
    pairs = list(zip(likes.labels.numpy(), pred.scores.numpy(), strict=True))
    expect("log-loss", likes, [sk.log_loss(*pair, labels=[0, 1]) for pair in pairs], to=1e-12)
    assert classification(pred) == sk.classification_report(
        truth, predicted, target_names=["dislike", "like"], zero_division=0
    )


def trec(pred: Predictions, measure: str, *, graded: bool) -> list[float]:
    import pytrec_eval

    def table(rows: Tensor, kind: Callable[[float], Any]) -> dict[str, dict[str, Any]]:
        return {
            f"u{u}": {f"i{i}": kind(x) for i, x in enumerate(row)}
            for u, row in enumerate(rows.tolist())
        }

    truth = table(pred.gains if graded else pred.relevant, int)
    measured = pytrec_eval.RelevanceEvaluator(truth, {measure}).evaluate(table(pred.scores, float))
    key = measure.replace(".", "_")
    return [measured[f"u{u}"][key] for u in range(len(pred.scores))]


@pytest.mark.parametrize(
    ("ours", "theirs", "graded"),
    [
        ("ndcg@5", "ndcg_cut.5", True),
        ("ndcg@20", "ndcg_cut.20", True),
        ("ndcg-binary@5", "ndcg_cut.5", False),
        ("ndcg-binary@10", "ndcg_cut.10", False),
        ("mrr", "recip_rank", False),
        ("hit@5", "success.5", False),
        ("recall@5", "recall.5", False),
        ("precision@5", "P.5", False),
        ("precision@30", "P.30", False),
    ],
)
def test_ranking_metrics_are_trec_evals_on_untied_scores(
    ours: str, theirs: str, graded: bool
) -> None:
    pred = world(40, 20)
    expect(ours, pred, trec(pred, theirs, graded=graded), to=1e-12)


# ranx 0.3.21: evaluate(Qrels(likes), Run(scores), "mrr@3", return_mean=False) of world(40, 20), as
# the rank of the first like of each user, 0 beyond 3; and its means of two metrics. It is not asked
# anew: it compiles for half a minute (`make speed` does).
RANX_FIRST = "2131201321102111131010312031122320100121"
RANX_MEANS = {"ndcg@5": 0.40169686353491085, "ndcg-binary@10": 0.4282790973972744, "mrr@3": 0.5875}


def test_ranking_metrics_are_ranxs_on_untied_scores() -> None:
    pred = world(40, 20)
    expect("mrr@3", pred, [1 / int(r) if r != "0" else 0.0 for r in RANX_FIRST], to=1e-12)
    for name, mean in RANX_MEANS.items():
        assert float(per_user(name, pred).mean()) == pytest.approx(mean, abs=1e-12), name


@pytest.mark.parametrize(
    ("low", "high", "ratings"),
    [
        (1, 5, [1.0, 3, 5]),
        (0, 10, [0.0, 5, 10]),
        (0.5, 5, [0.5, 2.75, 5]),
        (-10, 10, [-10.0, 0, 10]),
    ],
)
def test_the_gain_is_that_of_one_to_five_stars_on_every_scale(
    low: float, high: float, ratings: list[float]
) -> None:
    labels = [(rating - low) / (high - low) for rating in ratings]
    assert gain(torch.tensor(labels, dtype=torch.float64)).tolist() == [1, 7, 31]
    # (1 + 7 / log2(3) + 31 / 2) / (31 + 7 / log2(3) + 1 / 2)
    worst = one_user([0.9, 0.5, 0.1], labels)
    expect("ndcg@5", worst, [20.91650828 / 35.91650828], to=1e-9)
    expect("ndcg@2", worst, [(1 + 4.41650828) / (31 + 4.41650828)], to=1e-9)


def test_a_half_star_gains_between_and_a_like_gains_one() -> None:
    label = torch.tensor([0.125, 1.0], dtype=torch.float64)  # 1.5 of 1..5, and the best
    assert gain(label).tolist() == pytest.approx([2**1.5 - 1, 31])
    assert gain(torch.tensor([0.0, 1.0]), graded=False).tolist() == [0, 1]
    likes = one_user([0.9, 0.5, 0.1], [0.0, 0.0, 1.0], graded=False)
    expect("ndcg@5", likes, [0.5], to=1e-12)


def by_hand(name: str, order: list[int], gains: list[float], likes: list[bool]) -> float:
    """A ranking metric of one strict order, from its definition."""
    family, _, cut = name.partition("@")
    k = int(cut) if cut else len(order)
    worth = [float(x) for x in likes] if family == "ndcg-binary" else gains
    ranks = [rank for rank, item in enumerate(order, 1) if likes[item]]
    inside = [rank for rank in ranks if rank <= k]
    if family.startswith("ndcg"):
        dcg = sum(worth[item] / math.log2(rank + 1) for rank, item in enumerate(order[:k], 1))
        best = sorted(worth, reverse=True)[:k]
        ideal = sum(gain / math.log2(rank + 1) for rank, gain in enumerate(best, 1))
        return dcg / ideal if ideal else math.nan
    if family == "precision":
        return len(inside) / k
    if not ranks:
        return math.nan
    if family in ("auc", "auc-matched"):  # all priors are equal
        places = range(1, len(order) + 1)
        won = sum(like < rank for like in ranks for rank in places if rank not in ranks)
        pairs = len(ranks) * (len(order) - len(ranks))
        return won / pairs if pairs else math.nan
    return {
        "mrr": 1 / inside[0] if inside else 0.0,
        "hit": float(bool(inside)),
        "recall": len(inside) / len(ranks),
    }[family]


def over_all_orders(name: str, pred: Predictions) -> float:
    """The mean over every way to break the ties, each as likely."""
    scores = pred.scores[0].tolist()
    gains, likes = pred.gains[0].tolist(), pred.relevant[0].tolist()
    orders = (list(o) for o in permutations(range(len(scores))))
    fair = [o for o in orders if all(scores[x] >= scores[y] for x, y in pairwise(o))]
    return float(np.mean([by_hand(name, order, gains, likes) for order in fair]))


rows = st.lists(
    st.tuples(st.sampled_from([0.2, 0.4, 0.9]), st.sampled_from([0, 0.25, 0.5, 0.75, 1])),
    min_size=1,
    max_size=5,
)


@settings(max_examples=40, deadline=None)
@example([(0.4, 1.0), (0.4, 0.0), (0.4, 0.75), (0.4, 0.0), (0.2, 1.0), (0.9, 0.0)])
@given(rows)
def test_ties_count_as_the_mean_over_every_way_to_break_them(
    row: list[tuple[float, float]],
) -> None:
    pred = one_user([score for score, _ in row], [label for _, label in row])
    for name in RANKING:
        expect(name, pred, [over_all_orders(name, pred)], to=1e-12)


@pytest.mark.slow  # 5,040 orders a metric
@pytest.mark.parametrize("name", RANKING)
def test_seven_tied_items_count_as_the_mean_over_all_orders(name: str) -> None:
    pred = one_user([0.5] * 7, [1, 0, 0.25, 0.75, 0, 0.5, 0])
    expect(name, pred, [over_all_orders(name, pred)], to=1e-12)


def test_one_like_among_a_hundred_tied_items_has_the_known_ndcg() -> None:
    pred = one_user([0.5] * 100, [1.0] + [0.0] * 99, graded=False)
    expect("ndcg@10", pred, [0.04543559338088345], to=1e-12)  # scikit-learn's; others say 0 or .387


@pytest.mark.parametrize("name", [*RANKING, "auc-pooled"])
def test_constant_scores_measure_exactly_as_chance(name: str) -> None:
    pred = world(200, 10, levels=1)
    assert float(pooled(name, pred)) == chance(name, pred)


@pytest.mark.parametrize("name", [n for n in ALL if not math.isnan(chance(n, world(2, 9)))])
def test_random_scores_measure_near_chance(name: str) -> None:
    pred = world(5_000, 10)
    assert float(pooled(name, pred)) == pytest.approx(chance(name, pred), abs=0.02)


def test_chance_is_the_published_floor_of_the_metarec_rating_task() -> None:
    pred = one_user([0.1 * i for i in range(10)], [1.0] * 5 + [0.0] * 5)
    assert chance("precision@5", pred) == pytest.approx(0.5)
    assert chance("ndcg-binary@5", pred) == pytest.approx(0.5)
    assert chance("mrr@5", pred) == pytest.approx(0.70403, abs=5e-6)


def test_chance_of_uniform_scores_is_its_integral() -> None:
    pred = one_user([0.5, 0.5], [0.25, 1.0])
    assert chance("accuracy", pred) == pytest.approx((0.6 + 0.4) / 2, abs=1e-12)
    assert chance("mae", pred) == pytest.approx((0.3125 + 0.5) / 2, abs=1e-12)
    assert chance("log-loss", pred) == 1


@pytest.mark.parametrize("levels", [0, 3])
def test_auc_matched_counts_the_pairs_of_one_prior_one_by_one(levels: int) -> None:
    judged = world(30, 12, levels=levels)
    prior = prior_of(judged)
    shares = []
    for user in range(30):
        wins = []
        for like, dislike in product(range(12), range(12)):
            apart = abs(float(prior[user, like] - prior[user, dislike]))
            right = judged.relevant[user, like] and not judged.relevant[user, dislike]
            if right and apart <= NEAR:
                ahead = float(judged.scores[user, like] - judged.scores[user, dislike])
                wins.append(0.5 + 0.5 * np.sign(ahead))
        shares.append(np.mean(wins) if wins else np.nan)
    expect("auc-matched", judged, shares, to=1e-12)


def test_who_ranks_by_the_priors_alone_earns_half_of_the_pairs_that_tie() -> None:
    judged = world(200, 12)
    prior = prior_of(judged)
    by_prior = rank_predictions(prior, judged.labels, judged.mask, like_at=LIKE_AT, prior=prior)
    values = per_user("auc-matched", by_prior)
    assert float((values[~values.isnan()] - 0.5).abs().max()) < 1e-9
    assert mean_defined(per_user("auc", by_prior))[0] != pytest.approx(0.5, abs=1e-4)


def test_priors_a_tenth_of_a_star_apart_match_and_others_or_none_do_not() -> None:
    for apart, want in ((0.0, 1.0), (0.0249, 1.0), (0.0251, np.nan), (np.nan, np.nan)):
        prior = torch.tensor([[0.5, 0.5 + apart]], dtype=torch.float64)
        judged = replace(one_user([0.9, 0.1], [1.0, 0.0]), prior=prior)
        expect("auc-matched", judged, [want], to=0)
        expect("auc-matched", replace(judged, prior=None), [np.nan], to=0)


def test_auc_matched_says_nothing_of_a_ranked_catalogue() -> None:
    judged = world(5, 12)
    assert per_user("auc-matched", replace(judged, candidates=judged.candidates + 1)).isnan().all()
