"""Bandit, policy gradient, curriculum: posteriors, gradients and chances by plain computation."""

from dataclasses import replace
from importlib import import_module
from itertools import pairwise, permutations
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.metrics import ndcg_score
from torch import Tensor

from coldbench import registry
from coldbench.episode import Feedback
from coldbench.method import Method
from coldbench.metrics.compute import per_user
from coldbench.metrics.predictions import rank_predictions
from coldbench.seeds import Seeds
from coldbench.testing.check_method import ToyProblem, toy_problem
from tests.training import (
    World,
    agree,
    close,
    cold,
    predict,
    scores,
    trained,
)

policy = import_module("coldbench.methods.policy_gradient")
teaching = import_module("coldbench.methods.curriculum")
replay = import_module("coldbench.methods._replay").replay


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> ToyProblem:
    """240 users, 12 labels and 10 to guess each, and the vectors that their tastes lie in."""
    return toy_problem(tmp_path_factory.mktemp("planted"), users=240, tokens=False)


SUPPORT = Feedback(
    torch.tensor([[3, 5, 9, 20]]),
    torch.tensor([[1.0, 0.25, 0.0, 0.75]]),
    torch.zeros(1, 4),
    torch.ones(1, 4, dtype=torch.bool),
)
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


# Bandit


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


def test_greedy_is_ridge(world: World) -> None:
    ridge, greedy = trained("ridge", world), trained("bandit", world, policy="greedy")
    batch = cold(world)
    agree(greedy, ridge, batch, 1e-6)


def test_thompsons_draws_have_the_posteriors_mean_and_covariance(world: World) -> None:
    """Two thousand users with the same labels, each with a draw of its own."""
    method, users = trained("bandit", world, policy="thompson", tau=0.7), 2_000
    rng = torch.Generator().manual_seed(0)
    sigma, width = float(method.learned["sigma"]), world[1].features.shape[1]
    w0 = torch.randn(users, width, generator=rng) * sigma / 0.7**0.5
    noise = torch.randn(users, 40, generator=rng) * sigma
    method.learned |= {"w0": w0, "noise": noise}
    drawn = []
    for n in range(users):
        method.learned |= {
            "w0": w0[n : n + 1].expand(32, -1),
            "noise": noise[n : n + 1].expand(32, -1),
        }
        drawn.append(method.posterior(method.adapt(SUPPORT), EVERY)[0][0])
    found = torch.stack(drawn).double()
    mean, covariance = posterior(method, SUPPORT)
    spread = covariance.diagonal().sqrt()
    assert float(((found.mean(0) - mean) / spread).abs().max()) < 5 / users**0.5
    off = torch.cov(found.T) - covariance
    assert float((off / (spread[:, None] * spread)).abs().max()) < 7 / users**0.5


def test_another_number_of_labels_is_another_draw_and_another_seed_too(world: World) -> None:
    method = trained("bandit", world, policy="thompson")
    other = registry.find("methods", "bandit")(policy="thompson")
    other.meta_train(world[0].warm, world[0].valid, world[1], Seeds.of(1))
    none = SUPPORT.map(lambda column: column[:, :0])
    padded = SUPPORT.map(torch.zeros_like)
    first, again, seeded = (
        scores(m, given, EVERY) for m, given in ((method, none), (method, padded), (other, none))
    )
    close(first, again, 1e-6)
    assert float((first - seeded).abs().max()) > 0.01
    lots = method.learned["w0"]
    assert len(lots) == 32 and float((lots[0] - lots[1]).abs().max()) > 0.01


@pytest.mark.parametrize("name", ["thompson", "greedy"])  # linucb is the default
def test_padding_and_neighbours_change_no_belief(name: str, world: World) -> None:
    method, batch = trained("bandit", world, policy=name), cold(world)
    together = predict(method, batch)
    for i in range(0, len(together), 4):
        pad, own = torch.nn.functional.pad, vars(batch.support).values()
        alone = Feedback(*(pad(column[i : i + 1].flip(1), (2, 1)) for column in own))
        got = method.score(method.adapt(alone), batch.query.items[i : i + 1, :2])
        close(got[0], together[i, :2])


