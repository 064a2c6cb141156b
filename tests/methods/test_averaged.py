"""The mean of a few fits, held to the fits."""

import torch

from coldbench import registry
from coldbench.method import squash_to_unit
from tests.training import close, cold, predict, toy, trained


def test_its_score_is_the_mean_of_its_fits_before_it_is_squashed() -> None:
    method, batch = trained("averaged", toy()), cold(toy(), 8)
    asked = batch.query.items
    prior = method.learned["0.prior"][asked]
    tastes = [
        (fit.learned["factors"][asked] @ fit.adapt(batch.support)[..., None])[..., 0]
        for fit in method._trained()
    ]
    close(predict(method, batch), squash_to_unit(prior + sum(tastes) / 3), 1e-6)
    assert not torch.allclose(tastes[0], tastes[1], atol=1e-3), "they differ"


def test_its_fits_have_three_ranks_by_turns() -> None:
    fits = [fit for _, fit in registry.find("methods", "averaged")(starts=2)._fits()]
    assert [fit.params()["factors"] for fit in fits] == [8, 16, 32, 8, 16, 32]
