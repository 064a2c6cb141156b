"""The mean of a few fits, held to the fits."""

from pathlib import Path
from typing import Any

import torch

from coldbench import registry
from coldbench.method import Method, squash_to_unit
from coldbench.seeds import Seeds
from coldbench.testing.toy_data import toy_problem

TOY = toy_problem(Path(), tokens=False)
BATCH = next(TOY.split.cold.batches(8))


def trained(**params: Any) -> Any:
    method: Method[Any] = registry.find("methods", "averaged")(**params)
    method.meta_train(TOY.split.warm, TOY.split.valid, TOY.items, Seeds.of(0))
    return method


def test_its_score_is_the_mean_of_its_fits_before_it_is_squashed() -> None:
    method, asked = trained(), BATCH.query.items
    prior = method.learned["0.prior"][asked]
    tastes = [
        (fit.learned["factors"][asked] @ fit.adapt(BATCH.support)[..., None])[..., 0]
        for fit in method._trained()
    ]
    got = method.score(method.adapt(BATCH.support), asked)
    assert torch.allclose(got, squash_to_unit(prior + sum(tastes) / 3), atol=1e-6)
    assert not torch.allclose(tastes[0], tastes[1], atol=1e-3), "they differ"


def test_its_fits_have_three_ranks_by_turns() -> None:
    fits = [fit for _, fit in registry.find("methods", "averaged")(starts=2)._fits()]
    assert [fit.params()["factors"] for fit in fits] == [8, 16, 32, 8, 16, 32]
