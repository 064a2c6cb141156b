"""The Gaussian process, held to scikit-learn's."""

from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import DotProduct, WhiteKernel

from coldbench import registry
from coldbench.method import Method, squash_to_unit
from coldbench.seeds import Seeds
from coldbench.testing.toy_data import toy_problem
from tests.training import (
    trained,
)

gp: Any = import_module("coldbench.methods.gaussian_process")
TOY = toy_problem(Path(), tokens=False)
BATCH = next(TOY.split.cold.batches(8))


METHOD = trained("gaussian-process", TOY)
PRIOR, X = (METHOD.learned[name] for name in ("prior", "features"))


def peer(user: int) -> Any:
    """scikit-learn's, with the kernel x'x and noise 1, on a user's labels in units of the noise."""
    seen = BATCH.support.items[user]
    left = (BATCH.support.labels[user] - PRIOR[seen]) / METHOD.learned["s"]
    kernel = DotProduct(0.0, "fixed") + WhiteKernel(1.0, "fixed")
    return GaussianProcessRegressor(kernel, alpha=0.0, optimizer=None).fit(X[seen], left)


def test_scores_are_scikit_learns_mean() -> None:
    items = BATCH.query.items
    found = METHOD.score(METHOD.adapt(BATCH.support), items)
    for user in range(4):
        mean = torch.from_numpy(peer(user).predict(X[items[user]])).float() * METHOD.learned["s"]
        assert torch.allclose(found[user], squash_to_unit(PRIOR[items[user]] + mean), atol=1e-5)


def test_the_posterior_is_scikit_learns_covariance() -> None:
    items = BATCH.query.items
    found = METHOD.posterior(BATCH.support, items)
    for user in range(4):
        _, covariance = peer(user).predict(X[items[user]], return_cov=True)
        own = covariance - np.eye(len(covariance))  # theirs is of labels, with noise
        assert np.abs(found[user].numpy() - own).max() < 1e-4


def test_evidence_is_scikit_learns_log_marginal_likelihood() -> None:
    seen = BATCH.support.items
    left = BATCH.support.labels - PRIOR[seen]
    kernel = X[seen] @ X[seen].mT
    s = METHOD.learned["s"]
    mine = [
        float(gp.evidence(kernel[u][None], left[u][None], BATCH.support.mask[u][None], s**2))
        for u in range(4)
    ]
    # theirs is of labels in units of s, and has the constant
    unit = seen.shape[1] * (float(s.log()) - 0.5 * np.log(2 * np.pi))
    theirs = [peer(user).log_marginal_likelihood() - unit for user in range(4)]
    assert mine == pytest.approx(theirs, abs=1e-3)


def test_the_evidence_rises_to_what_was_chosen() -> None:
    chosen = METHOD.learned
    for change in (0.8, 1.25):
        other = trained(
            "gaussian-process", TOY, noise=float(change * 0.6), ridge=float(chosen["ridge"])
        )
        assert _evidence(METHOD) >= _evidence(other) - 1e-4


def _evidence(method: Method[Any]) -> float:
    batch = gp._all_labels(TOY.split.valid)
    learned = method.learned
    left = (batch.labels - learned["prior"][batch.items]) * batch.mask
    kernel = gp.gram(learned["features"], batch.items, batch.mask)
    return float(gp.evidence(kernel, left, batch.mask, learned["s"] ** 2))


def test_what_is_given_stays() -> None:
    method = trained("gaussian-process", TOY, tau=3.0)
    assert float(method.learned["tau"]) == pytest.approx(3.0)


def test_by_valid_users_it_is_stack() -> None:
    stack = registry.find("methods", "stack")()
    stack.meta_train(TOY.split.warm, TOY.split.valid, TOY.items, Seeds.of(0))
    other = trained("gaussian-process", TOY, by="valid")
    assert all(torch.equal(other.learned[name], x) for name, x in stack.learned.items())


def test_an_answer_is_worth_the_variance_that_it_takes_away() -> None:
    pool, still = BATCH.query.items, torch.ones(BATCH.query.items.shape, dtype=torch.bool)
    found = METHOD.ask(BATCH.support, pool, still)
    for user in range(3):
        seen, points = X[BATCH.support.items[user]], X[pool[user]]
        about = points - points.mean(0)

        def spread(rated: torch.Tensor, about: torch.Tensor = about) -> float:
            inverse = torch.linalg.inv(rated.T @ rated + torch.eye(X.shape[1]))
            return float((about @ inverse * about).sum(1).mean())

        expected = [spread(seen) - spread(torch.cat([seen, one[None]])) for one in points]
        assert found[user].tolist() == pytest.approx(expected, abs=1e-4)
