"""Ordinal held to statsmodels' proportional odds, and own thresholds to their posterior."""

from importlib import import_module
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.training import cold, predict, toy, trained

thresholds: Any = import_module("coldbench.methods._thresholds")
RNG = np.random.default_rng(0)
START = torch.tensor([-2.0, -0.5, 0.7, 2.0])


def rated(users: int = 3, items: int = 12, width: int = 2) -> Any:
    features = torch.from_numpy(RNG.normal(size=(users, items, width)))
    start = torch.from_numpy(RNG.normal(size=(users, items)))
    category = torch.from_numpy(RNG.integers(0, 5, (users, items)))
    return thresholds.Rated(features, start, category, torch.ones_like(start))


def log_posterior(given: Any, w: Tensor, apart: Tensor, deviation: float) -> Tensor:
    """As the model is written down: a difference of two logistic functions for each rating."""
    utility = given.start + (given.features @ w[..., None])[..., 0]
    mine = START.double() + deviation * apart
    edge = torch.full_like(mine[:, :1], 1e9)
    every = torch.cat([-edge, mine, edge], 1)
    below, above = every.gather(1, given.category), every.gather(1, given.category + 1)
    chance = torch.sigmoid(above - utility) - torch.sigmoid(below - utility)
    return chance.log().sum() - (w.square().sum() + apart.square().sum()) / 2


@pytest.mark.parametrize("deviation", [0.5, 2.0])
def test_the_slope_of_the_posterior_is_0_at_its_maximum(deviation: float) -> None:
    given = rated()
    w, mine = thresholds.likeliest(given, START.double(), torch.tensor(deviation).double(), 30)
    apart = ((mine - START) / deviation).requires_grad_()
    w.requires_grad_()
    for slope in torch.autograd.grad(log_posterior(given, w, apart, deviation), (w, apart)):
        assert slope.abs().max() < 1e-8


def test_six_steps_end_near_the_maximum_and_thresholds_rise_where_they_would_rather_cross() -> None:
    given, deviation = rated(users=200), torch.tensor(1.0).double()
    far = thresholds.likeliest(given, START.double(), deviation, 40)
    near = thresholds.likeliest(given, START.double(), deviation, 6)
    assert (far[0] - near[0]).abs().max() < 0.02
    assert (near[1].diff(dim=1) > 0).all()


def test_one_user_of_many_ratings_is_statsmodels_ordered_model() -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(size=(400, 1))
    y = np.digitize(1.2 * x[:, 0] + rng.logistic(size=400), [-1.5, -0.3, 0.6, 1.8])
    # OrderedModel(y, x, distr="logit").fit(method="bfgs"), 0.15.0: it takes seconds to import
    slope, theirs = 1.25887294, np.array([-1.48040572, -0.36904556, 0.4422066, 1.8042083])
    wide = 1e3  # no prior: all is scaled up
    flat = torch.ones(1, 400).double()
    features, category = wide * torch.from_numpy(x)[None], torch.from_numpy(y)[None]
    given = thresholds.Rated(features, 0 * flat, category, flat)
    w, mine = thresholds.likeliest(given, START.double(), torch.tensor(wide).double(), 30)
    assert abs(wide * w.item() - slope) < 1e-3
    assert np.abs(mine[0].numpy() - theirs).max() < 1e-3


def test_without_ratings_the_order_is_the_item_priors() -> None:
    method, batch = trained("ordinal", toy(), noise=0.6, own=0.5), cold(toy(), 0)
    prior = method.learned["prior"][batch.query.items]
    assert torch.equal(predict(method, batch).argsort(1), prior.argsort(1))


def test_shared_thresholds_stay_where_users_start_and_own_ones_move() -> None:
    shared, apart = (trained("ordinal", toy(), noise=0.6, own=own) for own in (0.0, 1.0))
    support = cold(toy(), 8).support
    ends = [m.adapt(support)[:, 1 + m.params()["factors"] :] for m in (shared, apart)]
    start = shared.learned["thresholds"].expand_as(ends[0])
    assert torch.equal(ends[0], start)
    assert (ends[1] - start).abs().max() > 0.1
