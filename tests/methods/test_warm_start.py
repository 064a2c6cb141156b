"""A method with a warm start begins where it ended on an earlier log."""

from typing import Any

import pytest
import torch

from coldbench import registry
from coldbench.encoder import Items
from coldbench.method import from_params
from coldbench.seeds import Seeds
from coldbench.split import Split


def trained(world: tuple[Split, Items], before: Any, name: str, **params: Any) -> Any:
    cut, items = world
    found = from_params(registry.find("methods", name), name, params)
    if before:
        found.begin_with(before.learned)
    found.meta_train(cut.warm, cut.valid, items, Seeds())
    return found


@pytest.mark.parametrize("name", ["maml", "protonet", "reptile"])
def test_a_warm_start_that_takes_no_step_is_what_was_learnt_before(
    world: tuple[Split, Items], name: str
) -> None:
    assert registry.find("methods", name).warm_starts
    old = trained(world, None, name, meta_steps=30, check_every=5)
    again = trained(world, old, name, meta_steps=0)
    fresh = trained(world, None, name, meta_steps=0)
    assert all(torch.equal(again.learned[key], own) for key, own in old.learned.items())
    assert any(not torch.equal(fresh.learned[key], own) for key, own in old.learned.items())


def test_weights_of_another_shape_are_no_warm_start(world: tuple[Split, Items]) -> None:
    narrow = trained(world, None, "maml", meta_steps=1, hidden=4)
    fresh, begun = (trained(world, old, "maml", meta_steps=0) for old in (None, narrow))
    assert all(torch.equal(begun.learned[key], own) for key, own in fresh.learned.items())