def test_replay_shows_each_logged_item_once_with_its_own_label(planted: ToyProblem) -> None:
    method = trained("bandit", (planted.split, planted.items))
    cold = planted.split.cold
    labels, real = replay(method, cold, 100)
    batch = next(cold.batches(cold.max_shots, len(cold)))
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
    world = planted.split, planted.items
    cold = planted.split.cold

    def reward(method: Method[Any], **how: Any) -> float:
        labels, real = replay(method, cold, 8, **how)
        assert bool(real.all())
        return float(labels.sum(1).mean())

    linucb = trained("bandit", world)
    by_lot = np.mean([reward(linucb, by_lot=seed) for seed in range(5)])
    prior = reward(trained("content-prior", world))
    found = {name: reward(trained("bandit", world, policy=name)) for name in ("linucb", "thompson")}
    assert found["linucb"] > prior + 0.2 > by_lot + 0.4
    assert found["thompson"] > by_lot + 0.2


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


# Policy gradient

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

    own = gains[: len(order)].tolist()
    return worth([own[i] for i in order]) / worth(sorted(own, reverse=True))


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
    (found,) = torch.autograd.grad(value, z)
    exact = sum(expected(z, user, cut) for user in range(2))
    assert isinstance(exact, Tensor)
    (want,) = torch.autograd.grad(exact, z)
    # a sample's gradient has entries below 1 in size: five standard errors
    torch.testing.assert_close(found, want, rtol=0, atol=5 / samples**0.5)
    assert float(want.abs().max()) > 0.03


@pytest.mark.parametrize("samples", [2, 8])
def test_the_baseline_leaves_the_gradient_unbiased_for_few_samples_too(samples: int) -> None:
    """The mean over many small draws, each with the baseline of its own samples."""
    z, draws = Z[:1].clone().requires_grad_(), 30_000 // samples
    lots = policy.draw_orders(z, REAL[:1], draws * samples, seed=1).view(draws, samples, 4)
    many = z.expand(draws, -1)
    value = policy.reinforce(
        many, REAL[:1].expand(draws, -1), GAINS[:1].expand(draws, -1), lots.transpose(0, 1), 10
    )
    (found,) = torch.autograd.grad(value.mean(), z)
    (want,) = torch.autograd.grad(expected(z, 0, 10), z)
    close(found, want, 0.02)


def test_orders_are_drawn_as_often_as_plackett_and_luce_say_and_their_chances_sum_to_1() -> None:
    orders = list(permutations(range(3)))
    drawn = policy.draw_orders(Z, REAL, 20_000, seed=2)[:, 1]
    assert bool((drawn[:, 3] == 3).all()), "padding stands last"
    want = torch.stack([chance_of(Z[1], order) for order in orders])
    listed = torch.tensor([[*order, 3] for order in orders])[:, None].expand(-1, 2, -1)
    found = policy.log_chance(Z, REAL, listed)[:, 1].exp()
    torch.testing.assert_close(found, want)
    assert float(want.sum()) == pytest.approx(1)
    for order, chance in zip(orders, want, strict=True):
        share = (drawn[:, :3] == torch.tensor(order)).all(1).double().mean()
        assert float(share) == pytest.approx(float(chance), abs=0.015)


@pytest.mark.parametrize("cut", [2, 10])
def test_the_reward_is_scikit_learns_ndcg(cut: int) -> None:
    order = Z.masked_fill(~REAL, -100).argsort(1, descending=True)
    found = policy.ndcg(GAINS, order[None], cut)[0]
    for user in range(2):
        n = int(REAL[user].sum())
        want = ndcg_score(GAINS[user : user + 1, :n], Z[user : user + 1, :n], k=cut)
        assert float(found[user]) == pytest.approx(want)
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
    found, known = 1 - lost, per_user("ndcg@10", predictions).float()
    close(found[~known.isnan()], known[~known.isnan()])


def test_trained_for_the_order_alone_it_orders_better(planted: ToyProblem) -> None:
    """Without a gradient the loss is 1 - NDCG of the best order."""
    world = planted.split, planted.items
    taught, start = (
        trained("policy-gradient", world, mix=0.0, meta_lr=3e-3, meta_steps=n) for n in (100, 0)
    )
    batches = list(planted.split.cold.batches(8))
    with torch.no_grad():
        lost = [float(torch.cat([m._loss(b) for b in batches]).mean()) for m in (taught, start)]
    assert lost[0] < 0.95 * lost[1]


