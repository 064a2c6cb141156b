"""Every formula on two users, by hand: ties within a user and across them, and padding."""

import math
from dataclasses import replace
from unittest.mock import patch

import pytest
import torch
from torch import Tensor

from coldbench.metrics import formulas
from coldbench.metrics.predictions import Predictions, rank_predictions

NAN = float("nan")
MASK = torch.tensor([[True] * 4, [True] * 3 + [False]])
#             dislike like dislike like          like dislike like padding
SCORES = [[0.85, 0.75, 0.75, 0.25], [0.55, 0.25, 0.55, 0.9]]
LABELS = [[0.25, 1.0, 0.0, 0.75], [1.0, 0.0, 1.0, 1.0]]
PRIOR = [[0.5, 0.52, 0.5, 0.6], [0.5, 0.51, 0.6, 0.5]]
WEIGHTS = torch.tensor([[1.0, 1], [2, 0], [1, 3]], dtype=torch.float64)


def judged(scores: list[list[float]], labels: list[list[float]], mask: Tensor) -> Predictions:
    score, label, prior = (torch.tensor(x, dtype=torch.float64) for x in (scores, labels, PRIOR))
    fits = prior if prior.shape == score.shape else None
    return rank_predictions(score, label, mask, like_at=0.625, span=4.0, prior=fits)


def of(*pairs: tuple[float, float]) -> Predictions:
    """One user's scores and labels."""
    one = torch.ones(1, len(pairs), dtype=torch.bool)
    return judged([[score for score, _ in pairs]], [[label for _, label in pairs]], one)


BOTH = judged(SCORES, LABELS, MASK)


def is_close(found: Tensor, *expected: float) -> None:
    assert found.dtype == torch.float64
    assert found.tolist() == pytest.approx(list(expected), abs=1e-12, nan_ok=True)


@pytest.mark.parametrize(
    ("k", "first", "second"),
    [  # rank 2 and 3 as likely for the first user, rank 1 for the second: his likes are tied there
        (1, 0, 1), (2, 0.25, 1), (3, 5 / 12, 1), (9, 5 / 12, 1),
    ],
)  # fmt: skip
def test_the_first_like_counts_by_its_rank_up_to_k(k: int, first: float, second: float) -> None:
    is_close(formulas.reciprocal_rank(BOTH, k), first, second)
    is_close(formulas.hit(BOTH, k), {1: 0, 2: 0.5}.get(k, 1), 1)


def test_the_first_of_two_likes_among_four_tied_items_is_hypergeometric() -> None:
    """Below one item of a higher score: rank 2 with 2/4, rank 3 with 2/4 2/3, rank 4 with 1/6."""
    tied = of((0.9, 0), (0.5, 1), (0.5, 0), (0.5, 1), (0.5, 0), (0.1, 1))
    is_close(formulas.reciprocal_rank(tied, 9), 1 / 4 + 1 / 9 + 1 / 24)
    is_close(formulas.reciprocal_rank(tied, 3), 1 / 4 + 1 / 9)
    for k, chance in ((1, 0), (2, 1 / 2), (3, 5 / 6), (4, 1), (5, 1)):
        is_close(formulas.hit(tied, k), chance)
    is_close(formulas.hit(of((0.5, 0), (0.5, 0)), 1), NAN)


@pytest.mark.parametrize(
    ("k", "first", "second"), [(1, 0, 1), (2, 0.5, 2), (3, 1, 2), (4, 2, 2), (10, 2, 2)]
)
def test_likes_among_the_first_k_over_all_likes_and_over_k(
    k: int, first: float, second: float
) -> None:
    is_close(formulas.recall(BOTH, k), first / 2, second / 2)
    is_close(formulas.precision(BOTH, k), first / k, second / k)


def test_precision_is_0_without_a_like_and_none_without_an_item() -> None:
    is_close(formulas.precision(of((0.5, 0), (0.25, 0)), 1), 0)
    is_close(formulas.precision(replace(BOTH, candidates=torch.tensor([4, 0])), 1), 0, NAN)


