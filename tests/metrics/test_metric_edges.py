"""Metrics where the catalogue is ranked, where there is padding, and at their edges."""

import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch.overrides import TorchFunctionMode

from coldbench.errors import UserError
from coldbench.metrics.compute import (
    METRICS,
    chance,
    classification,
    mean_defined,
    names,
    parse_metric,
    per_user,
    pooled,
)
from coldbench.metrics.predictions import rank_predictions
from tests.metrics.test_metrics import ALL, LIKE_AT, RANKING, expect, one_user, prior_of, world


@pytest.mark.parametrize("name", ALL)
def test_ranks_in_a_catalogue_that_is_the_query_change_nothing(name: str) -> None:
    rated = world(20, 12, levels=4)
    every = rank_predictions(
        rated.scores,
        rated.labels,
        rated.mask,
        like_at=LIKE_AT,
        span=4.0,
        ranks=(rated.above, rated.tied),
        candidates=rated.candidates,
        prior=rated.prior,
    )
    assert torch.equal(pooled(name, every), pooled(name, rated))


@pytest.mark.parametrize("name", [name for name in RANKING if name != "auc-matched"])
def test_the_query_in_a_catalogue_is_a_long_query_of_worthless_others(name: str) -> None:
    long = world(20, 90, levels=30)
    few = torch.arange(90) < 4
    long = replace(long, relevant=long.relevant & few, gains=long.gains * few)
    short = rank_predictions(
        long.scores[:, :4],
        long.labels[:, :4],
        long.mask[:, :4],
        like_at=LIKE_AT,
        ranks=(long.above[:, :4], long.tied[:, :4]),
        candidates=long.candidates,
    )
    expect(name, short, per_user(name, long).numpy(), to=1e-12)
    assert chance(name, short) == pytest.approx(chance(name, long), abs=1e-12)


def test_long_queries_are_ranked_as_short_ones_are() -> None:
    long = world(10, 600, levels=2)  # more than a byte can count
    scores = long.scores
    assert torch.equal(long.above, (scores[:, None] > scores[:, :, None]).sum(2))
    assert torch.equal(long.tied, (scores[:, None] == scores[:, :, None]).sum(2))


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("width", [4, 80])
def test_padding_changes_nothing_whatever_it_holds(name: str, width: int) -> None:
    pred = world(20, 8, levels=4)
    shape = (20, width)
    padded = rank_predictions(
        torch.cat([pred.scores, torch.full(shape, torch.nan)], 1),
        torch.cat([pred.labels, torch.ones(shape)], 1),
        torch.cat([pred.mask, torch.zeros(shape, dtype=torch.bool)], 1),
        like_at=LIKE_AT,
        span=4.0,
        prior=torch.cat([prior_of(pred), torch.full(shape, 0.125)], 1),
    )
    torch.testing.assert_close(pooled(name, padded), pooled(name, pred), rtol=0, atol=1e-12)
    assert chance(name, padded) == pytest.approx(chance(name, pred), abs=1e-12, nan_ok=True)


@pytest.mark.parametrize("name", RANKING)
def test_the_order_of_items_changes_nothing(name: str) -> None:
    judged = world(50, 10, levels=3)
    columns = judged.scores.flip(1), judged.labels.flip(1), judged.mask
    turned = rank_predictions(*columns, like_at=LIKE_AT, span=4.0, prior=prior_of(judged).flip(1))
    expect(name, turned, per_user(name, judged).numpy(), to=1e-12)


def test_users_without_likes_are_left_out_and_counted() -> None:
    both = torch.tensor([[1.0, 0.0], [0.0, 0.0], [1.0, 1.0]])
    scores, mask = torch.tensor([[0.9, 0.1]] * 3), torch.ones(3, 2, dtype=torch.bool)
    pred = rank_predictions(scores, both, mask, like_at=0.5, graded=False)
    expected: dict[str, list[float]] = {
        "auc": [1, math.nan, math.nan],  # nor is there a pair where all are likes
        "mrr": [1, math.nan, 1],
        "hit@1": [1, math.nan, 1],
        "recall@1": [1, math.nan, 0.5],
        "ndcg@1": [1, math.nan, 1],
        "ndcg-binary@1": [1, math.nan, 1],
        "precision@1": [1, 0, 1],
    }
    for name, values in expected.items():
        expect(name, pred, values, to=0)
    assert mean_defined(per_user("auc", pred)) == (1.0, 1)
    assert mean_defined(per_user("mrr", pred)) == (1.0, 2)
    assert float(pooled("mrr", pred)) == 1.0


