"""The Gaussian process, held to scikit-learn's."""

from importlib import import_module
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import DotProduct, WhiteKernel

from coldbench.method import Method, squash_to_unit
from tests.training import close, cold, predict, toy, trained

gp: Any = import_module("coldbench.methods.gaussian_process")
BATCH = cold(toy(), 8)
METHOD = trained("gaussian-process", toy())
PRIOR, X = (METHOD.learned[name] for name in ("prior", "features"))


def peer(user: int) -> Any:
    """scikit-learn's, with the kernel x'x and noise 1, on a user's labels in units of the noise."""
    seen = BATCH.support.items[user]
    left = (BATCH.support.labels[user] - PRIOR[seen]) / METHOD.learned["s"]
    kernel = DotProduct(0.0, "fixed") + WhiteKernel(1.0, "fixed")
    return GaussianProcessRegressor(kernel, alpha=0.0, optimizer=None).fit(X[seen], left)


def test_scores_are_scikit_learns_mean() -> None:
    got = predict(METHOD, BATCH)
    for user, items in enumerate(BATCH.query.items[:4]):
        mean = torch.from_numpy(peer(user).predict(X[items])).float() * METHOD.learned["s"]
        close(got[user], squash_to_unit(PRIOR[items] + mean))


def test_the_posterior_is_scikit_learns_covariance() -> None:
    posterior = METHOD.posterior(BATCH.support, BATCH.query.items)
    for user, items in enumerate(BATCH.query.items[:4]):
        _, covariance = peer(user).predict(X[items], return_cov=True)
        noise = np.eye(len(covariance))  # theirs is of labels
        assert np.abs(posterior[user].numpy() - (covariance - noise)).max() < 1e-4


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
    for noise in (0.8 * 0.6, 1.25 * 0.6):
        other = trained("gaussian-process", toy(), noise=noise, ridge=float(chosen["ridge"]))
        assert _evidence(METHOD) >= _evidence(other) - 1e-4


def _evidence(method: Method[Any]) -> float:
    batch = gp._all_labels(toy().split.valid)
    learned = method.learned
    left = (batch.labels - learned["prior"][batch.items]) * batch.mask
    kernel = gp.gram(learned["features"], batch.items, batch.mask)
    return float(gp.evidence(kernel, left, batch.mask, learned["s"] ** 2))


def test_what_is_given_stays() -> None:
    method = trained("gaussian-process", toy(), tau=3.0)
    assert float(method.learned["tau"]) == pytest.approx(3.0)


def test_by_valid_users_it_is_stack() -> None:
    stack, other = trained("stack", toy()), trained("gaussian-process", toy(), by="valid")
    assert all(torch.equal(other.learned[name], x) for name, x in stack.learned.items())


def test_an_answer_is_worth_the_variance_that_it_takes_away() -> None:
    pool, still = BATCH.query.items, torch.ones(BATCH.query.items.shape, dtype=torch.bool)
    worth = METHOD.ask(BATCH.support, pool, still)
    for user in range(3):
        seen, points = X[BATCH.support.items[user]], X[pool[user]]
        about = points - points.mean(0)

        def spread(rated: torch.Tensor, about: torch.Tensor = about) -> float:
            inverse = torch.linalg.inv(rated.T @ rated + torch.eye(X.shape[1]))
            return float((about @ inverse * about).sum(1).mean())

        expected = [spread(seen) - spread(torch.cat([seen, point[None]])) for point in points]
        assert worth[user].tolist() == pytest.approx(expected, abs=1e-4)
