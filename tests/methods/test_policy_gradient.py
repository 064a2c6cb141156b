"""Policy gradient: its estimates against the gradient of the expected reward, order by order."""

from dataclasses import replace
from importlib import import_module
from itertools import permutations
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.metrics import ndcg_score
from torch import Tensor

from coldbench.metrics.compute import per_user
from coldbench.metrics.predictions import rank_predictions
from coldbench.testing import ToyProblem
from tests.training import World, close, trained

policy = import_module("coldbench.methods.policy_gradient")


Z = torch.tensor([[0.3, -0.8, 1.1, 0.2], [0.5, -0.4, 0.9, 7.0]], dtype=torch.float64)
REAL = torch.tensor([[True] * 4, [True, True, True, False]])
GAINS = torch.tensor([[1.0, 0, 3, 7], [0, 15, 1, 0]], dtype=torch.float64)


def chance_of(z: Tensor, order: tuple[int, ...]) -> Tensor:
    """By the book: one item after another from those that are left."""
    chance, left = z.new_ones(()), list(order)
    for item in order:
        chance = chance * z[item].exp() / z[left].exp().sum()
        left.remove(item)
    return chance


def reward_of(gains: Tensor, order: tuple[int, ...], cut: int) -> float:
    def worth(ranked: list[float]) -> float:
        return sum(g / np.log2(place + 2) for place, g in enumerate(ranked[:cut]))

    real = gains[: len(order)].tolist()
    return worth([real[i] for i in order]) / worth(sorted(real, reverse=True))


def expected(z: Tensor, user: int, cut: int) -> Tensor:
    orders = permutations(range(int(REAL[user].sum())))
    return torch.stack(
        [chance_of(z[user], order) * reward_of(GAINS[user], order, cut) for order in orders]
    ).sum()


@pytest.mark.parametrize("cut", [2, 10])
def test_the_estimated_gradient_is_that_of_the_expected_reward(cut: int) -> None:
    z, samples = Z.clone().requires_grad_(), 40_000
    orders = policy.draw_orders(z, REAL, samples, seed=0)
    value = policy.reinforce(z, REAL, GAINS, orders, cut).sum()
    (slope,) = torch.autograd.grad(value, z)
    exact = sum(expected(z, user, cut) for user in range(2))
    assert isinstance(exact, Tensor)
    (want,) = torch.autograd.grad(exact, z)
    # a sample's gradient has entries below 1 in size: five standard errors
    torch.testing.assert_close(slope, want, rtol=0, atol=5 / samples**0.5)
    assert float(want.abs().max()) > 0.03


@pytest.mark.parametrize("samples", [2, 8])
def test_the_baseline_leaves_the_gradient_unbiased_for_few_samples_too(samples: int) -> None:
    """The mean over many small draws, each with the baseline of its own samples."""
    z, draws = Z[:1].clone().requires_grad_(), 30_000 // samples
    orders = policy.draw_orders(z, REAL[:1], draws * samples, seed=1).view(draws, samples, 4)
    many = z.expand(draws, -1)
    real, gains = REAL[:1].expand(draws, -1), GAINS[:1].expand(draws, -1)
    value = policy.reinforce(many, real, gains, orders.transpose(0, 1), 10)
    (slope,) = torch.autograd.grad(value.mean(), z)
    (want,) = torch.autograd.grad(expected(z, 0, 10), z)
    close(slope, want, 0.02)


def test_orders_are_drawn_as_often_as_plackett_and_luce_say_and_their_chances_sum_to_1() -> None:
    orders = list(permutations(range(3)))
    drawn = policy.draw_orders(Z, REAL, 20_000, seed=2)[:, 1]
    assert bool((drawn[:, 3] == 3).all()), "padding stands last"
    want = torch.stack([chance_of(Z[1], order) for order in orders])
    listed = torch.tensor([[*order, 3] for order in orders])[:, None].expand(-1, 2, -1)
    chances = policy.log_chance(Z, REAL, listed)[:, 1].exp()
    torch.testing.assert_close(chances, want)
    assert float(want.sum()) == pytest.approx(1)
    for order, chance in zip(orders, want, strict=True):
        share = (drawn[:, :3] == torch.tensor(order)).all(1).double().mean()
        assert float(share) == pytest.approx(float(chance), abs=0.015)


@pytest.mark.parametrize("cut", [2, 10])
def test_the_reward_is_scikit_learns_ndcg(cut: int) -> None:
    order = Z.masked_fill(~REAL, -100).argsort(1, descending=True)
    rewards = policy.ndcg(GAINS, order[None], cut)[0]
    for user in range(2):
        n = int(REAL[user].sum())
        want = ndcg_score(GAINS[user : user + 1, :n], Z[user : user + 1, :n], k=cut)
        assert float(rewards[user]) == pytest.approx(want)
    nothing = policy.ndcg(torch.zeros(1, 3), torch.tensor([[[0, 1, 2]]]), 10)
    assert float(nothing) == 0


def test_without_the_reward_it_trains_as_protonet_does(world: World) -> None:
    split, items = world
    unjudged = replace(split, valid=split.valid.first(0)), items  # the last weights are kept
    brief = {"meta_steps": 6, "meta_users": 8}
    theirs = trained("protonet", unjudged, **brief)
    ours, rewarded = (trained("policy-gradient", unjudged, mix=m, **brief) for m in (1.0, 0.5))
    for name, weight in theirs.learned.items():
        close(ours.learned[name], weight, 1e-6)
    assert float((rewarded.learned["projection"] - theirs.learned["projection"]).abs().max()) > 1e-4


def test_a_batch_has_its_own_lots_so_two_trainings_see_the_same(world: World) -> None:
    batch = next(world[0].warm.sample(1, 6, shots=(4,), query=6, seed=0))
    method = trained("policy-gradient", world, meta_steps=2, mix=0.0)
    with torch.enable_grad():
        first, again = method._loss(batch), method._loss(batch)
        other = method._loss(replace(batch, users=batch.users + 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@pytest.mark.parametrize("likes", [False, True])
def test_it_is_trained_for_the_gain_that_it_is_judged_by(world: World, likes: bool) -> None:
    split, items = world
    if likes:
        warm = replace(split.warm, labels=(split.warm.labels > 0.6).astype(np.float32))
        split = replace(split, warm=warm)
    method = trained("policy-gradient", (split, items), meta_steps=2, mix=0.0)
    batch = next(split.cold.batches(4))
    query = batch.query
    labels = (query.labels > 0.6).float() if likes else query.labels
    batch = replace(batch, query=replace(query, labels=labels))
    with torch.no_grad():
        lost, scores = method._loss(batch), method.score(method.adapt(batch.support), query.items)
    predictions = rank_predictions(scores, labels, query.mask, like_at=0.5, graded=not likes)
    reward, known = 1 - lost, per_user("ndcg@10", predictions).float()
    close(reward[~known.isnan()], known[~known.isnan()])


def test_trained_for_the_order_alone_it_orders_better(planted: ToyProblem) -> None:
    """Without a gradient the loss is 1 - NDCG of the best order."""
    rates: dict[str, Any] = {"mix": 0.0, "meta_lr": 3e-3}
    taught, start = (trained("policy-gradient", planted, meta_steps=n, **rates) for n in (100, 0))
    batches = list(planted.split.cold.batches(8))
    with torch.no_grad():
        lost = [float(torch.cat([m._loss(b) for b in batches]).mean()) for m in (taught, start)]
    assert lost[0] < 0.95 * lost[1]