def test_a_user_without_items_is_nowhere_defined() -> None:
    pred = rank_predictions(torch.zeros(1, 3), torch.ones(1, 3), torch.zeros(1, 3) > 0, like_at=0.5)
    for name, metric in METRICS.items():
        if metric.per_user:
            assert per_user(name.replace("@k", "@2"), pred).isnan().all()


def test_no_users_give_no_values() -> None:
    pred = rank_predictions(
        torch.zeros(0, 3), torch.zeros(0, 3), torch.zeros(0, 3) > 0, like_at=0.5
    )
    assert per_user("ndcg@10", pred).shape == (0,)


def test_a_list_shorter_than_k_keeps_k_places() -> None:
    pred = one_user([0.9, 0.1], [1.0, 0.0])
    expect("precision@10", pred, [0.1], to=1e-15)
    expect("ndcg@10", pred, [1.0], to=1e-15)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_score_that_is_not_finite_is_refused_with_the_number_of_users(bad: float) -> None:
    scores = torch.zeros(5, 3)
    scores[1, 2] = scores[4, 0] = bad
    mask = torch.ones(5, 3, dtype=torch.bool)
    with pytest.raises(ValueError, match="2 of 5 users have a score that is not finite"):
        rank_predictions(scores, torch.zeros(5, 3), mask, like_at=0.5)


def test_ranks_come_with_the_number_of_candidates() -> None:
    rated = world(2, 3)
    with pytest.raises(ValueError, match="give both or none"):
        rank_predictions(
            rated.scores, rated.labels, rated.mask, like_at=0.5, candidates=rated.candidates
        )


def test_a_score_at_the_threshold_is_no_like_in_any_precision() -> None:
    for dtype in (torch.float32, torch.float64):
        at = torch.full((1, 1), 0.6, dtype=dtype)
        pred = rank_predictions(at, at, torch.ones(1, 1, dtype=torch.bool), like_at=0.6)
        assert not pred.predicted_positive.any()
        assert not pred.relevant.any()


def test_a_perfect_calibration_has_no_error_and_a_bold_one_has_its_gap() -> None:
    labels = torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    mask = torch.ones(2, 2, dtype=torch.bool)
    half = rank_predictions(torch.full((2, 2), 0.5), labels, mask, like_at=0.5)
    bold = rank_predictions(torch.full((2, 2), 1.0), labels, mask, like_at=0.5)
    assert float(pooled("ece", half)) == 0
    assert float(pooled("ece", bold)) == 0.5


@pytest.mark.parametrize("name", ALL)
def test_a_user_of_weight_two_counts_as_two_users(name: str) -> None:
    pred = world(5, 12, levels=6)
    weights = torch.tensor([[2.0, 1, 0, 3, 1], [1, 1, 1, 1, 1]])
    who = torch.tensor([0, 0, 1, 3, 3, 3, 4])
    columns = pred.scores[who], pred.labels[who], pred.mask[who]
    drawn = rank_predictions(*columns, like_at=LIKE_AT, span=4.0, prior=prior_of(pred)[who])
    values = torch.cat([pooled(name, drawn), pooled(name, pred)])
    torch.testing.assert_close(pooled(name, pred, weights), values, rtol=0, atol=1e-12)


def test_the_pooled_auc_is_the_same_in_small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    pred, weights = world(20, 5), torch.randint(0, 3, (50, 20)).double()
    whole = pooled("auc-pooled", pred, weights)
    monkeypatch.setattr("coldbench.metrics.formulas.MEMORY", 1000)
    assert torch.equal(pooled("auc-pooled", pred, weights), whole)


@pytest.mark.parametrize("resamples", [1, 20, 21])  # more than users: by pairs of users
def test_a_resample_of_the_pooled_auc_is_the_same_among_others(resamples: int) -> None:
    pred, weights = world(20, 5), torch.randint(0, 3, (resamples, 20)).double()
    alone = [pooled("auc-pooled", pred, weight[None]) for weight in weights]
    assert torch.equal(pooled("auc-pooled", pred, weights), torch.cat(alone))


