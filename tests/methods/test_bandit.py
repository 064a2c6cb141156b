"""The bandit: its posterior, its bonus and its lots by plain computation, and what it earns."""

from dataclasses import replace
from importlib import import_module
from typing import Any

import numpy as np
import torch
from torch import Tensor

from coldbench import registry
from coldbench.episode import Feedback
from coldbench.method import Method
from coldbench.seeds import Seeds
from coldbench.testing import ToyProblem
from tests.training import World, close, ratings, scores, trained

replay = import_module("coldbench.methods._replay").replay


SUPPORT = ratings([3, 5, 9, 20], [1.0, 0.25, 0.0, 0.75])
EVERY = torch.arange(40)[None]


def posterior(method: Any, support: Feedback) -> tuple[Tensor, Tensor]:
    """(n,) mean and (n, n) covariance of what is expected, from weights in D dimensions: Bayesian
    linear regression with noise sigma^2 and weights N(0, sigma^2 / tau I)."""
    e = method.items.features.double()
    x, prior = e[support.items[0]], method.learned["prior"].double()
    tau, sigma = (float(method.learned[name]) for name in ("tau", "sigma"))
    precision = (tau * torch.eye(e.shape[1]).double() + x.T @ x) / sigma**2
    left = support.labels[0].double() - prior[support.items[0]]
    mean = torch.linalg.solve(precision, x.T @ left / sigma**2)
    return prior + e @ mean, e @ torch.linalg.inv(precision) @ e.T


def test_the_posterior_is_that_of_bayesian_linear_regression(world: World) -> None:
    method = trained("bandit", world, tau=0.7)
    mean, deviation = method.posterior(method.adapt(SUPPORT), EVERY)
    want, covariance = posterior(method, SUPPORT)
    close(mean[0].double(), want)
    close(deviation[0].double() ** 2, covariance.diagonal())


def test_linucb_orders_items_by_mean_and_bonus_and_begins_at_the_prior(world: World) -> None:
    method, greedy = trained("bandit", world, alpha=1.0), trained("bandit", world, policy="greedy")
    mean, covariance = posterior(method, SUPPORT)
    bound = mean + covariance.diagonal().sqrt()
    got = scores(method, SUPPORT, EVERY)[0]
    assert torch.equal(got.argsort(), bound.argsort())
    assert not torch.equal(got.argsort(), mean.argsort())
    none = SUPPORT.map(lambda column: column[:, :0])
    begun, plain = (scores(m, none, EVERY) for m in (method, greedy))
    close(begun, plain, 1e-6)


def test_thompsons_draws_have_the_posteriors_mean_and_covariance(world: World) -> None:
    """Two thousand users with the same labels, each with a draw of its own."""
    method, users = trained("bandit", world, policy="thompson", tau=0.7), 2_000
    rng = torch.Generator().manual_seed(0)
    sigma, width = float(method.learned["sigma"]), world[1].features.shape[1]
    w0 = torch.randn(users, width, generator=rng) * sigma / 0.7**0.5
    noise = torch.randn(users, 40, generator=rng) * sigma
    drawn = []
    for weights, error in zip(w0, noise, strict=True):
        method.learned |= {"w0": weights.expand(32, -1), "noise": error.expand(32, -1)}
        drawn.append(method.posterior(method.adapt(SUPPORT), EVERY)[0][0])
    draws = torch.stack(drawn).double()
    mean, covariance = posterior(method, SUPPORT)
    spread = covariance.diagonal().sqrt()
    assert float(((draws.mean(0) - mean) / spread).abs().max()) < 5 / users**0.5
    off = torch.cov(draws.T) - covariance
    assert float((off / (spread[:, None] * spread)).abs().max()) < 7 / users**0.5


def test_another_number_of_labels_is_another_draw_and_another_seed_too(world: World) -> None:
    method = trained("bandit", world, policy="thompson")
    other = trained("bandit", world, seed=1, policy="thompson")
    none = SUPPORT.map(lambda column: column[:, :0])
    padded = SUPPORT.map(torch.zeros_like)
    first, again, seeded = (
        scores(m, given, EVERY) for m, given in ((method, none), (method, padded), (other, none))
    )
    close(first, again, 1e-6)
    assert float((first - seeded).abs().max()) > 0.01
    draws = method.learned["w0"]
    assert len(draws) == 32 and float((draws[0] - draws[1]).abs().max()) > 0.01


def test_replay_shows_each_logged_item_once_with_its_own_label(planted: ToyProblem) -> None:
    users = planted.split.cold
    labels, real = replay(trained("bandit", planted), users, 100)
    batch = next(users.batches(users.max_shots, len(users)))
    logged = torch.cat([batch.support.labels, batch.query.labels], 1)
    known = torch.cat([batch.support.mask, batch.query.mask], 1)
    assert torch.equal(real.sum(1), known.sum(1))
    torch.testing.assert_close((labels * real).sum(1), (logged * known).sum(1))
    torch.testing.assert_close(labels.sort(1).values, (logged * known).sort(1).values)


def test_the_first_pick_is_the_priors_and_the_second_has_learnt_from_it(
    planted: ToyProblem,
) -> None:
    seen: list[Feedback] = []

    class Watched(registry.find("methods", "bandit")):  # type: ignore[misc]
        def adapt(self, support: Feedback) -> Any:
            seen.append(support)
            return super().adapt(support)

    method = Watched()
    method.meta_train(planted.split.warm, planted.split.valid, planted.items, Seeds.of(0))
    seen.clear()
    few = planted.split.cold.first(5)
    labels, _ = replay(method, few, 3)
    batch = next(few.batches(few.max_shots))
    logged = torch.cat([batch.support.items, batch.query.items], 1)
    best = method.learned["prior"][logged].argmax(1)
    assert [given.items.shape[1] for given in seen] == [0, 1, 2]
    assert torch.equal(seen[1].items[:, 0], logged.gather(1, best[:, None])[:, 0])
    assert torch.equal(seen[2].labels, labels[:, :2])


def test_a_bandit_gets_more_likes_early_than_lot_or_the_prior_alone(planted: ToyProblem) -> None:

    def reward(method: Method[Any], **how: Any) -> float:
        labels, real = replay(method, planted.split.cold, 8, **how)
        assert bool(real.all())
        return float(labels.sum(1).mean())

    linucb, thompson = (trained("bandit", planted, policy=p) for p in ("linucb", "thompson"))
    by_lot = np.mean([reward(linucb, by_lot=seed) for seed in range(5)])
    prior = reward(trained("content-prior", planted))
    assert reward(linucb) > prior + 0.2 > by_lot + 0.4
    assert reward(thompson) > by_lot + 0.2


def test_an_item_without_a_vector_has_no_bonus_to_win_by(world: World) -> None:
    """A zero vector: nothing can be learnt of it, so nothing is gained by trying it."""
    split, items = world
    features = items.features.clone()
    features[7] = 0
    items = replace(items, features=features)
    curious, greedy = (trained("bandit", (split, items), alpha=a, tau=1.0) for a in (1.0, 0.0))
    state = curious.adapt(SUPPORT)
    assert curious.posterior(state, EVERY)[1][0].argmin() == 7
    bonus = curious.score(state, EVERY) - scores(greedy, SUPPORT, EVERY)
    assert bonus[0, 7] < bonus[0].max()