GAINS = torch.tensor([[1.0, 7, 0, 3], [2, 0, 2, 0]], dtype=torch.float64)
SECOND, THIRD = 1 / math.log2(3), 1 / 2  # what a gain at these ranks counts for


@pytest.mark.parametrize(
    ("k", "first", "second"),
    [
        (1, 1 / 7, 1),
        (2, (1 + 7 * SECOND / 2) / (7 + 3 * SECOND), 1),
        (3, (1 + 7 * (SECOND + THIRD) / 2) / (7 + 3 * SECOND + THIRD), 1),
        (4, (1 + 7 * (SECOND + THIRD) / 2 + 3 / math.log2(5)) / (7 + 3 * SECOND + THIRD), 1),
        (50, (1 + 7 * (SECOND + THIRD) / 2 + 3 / math.log2(5)) / (7 + 3 * SECOND + THIRD), 1),
    ],
)
def test_ndcg_shares_the_places_of_tied_items(k: int, first: float, second: float) -> None:
    is_close(formulas.ndcg(BOTH, GAINS, k), first, second)


def test_ndcg_of_a_catalogue_looks_beyond_what_was_asked() -> None:
    """Two items at ranks 2 and 3 to 4 of nine."""
    two = rank_predictions(
        torch.tensor([[0.5, 0.25]]), torch.ones(1, 2), torch.ones(1, 2, dtype=torch.bool),
        like_at=0.5, ranks=(torch.tensor([[1, 2]]), torch.tensor([[1, 2]])),
        candidates=torch.tensor([9]),
    )  # fmt: skip
    gains = torch.tensor([[1.0, 3.0]], dtype=torch.float64)
    tied = 3 * (THIRD + 1 / math.log2(5)) / 2
    is_close(formulas.ndcg(two, gains, 5), (SECOND + tied) / (3 + SECOND))
    # 7 and 5.5 others are beaten, less the one that likes beat among each other, of 2 x 7 pairs
    is_close(formulas.auc(two), (7 + 5.5 - 1) / 14)


def test_auc_is_the_share_of_pairs_within_a_user() -> None:
    is_close(formulas.auc(BOTH), 0.5 / 4, 1)
    is_close(formulas.auc(of((0.5, 1), (0.25, 1))), NAN)


def test_auc_of_matched_priors_leaves_out_pairs_that_lie_apart() -> None:
    assert formulas.NEAR == 0.025
    is_close(formulas.auc_matched(BOTH), 0.5 / 2, 1)  # .52 beside .5 twice; .5 beside .51
    is_close(formulas.auc_matched(replace(BOTH, prior=None)), NAN, NAN)
    catalogue = replace(BOTH, candidates=torch.tensor([4, 4]))
    is_close(formulas.auc_matched(catalogue), 0.25, NAN)
    edge = torch.tensor([[0.0, 0.025, 0.0, 0.0251], [0.5, 0.5, 0.5, 0.5]], dtype=torch.float64)
    is_close(formulas.auc_matched(replace(BOTH, prior=edge)), 0.25, 1)


def test_errors_of_scores_are_means_in_units_of_the_scale() -> None:
    is_close(formulas.user_mean(BOTH.scores, BOTH), 0.65, 0.45)
    is_close(formulas.accuracy(BOTH), 1 / 4, 1 / 3)
    is_close(formulas.mae(BOTH), 2.1, 4 * 1.15 / 3)
    is_close(formulas.rmse(BOTH), 2 * math.sqrt(1.235), 4 * math.sqrt(0.4675 / 3))
    loss = [-y * math.log(p) - (1 - y) * math.log(1 - p)
            for p, y in zip(SCORES[0], LABELS[0], strict=True)]  # fmt: skip
    second = -(2 * math.log(0.55) + math.log(0.75)) / 3
    is_close(formulas.log_loss(BOTH), sum(loss) / 4, second)