def test_values_are_the_same_in_small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = {name: per_user(name, world(50, 10, levels=5)) for name in RANKING}
    monkeypatch.setattr("coldbench.metrics.predictions.CHUNK", 30)
    for name, values in whole.items():
        assert torch.equal(per_user(name, world(50, 10, levels=5)), values)


def test_a_wrong_name_is_told_the_nearest_one() -> None:
    for wrong, right in {
        "ndgc@10": "ndcg@10",
        "aux": "auc",
        "hit@x": "hit@10",
        "ndcg": "ndcg@",
    }.items():
        with pytest.raises(UserError, match=f"no metric '{wrong}'; did you mean '{right}"):
            parse_metric(wrong)


@pytest.mark.parametrize("wrong", ["ndcg@k", "ndcg@0", "ndcg@-1", "ndcg@", "auc@5", "f1@", ""])
def test_a_cut_that_is_no_number_is_refused(wrong: str) -> None:
    with pytest.raises(UserError, match="no metric"):
        parse_metric(wrong)


def test_every_metric_listed_is_known_and_says_what_it_is() -> None:
    for name in names():
        metric, _ = parse_metric(name.replace("@k", "@10"))
        assert metric.summary
        assert (metric.per_user is None) != (metric.pooled is None)


def test_a_pooled_metric_has_no_value_per_user() -> None:
    with pytest.raises(ValueError, match="f1 is pooled"):
        per_user("f1", world(2, 3))


class NamesItsDevice(TorchFunctionMode):
    """Fails on a tensor made from nothing without saying where."""

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        makers = (torch.zeros, torch.ones, torch.empty, torch.full, torch.arange, torch.tensor)
        assert func not in makers or "device" in (kwargs or {}), f"{func} on the default device"
        return func(*args, **(kwargs or {}))


def test_every_tensor_is_made_on_a_named_device_and_in_float64() -> None:
    data = world(6, 5, levels=3)
    with NamesItsDevice():
        pred = rank_predictions(
            data.scores.float(), data.labels.float(), data.mask, like_at=LIKE_AT
        )
        for name in ALL:
            assert pooled(name, pred).dtype == torch.float64
            chance(name, pred)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("name", ALL)
def test_a_cuda_device_measures_the_same(name: str) -> None:
    on_cpu = world(50, 10, levels=5)
    on_gpu = rank_predictions(
        on_cpu.scores.cuda(), on_cpu.labels.cuda(), on_cpu.mask.cuda(), like_at=LIKE_AT, span=4
    )
    torch.testing.assert_close(pooled(name, on_gpu).cpu(), pooled(name, on_cpu), rtol=0, atol=1e-12)


@pytest.mark.parametrize(("candidates", "alone"), [(2, False), (3, True)])
def test_likes_are_alone_where_more_is_ranked_than_is_known(candidates: int, alone: bool) -> None:
    zeros = torch.zeros(1, 3, dtype=torch.int64)
    mask = torch.tensor([[True, True, False]])
    pred = rank_predictions(
        torch.full((1, 3), 0.5), torch.tensor([[1.0, 1.0, 0.0]]), mask, like_at=0.5,
        ranks=(zeros, zeros + 1), candidates=torch.tensor([candidates]),
    )  # fmt: skip
    assert pred.positive_only == alone
    assert not replace(pred, relevant=torch.tensor([[True, False, False]])).positive_only


EXPECTED = """\
              precision    recall  f1-score   support

     dislike       0.00      0.00      0.00         0
        like       1.00      0.50      0.67         2

    accuracy                           0.50         2
   macro avg       0.50      0.25      0.33         2
weighted avg       1.00      0.50      0.67         2
"""  # of scikit-learn 1.9


def test_a_class_that_nothing_is_of_scores_nothing_as_scikit_learn_has_it() -> None:
    scores, labels = torch.tensor([[0.9, 0.1, 0.3]]), torch.tensor([[1.0, 1.0, 0.0]])
    mask = torch.tensor([[True, True, False]])
    assert classification(rank_predictions(scores, labels, mask, like_at=0.5)) == EXPECTED
