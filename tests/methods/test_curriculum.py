"""The curriculum: Exp3 as it is written, and groups that hold every user once."""

from importlib import import_module
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from coldbench import registry
from coldbench.testing import ToyProblem
from tests.training import World, close, trained

teaching = import_module("coldbench.methods.curriculum")


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
        warm.log, warm.labels, warm.ids, warm.negatives_per_positive,
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
