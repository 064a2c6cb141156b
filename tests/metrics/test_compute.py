"""What each name stands for, and how values per user are pooled, by hand."""

import pytest
import torch

from coldbench.metrics.compute import (
    METRICS,
    chance,
    classification,
    mean_defined,
    parse_metric,
    per_user,
    pooled,
)
from coldbench.metrics.formulas import NO_CUT
from coldbench.metrics.predictions import Predictions, rank_predictions
from tests.scored import scored

NAN = float("nan")
ERRORS, OF_SCORES = {"mae", "rmse", "log-loss", "ece"}, {"accuracy", "f1", "precision", "recall"}
BOTH = scored([[0.75, 0.25, 0.5], [0.25, 0.5, None]], [[1, 0, 1], [1, 0, None]]).predictions
THREE = scored([[0.75, 0.25], [0.25, 0.5], [0.5, 0.5]], [[1, 0], [1, 0], [0, 0]]).predictions


def catalogue(labels: list[float]) -> Predictions:
    """One user's items at ranks 1, 2, ... of nine."""
    label = torch.tensor([labels])
    place = torch.arange(len(labels))[None]
    return rank_predictions(
        torch.full_like(label, 0.9), label, label >= 0, like_at=0.5,
        ranks=(place, torch.ones_like(place)), candidates=torch.tensor([9]),
    )  # fmt: skip


@pytest.mark.parametrize("name", METRICS)
def test_less_of_an_error_is_better_and_only_a_ranking_metric_leaves_the_scores_aside(
    name: str,
) -> None:
    metric = METRICS[name]
    assert metric.higher_is_better == (name not in ERRORS)
    assert metric.ranks == (name not in ERRORS | OF_SCORES)
    assert (metric.pooled is not None) == (
        name in ("auc-pooled", "f1", "precision", "recall", "ece")
    )


@pytest.mark.parametrize(
    ("name", "family", "k"),
    [("ndcg@10", "ndcg@k", 10), ("mrr@1", "mrr@k", 1), ("mrr", "mrr", NO_CUT),
     ("auc", "auc", NO_CUT), ("hit@999999999", "hit@k", 999_999_999), ("recall", "recall", NO_CUT)],
)  # fmt: skip
def test_a_name_is_a_metric_and_where_it_is_cut(name: str, family: str, k: int) -> None:
    metric, cut = parse_metric(name)
    assert metric is METRICS[family] and cut == k


@pytest.mark.parametrize(
    ("name", "first", "second"),
    [
        ("mrr", 1, 0.5), ("mrr@1", 1, 0), ("hit@1", 1, 0), ("recall@1", 0.5, 0),
        ("precision@2", 1, 0.5), ("auc", 1, 0), ("accuracy", 2 / 3, 0.5), ("mae", 1 / 3, 0.625),
        ("ndcg-binary@1", 1, 0),
        ("ndcg@1", 1, 1 / 31),
    ],
)  # fmt: skip
def test_each_name_has_its_own_formula(name: str, first: float, second: float) -> None:
    assert per_user(name, BOTH).tolist() == pytest.approx([first, second])


@pytest.mark.parametrize(
    ("name", "value"), [("f1", 2 / 4), ("precision", 1), ("recall", 1 / 3), ("auc-pooled", 4 / 6)]
)
def test_each_pooled_name_has_its_own_formula(name: str, value: float) -> None:
    assert pooled(name, BOTH).tolist() == pytest.approx([value])


def test_a_pooled_value_per_user_is_the_weighted_mean_over_whom_it_is_defined() -> None:
    assert per_user("mrr", THREE).tolist() == pytest.approx([1, 0.5, NAN], nan_ok=True)
    assert mean_defined(per_user("mrr", THREE)) == (0.75, 2)
    weights = torch.tensor([[3, 1, 5], [0, 2, 1], [0, 0, 2]])
    assert pooled("mrr", THREE).tolist() == [0.75]
    assert pooled("mrr", THREE, weights).tolist() == pytest.approx([0.875, 0.5, NAN], nan_ok=True)


def test_where_only_likes_are_known_of_a_catalogue_scores_themselves_are_not_measured() -> None:
    likes, rated = catalogue([1, 1]), catalogue([1, 0])
    assert per_user("mae", likes).isnan().all() and per_user("mae", rated).isfinite().all()
    assert pooled("f1", likes).isnan().all() and pooled("f1", rated).isfinite().all()
    assert pooled("auc-pooled", likes, torch.ones(3, 1)).isnan().tolist() == [True] * 3
    assert chance("mae", likes) != chance("mae", likes)
    assert per_user("mrr", likes).tolist() == [1]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("auc", 0.5), ("mrr@1", (2 / 3 + 1 / 2) / 2), ("recall@1", (1 / 3 + 1 / 2) / 2),
        ("accuracy", 0.5), ("mae", 0.5), ("log-loss", 1), ("rmse", NAN), ("f1", NAN), ("ece", NAN),
        ("auc-pooled", 0.5),
    ],
)  # fmt: skip
def test_chance_is_what_any_order_of_the_candidates_measures_on_average(
    name: str, value: float
) -> None:
    assert chance(name, BOTH) == pytest.approx(value, nan_ok=True)


def test_chance_in_a_catalogue_is_of_all_its_candidates() -> None:
    assert chance("recall@3", catalogue([1, 1])) == pytest.approx(3 / 9)


REPORT = """\
              precision    recall  f1-score   support

     dislike       0.50      1.00      0.67         2
        like       1.00      0.33      0.50         3

    accuracy                           0.60         5
   macro avg       0.75      0.67      0.58         5
weighted avg       0.80      0.60      0.57         5
"""  # 2 dislikes found among 4, one like of 3


def test_the_classification_report_counts_both_classes_and_leaves_padding_out() -> None:
    assert classification(BOTH) == REPORT
    none = scored([[0.75]], [[0]]).predictions
    assert classification(none).splitlines()[2:4] == [
        "     dislike       0.00      0.00      0.00         1",
        "        like       0.00      0.00      0.00         0",
    ]