def test_the_log_loss_of_a_sure_mistake_is_finite() -> None:
    far = -math.log(1e-7)
    is_close(formulas.log_loss(of((0.0, 1))), far)
    assert float(formulas.log_loss(of((1.0, 0)))) == pytest.approx(far, abs=1e-8)
    is_close(formulas.log_loss(of((1e-6, 1))), -math.log(1e-6))
    assert float(formulas.log_loss(of((1.0, 1)))) == pytest.approx(1e-7, rel=1e-3)


def test_errors_of_uniform_scores_are_their_integrals() -> None:
    is_close(formulas.accuracy_of_uniform(BOTH), 0.5, (2 * 0.375 + 0.625) / 3)
    is_close(formulas.mae_of_uniform(BOTH), 2 * 0.3125 + 2 * 0.5, 2)
    is_close(formulas.log_loss_of_uniform(BOTH), 1, 1)


def test_the_pooled_auc_counts_pairs_of_users_by_the_product_of_their_weights() -> None:
    """.75 ties with .75 and beats .25; each .55 beats .25; .25 ties with .25."""
    is_close(formulas.auc_pooled(BOTH, WEIGHTS), 4 / 12, 0.5 / 4, (0.5 + 3 + 1.5 + 18) / 40)
    is_close(formulas.auc_pooled(of((0.5, 1)), WEIGHTS[:, :1]), NAN, NAN, NAN)
    nobody = replace(BOTH, mask=torch.zeros_like(MASK), relevant=torch.zeros_like(MASK))
    is_close(formulas.auc_pooled(nobody, WEIGHTS), NAN, NAN, NAN)


def test_the_pooled_auc_of_one_resample_of_one_user_is_that_users() -> None:
    is_close(formulas.auc_pooled(of((0.5, 1), (0.4, 0)), WEIGHTS[:1, :1]), 1.0)


@pytest.mark.parametrize(
    ("resamples", "memory", "pairs"),
    [(2, 56, False), (3, 56, True), (3, 55, False)],  # 4 x 7 predictions x 2 users: 56
)
def test_users_are_paired_where_resamples_are_more_and_memory_holds_it(
    resamples: int, memory: int, pairs: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(formulas, "MEMORY", memory)
    with patch.object(formulas, "_by_pairs_of_users", wraps=formulas._by_pairs_of_users) as taken:
        values = formulas.auc_pooled(BOTH, WEIGHTS[:resamples])
    is_close(values, *(4 / 12, 0.5 / 4, (0.5 + 3 + 1.5 + 18) / 40)[:resamples])
    assert taken.called == pairs


@pytest.mark.parametrize(
    ("alpha", "values"),
    [(1.0, (1 / 3, 1 / 3, 1 / 3)), (0.0, (1 / 4, 1 / 2, 1 / 8)), (0.5, (2 / 7, 2 / 5, 2 / 11))],
)
def test_precision_recall_and_f1_are_pooled_by_weight(
    alpha: float, values: tuple[float, ...]
) -> None:
    is_close(formulas.f_measure(BOTH, WEIGHTS, alpha), *values)


def test_the_calibration_error_cancels_within_a_bin_of_all_users() -> None:
    """Excess by bin: .6 of .85, .5 of the two .75, -.9 of the two .55, -.5 and .25 of .25."""
    is_close(formulas.ece(BOTH, WEIGHTS), 2.25 / 7, 1.6 / 4, 4.05 / 13)
    one = torch.ones(1, 1, dtype=torch.float64)
    is_close(formulas.ece(of((0.05, 1), (0.15, 0)), one), 1.1 / 2)
    is_close(formulas.ece(of((1.0, 0), (0.95, 1)), one), 0.95 / 2)
    is_close(formulas.ece(of((0.85, 0), (0.95, 1)), one), 0.9 / 2)
