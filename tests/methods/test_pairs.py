"""Rows on pairs: BPR's new user is scikit-learn's logistic regression, LoRe's a mixture."""

from dataclasses import replace
from importlib import import_module
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from tests.training import close, cold, toy, trained

pairs: Any = import_module("coldbench.methods._pairs")
BATCH = cold(toy(), 8)


def test_pairs_of_a_support_are_those_of_two_loops() -> None:
    labels = torch.tensor([[0.5, 1.0, 0.5, 0.25]])
    left, right, sign = pairs.pairs_of(labels, torch.tensor([[True, True, True, False]]))
    signs = {(int(a), int(b)): int(s) for a, b, s in zip(left, right, sign[0], strict=True) if s}
    assert signs == {(0, 1): -1, (1, 2): 1}


def test_sampled_pairs_are_of_one_user_and_the_better_comes_first() -> None:
    warm = toy().split.warm
    labels = {
        (int(user), int(item)): float(label)
        for user, item, label in zip(warm.log.users, warm.log.items, warm.labels, strict=True)
    }
    for users, better, worse in pairs.sampled_pairs(warm, 200, 3, 0):
        assert len(users)
        for user, item, other in zip(users.tolist(), better.tolist(), worse.tolist(), strict=True):
            assert labels[user, item] > labels[user, other]


def test_a_new_users_vector_is_scikit_learns_logistic_regression_on_differences() -> None:
    method = trained("bpr", toy(), factors=4, meta_steps=30, strength=2.0, gain=1.0)
    vectors, v = method.adapt(BATCH.support), method.learned["factors"]
    for user in range(4):
        items, labels = BATCH.support.items[user], BATCH.support.labels[user]
        rows, signs = [], []
        for a in range(8):
            for b in range(a):
                if labels[a] != labels[b]:
                    rows.append((v[items[a]] - v[items[b]]).numpy())
                    signs.append(int(labels[a] > labels[b]))
        if len(set(signs)) < 2:
            continue
        peer = LogisticRegression(C=1 / 2.0, fit_intercept=False, tol=1e-10, max_iter=1000)
        peer.fit(np.array(rows, np.float64), signs)  # in float32 it stops early
        assert vectors[user].numpy() == pytest.approx(peer.coef_[0], abs=1e-4)


def test_a_mixture_sums_to_one_and_is_the_mean_without_pairs() -> None:
    method = trained("pairwise-reward", toy(), meta_steps=30)
    state = method.adapt(BATCH.support)
    assert torch.allclose(state.sum(1), torch.ones(len(state)), atol=1e-5) and (state >= 0).all()
    none = BATCH.support.map(lambda column: column[:, :0])
    mean = method.learned["mean"].exp()
    close(method.adapt(none), mean.expand(len(state), -1))


def test_a_mixture_climbs_the_likelihood_of_its_pairs() -> None:
    method = trained("pairwise-reward", toy(), meta_steps=60, inner_rate=0.3)
    left, right, sign = pairs.pairs_of(BATCH.support.labels, BATCH.support.mask)
    seen = method.learned["rewards"][BATCH.support.items]
    apart = (seen[:, left] - seen[:, right]) * sign[..., None]

    def likelihood(mixture: torch.Tensor) -> torch.Tensor:
        odds = (apart @ mixture[..., None])[..., 0]
        return (torch.nn.functional.logsigmoid(odds) * sign.abs()).sum(1)

    mean = method.learned["mean"].exp().expand(len(seen), -1)
    assert (likelihood(method.adapt(BATCH.support)) >= likelihood(mean) - 1e-5).all()


@pytest.mark.parametrize("name", ["bpr", "pairwise-reward"])
def test_what_all_of_a_users_labels_share_says_nothing(name: str) -> None:
    method = trained(name, toy(), meta_steps=20)
    lower = replace(BATCH.support, labels=BATCH.support.labels * 0.5)
    assert torch.allclose(method.adapt(lower), method.adapt(BATCH.support))
