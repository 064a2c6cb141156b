"""What the tests of methods share: a method trained on a small problem, and what it scores."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from coldbench import registry
from coldbench.encoder import Items
from coldbench.episode import EpisodeBatch, Feedback
from coldbench.method import from_params
from coldbench.seeds import Seeds
from coldbench.splits.split import Split
from coldbench.testing.toy_data import ToyProblem, toy_problem

World = tuple[Split, Items]


@cache
def toy() -> ToyProblem:
    """60 users and 60 items of the contract's toy data, with the vectors that tastes lie in."""
    return toy_problem(Path(), tokens=False)


def trained(
    name: str,
    world: World | ToyProblem,
    *,
    valid: int | None = None,
    seed: int = 0,
    before: Any = None,
    **params: Any,
) -> Any:
    """The method after training; valid: how many valid users at most; before: its warm start."""
    cut, items = world if isinstance(world, tuple) else (world.split, world.items)
    method: Any = from_params(registry.find("methods", name), name, params)
    if before:
        method.begin_with(before.learned)
    users = cut.valid if valid is None else cut.valid.first(valid)
    method.meta_train(cut.warm, users, items, Seeds.of(seed))
    return method


def trained_briefly(name: str, world: World | ToyProblem, **params: Any) -> Any:
    """The same after four steps of eight users, where the method takes steps at all."""
    takes_steps = hasattr(registry.find("methods", name), "meta_steps")
    return trained(
        name, world, **({"meta_steps": 4, "meta_users": 8} if takes_steps else {}) | params
    )


def cold(world: World | ToyProblem, shots: int = 4, users: int = 256) -> EpisodeBatch:
    """The first cold users."""
    cut = world[0] if isinstance(world, tuple) else world.split
    return next(cut.cold.batches(shots, users))


def predict(method: Any, batch: EpisodeBatch) -> Tensor:
    """(B, Q) scores of what a batch asks for."""
    return scores(method, batch.support, batch.query.items)


def scores(method: Any, support: Feedback, items: Tensor) -> Tensor:
    with torch.no_grad():
        given: Tensor = method.score(method.adapt(support), items)
    return given


def ratings(
    items: Sequence[int], labels: Sequence[float], ages: Sequence[float] | None = None
) -> Feedback:
    """One user's support (1, K)."""
    given = torch.tensor([labels], dtype=torch.float32)
    old = torch.zeros_like(given) if ages is None else torch.tensor([ages])
    numbers = torch.tensor([items], dtype=torch.int64)
    return Feedback(numbers, given, old, torch.ones_like(given).bool())


def of_user(batch: EpisodeBatch, user: int) -> EpisodeBatch:
    """That user of a batch, alone."""

    def one(column: Tensor) -> Tensor:
        return column[user : user + 1]

    return EpisodeBatch(one(batch.users), batch.support.map(one), batch.query.map(one))


def close(got: Tensor, want: Tensor, within: float = 1e-5) -> None:
    torch.testing.assert_close(got, want, rtol=0, atol=within)


def agree(method: Any, other: Any, batch: EpisodeBatch, within: float = 1e-5) -> None:
    """Two methods score a batch alike."""
    close(predict(method, batch), predict(other, batch), within)
