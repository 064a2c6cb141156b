"""The best of a catalogue: as a full sort would list them, whatever the blocks and groups are."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from coldbench.episode import Feedback
from coldbench.recommend import best_items as module
from coldbench.recommend.best_items import GROUP, best_items

SCORES: dict[str, Callable[..., Tensor]] = {
    "different": torch.rand,
    "often equal": lambda *size, generator: torch.randint(4, size, generator=generator) / 4,
    "all equal": lambda *size, generator: torch.full(size, 0.5),
    "zero": lambda *size, generator: -torch.zeros(size),
}


def support_of(rated: Tensor, mask: Tensor) -> Feedback:
    nothing = torch.zeros(rated.shape)
    return Feedback(rated, nothing, nothing, mask)


def sorted_lists(scores: Tensor, support: Feedback, n: int) -> list[list[tuple[int, float]]]:
    """By Python's sort, which keeps the order of equal ones."""
    lists = []
    for of_user, rated, real in zip(scores.abs(), support.items, support.mask, strict=True):
        out = set(rated[real].tolist())
        left = [at for at in range(len(of_user)) if at not in out]
        left.sort(key=lambda at: -float(of_user[at]))
        lists.append([(at, float(of_user[at])) for at in left[:n]])
    return lists


@pytest.mark.parametrize("held", [1, 3 * (GROUP + 5), 2**16], ids=["one", "37", "all"])
@pytest.mark.parametrize("n_items", [1, GROUP - 1, GROUP, GROUP + 1, 5 * GROUP + 3])
@pytest.mark.parametrize("kind", SCORES)
def test_the_lists_are_those_of_a_full_sort(
    kind: str, n_items: int, held: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "HELD", held)
    monkeypatch.setattr(module, "PAIRS", 3 * 7)
    rng = torch.Generator().manual_seed(n_items)
    scores, count = SCORES[kind](3, n_items, generator=rng), min(n_items, 9)
    rated = torch.stack([torch.randperm(n_items, generator=rng)[:count] for _ in range(3)])
    support = support_of(rated, torch.rand(3, count, generator=rng) < 0.7)
    for n in (1, 10, 2 * GROUP, n_items + 1):
        lists = best_items(lambda items: scores[:, items[0]], n_items, support, n)
        assert lists == sorted_lists(scores, support, n)


def test_what_a_method_returns_is_not_written_to() -> None:
    scores = torch.rand(40)
    before, support = scores.clone(), support_of(torch.tensor([[3], [4]]), torch.ones(2, 1).bool())
    best_items(lambda items: scores.expand(2, -1), 40, support, 5)  # as one that keeps a table may
    assert torch.equal(scores, before)


def test_a_score_that_is_no_number_is_not_hidden() -> None:
    scores = torch.rand(1, 3 * GROUP)
    scores[0, 50] = torch.nan
    none = support_of(torch.zeros(1, 0, dtype=torch.int64), torch.zeros(1, 0).bool())
    (best,) = best_items(lambda items: scores[:, items[0]], 3 * GROUP, none, 2)
    assert best[0][0] == 50
