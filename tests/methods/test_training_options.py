"""The options that trained methods share do what they say, and nothing after training."""

from functools import partial
from importlib import import_module
from typing import Any

import pytest
import torch
from torch import Tensor

from coldbench import registry
from coldbench.errors import UserError
from coldbench.method import Method, from_params
from tests.training import World, cold, trained, trained_briefly

EarlyStopping: Any = import_module("coldbench.methods._early_stopping").EarlyStopping
OPTIONS: list[dict[str, Any]] = [
    {"schedule": "cosine"},
    {"schedule": "linear"},
    {"warmup": 3},
    {"weight_decay": 0.5},
    {"dropout": 0.3},
    {"label_smoothing": 0.2},
    {"clip": 1e-3},
    {"precision": "bfloat16"},
]
LOSSES = [{"loss": "squared"}, {"loss": "pairs"}]  # of the query: for what is trained on episodes


def weights(method: Method[Any]) -> Tensor:
    """All that was learnt, in one row."""
    return torch.cat([w.flatten().float() for _, w in sorted(method.learned.items())])


@pytest.fixture(scope="module", params=["maml", "protonet", "cnp", "melu"])
def plain(request: pytest.FixtureRequest, world: World) -> tuple[str, Tensor]:
    """A method's name, and what it learns without options."""
    name = request.param
    return name, weights(trained_briefly(name, world, valid=0))


@pytest.mark.parametrize("option", [*OPTIONS, *LOSSES], ids=str)
def test_an_option_changes_what_is_learnt(
    world: World, plain: tuple[str, Tensor], option: dict[str, Any]
) -> None:
    """Nobody to stop by: the last weights are kept."""
    name, learned = plain
    other = weights(trained_briefly(name, world, valid=0, **option))
    assert learned.shape == other.shape and bool(torch.isfinite(other).all())
    assert not torch.equal(learned, other)


@pytest.mark.parametrize(
    ("schedule", "shares"),
    [
        ("constant", [1, 1, 1, 1]),
        ("linear", [1, 0.75, 0.5, 0.25]),
        ("cosine", [1, 0.8536, 0.5, 0.1464]),
    ],
)
def test_a_schedule_takes_the_rate_to_nothing(schedule: str, shares: list[float]) -> None:
    method = registry.find("methods", "maml")(schedule=schedule)
    rates = [method.share_of_rate(step, 4) for step in range(4)]
    assert rates == pytest.approx(shares, abs=1e-4)


def test_a_warm_up_raises_the_rate_from_little() -> None:
    method = registry.find("methods", "maml")(warmup=3)
    assert [method.share_of_rate(step, 100) for step in range(5)] == [0.25, 0.5, 0.75, 1, 1]


def test_dropout_ends_with_training_and_comes_from_the_seed(world: World) -> None:
    features = world[1].features.clone()
    first, again = (trained_briefly("maml", world, dropout=0.5) for _ in range(2))
    assert torch.equal(weights(first), weights(again))
    assert first.items is world[1] and torch.equal(world[1].features, features)


def test_dropped_features_are_nothing_and_the_others_weigh_more(world: World) -> None:
    method = registry.find("methods", "maml")(dropout=0.25)
    method.items = world[1]
    method.thin(torch.Generator().manual_seed(0))
    share = method.items.features / world[1].features
    assert bool(((share == 0) | ((share - 4 / 3).abs() < 1e-5)).all())
    assert 0.15 < float((share == 0).float().mean()) < 0.35


def test_smoothed_labels_are_drawn_to_the_middle_in_training_alone(world: World) -> None:
    method = trained_briefly("maml", world, label_smoothing=0.4, meta_steps=0)
    batch = cold(world)
    smooth = method._training_loss(batch, torch.Generator())
    q = batch.query
    logits = method.logits(method.adapt(batch.support), q.items)
    labels = 0.6 * q.labels + 0.2
    by_hand = torch.nn.functional.binary_cross_entropy_with_logits(logits, labels, reduction="none")
    torch.testing.assert_close(smooth, ((by_hand * q.mask).sum(1) / q.mask.sum(1)).mean())


def test_the_best_weights_are_kept_and_not_the_last(world: World) -> None:
    """A rate that ruins the start: the first look at valid users is the best one."""
    kept = trained_briefly("maml", world, meta_lr=50.0, check_every=1, patience=2)
    start = trained_briefly("maml", world, meta_steps=0)
    assert torch.equal(weights(kept), weights(start))


@pytest.mark.parametrize(
    ("option", "says"),
    [
        ({"schedule": "cosin"}, "did you mean 'cosine'"),
        ({"precision": "float16"}, "'float32' or 'bfloat16'"),
        ({"dropout": 1.0}, "dropout = 1.0: input should be less than 1"),
        ({"label_smoothing": -0.1}, "label_smoothing = -0.1: input should be greater"),
    ],
)
def test_a_wrong_option_is_one_clear_line(option: dict[str, Any], says: str) -> None:
    with pytest.raises(UserError, match=says):
        from_params(registry.find("methods", "maml"), "maml", option)


# a look at valid users is a gain or not, and patience is counted from gains


def test_training_stops_after_more_looks_without_a_gain_than_patience_allows() -> None:
    stopping, stops = EarlyStopping(patience=1), []
    for loss in (3.0, 2.0, 2.0, 1.0, 1.5, 1.2):
        stopping.improved(loss)
        stops.append(stopping.stops)
    assert stops == [False] * 5 + [True] and stopping.best == 1.0


def test_an_equal_loss_is_a_gain_where_ties_are_said_to_be() -> None:
    improved = [EarlyStopping(0, 1.0, ties_improve=t).improved(1.0) for t in (False, True)]
    assert improved == [False, True]


def test_a_loss_of_nan_is_no_gain() -> None:
    stopping = EarlyStopping(patience=0, ties_improve=True)
    assert not stopping.improved(float("nan")) and stopping.stops


@pytest.mark.parametrize("name", ["maml", "protonet", "reptile"])
def test_a_warm_start_that_takes_no_step_is_what_was_learnt_before(world: World, name: str) -> None:
    assert registry.find("methods", name).warm_starts
    fitted = partial(trained, name, world, seed=1)  # a seed under which all three learn something
    old = fitted(meta_steps=30, check_every=5)
    fresh, again = (fitted(before=before, meta_steps=0) for before in (None, old))
    assert all(torch.equal(again.learned[key], weight) for key, weight in old.learned.items())
    assert any(not torch.equal(fresh.learned[key], weight) for key, weight in old.learned.items())


def test_weights_of_another_shape_are_no_warm_start(world: World) -> None:
    narrow = trained("maml", world, meta_steps=1, hidden=4)
    fresh, begun = (trained("maml", world, before=old, meta_steps=0) for old in (None, narrow))
    assert all(torch.equal(begun.learned[key], weight) for key, weight in fresh.learned.items())