# Curriculum


def test_exp3_weighs_as_auer_et_al_write() -> None:
    exp3, weights = teaching.Exp3(3, 0.2, seed=0), np.ones(3)
    falls = [0.3, -0.1, 0.5, 0.2, 0.9, 0.1]
    for n, fall in enumerate(falls):
        chances = 0.8 * weights / weights.sum() + 0.2 / 3
        np.testing.assert_allclose(exp3.chances(), chances)
        low, high = np.quantile(falls[: n + 1], (0.2, 0.8))
        reward = np.clip((fall - low) / (high - low), 0, 1) if high > low else 0.5
        arm = n % 3
        exp3.learn(arm, fall)
        weights[arm] *= np.exp(0.2 * reward / (chances[arm] * 3))


def test_the_arm_that_pays_is_drawn_most_and_every_arm_now_and_then() -> None:
    exp3, rng = teaching.Exp3(4, 0.1, seed=0), np.random.default_rng(0)
    for _ in range(2_000):
        arm = exp3.draw()
        exp3.learn(arm, float(rng.normal(1.0 if arm == 2 else 0.0, 1.0)))
    assert exp3.drawn[2] > 1_200
    assert min(exp3.drawn) > 2_000 * 0.1 / 4 / 2
    assert sum(exp3.drawn) == 2_000
    assert exp3.chances().sum() == pytest.approx(1)


def test_gamma_0_is_by_lot_whatever_was_paid() -> None:
    exp3 = teaching.Exp3(4, 0.0, seed=0)
    for _ in range(50):
        exp3.learn(1, 1.0)
        exp3.learn(2, 0.0)
    np.testing.assert_allclose(exp3.chances(), 0.25)


@pytest.mark.parametrize("by", ["activity", "entropy"])
def test_groups_hold_every_user_once_from_the_least_to_the_most(
    by: str, planted: ToyProblem
) -> None:
    method = registry.find("methods", "curriculum")(groups=by)
    warm = planted.split.warm
    rng = np.random.default_rng(0)
    kept = rng.random(len(warm.log)) < rng.uniform(0.3, 1, warm.log.n_users)[warm.log.users]
    warm = warm.only(kept)
    groups = method._by_user(warm, [0, 4])
    ids = np.concatenate([users.ids for users, _ in groups])
    assert sorted(ids) == sorted(warm.ids)
    assert max(map(len, (u.ids for u, _ in groups))) - min(len(u.ids) for u, _ in groups) <= 1

    def level(users: Any) -> list[float]:
        means = users.matrix().sum(1).A1 / users.log.counts
        even = -np.abs(means - 0.5)  # entropy rises as the mean nears one half
        return sorted(users.log.counts if by == "activity" else even)

    ranges = [(level(users)[0], level(users)[-1]) for users, _ in groups]
    assert all(before[1] <= after[0] for before, after in pairwise(ranges))


def test_it_learns_from_the_fall_of_the_loss_over_its_own_batch(planted: ToyProblem) -> None:
    warm = planted.split.warm
    exp3, losses = teaching.Exp3(2, 0.1, seed=0), iter([1.0, 0.7, 0.9, 0.4])
    course = teaching._Course(
        warm.log, warm.labels, warm.ids, warm.unseen,
        teaching.by_shots(warm, (1, 4)), exp3, lambda shots: next(losses),
    )  # fmt: skip
    batches = list(course.sample(3, 8, shots=(1, 4), query=5, seed=0))
    np.testing.assert_allclose(exp3.falls, [0.3, -0.2, 0.5])
    shots = [batch.support.items.shape[1] for batch in batches]
    assert [shots.count(1), shots.count(4)] == exp3.drawn


@pytest.mark.parametrize("by", ["shots", "activity", "entropy"])
def test_a_curriculum_and_its_uniform_twin_see_as_many_batches(by: str, world: World) -> None:
    brief: dict[str, Any] = {"meta_steps": 12, "meta_users": 8, "check_every": 50, "groups": by}
    taught, twin = (trained("curriculum", world, uniform=u, **brief) for u in (False, True))
    for method in (taught, twin):
        shares = method.learned["drawn"]
        assert float(shares.sum()) == pytest.approx(1)
        close(12 * shares, (12 * shares).round())
