"""Exact examples on both sides of each boundary of what metrics are made of."""

import pytest
import torch
from torch import Tensor

from coldbench.metrics.predictions import (
    CHUNK,
    Predictions,
    invalid_scores,
    rank_predictions,
    slices,
)

TWO_AND_ONE = torch.tensor([[True, True], [True, False]])


def ranked(scores: Tensor, mask: Tensor, **more: Tensor) -> Predictions:
    return rank_predictions(scores, torch.ones_like(scores), mask, like_at=0.5, **more)  # type: ignore[arg-type]


def test_a_score_is_valid_from_0_to_1_with_both_ends() -> None:
    valid, invalid = [0.0, 0.5, 1.0], [-0.5, -1e-45, 1.0000001, 1.5, torch.nan, torch.inf]
    assert invalid_scores(torch.tensor(valid + invalid)).tolist() == [False] * 3 + [True] * 6


def test_one_user_with_other_candidates_makes_a_log_of_likes() -> None:
    """Of one user all candidates are asked for, of the other two of five: a catalogue is ranked."""
    place = torch.zeros(2, 2, dtype=torch.int64)
    for counts, positive_only in (([2, 5], True), ([2, 2], False)):
        found = ranked(
            torch.full((2, 2), 0.5),
            torch.ones(2, 2, dtype=torch.bool),
            ranks=(place, place + 1),  # type: ignore[arg-type]
            candidates=torch.tensor(counts),
        )
        assert found.positive_only == positive_only


@pytest.mark.parametrize("given", [False, True], ids=["ranked here", "ranks given"])
def test_padding_has_nobody_above_and_is_tied_with_itself(given: bool) -> None:
    nines = torch.full((2, 2), 9)
    more = {"ranks": (nines, nines), "candidates": torch.tensor([20, 20])} if given else {}
    found = ranked(torch.tensor([[0.2, 0.7], [0.4, 0.9]]), TWO_AND_ONE, **more)  # type: ignore[arg-type]
    assert [int(found.above[1, 1]), int(found.tied[1, 1])] == [0, 1]
    assert found.above[0].tolist() == ([9, 9] if given else [1, 0])


def test_users_with_a_broken_score_are_counted_not_their_items() -> None:
    scores = torch.tensor([[torch.nan, torch.inf], [0.5, 0.5]])
    with pytest.raises(ValueError, match="1 of 2 users"):
        ranked(scores, torch.ones(2, 2, dtype=torch.bool))


@pytest.mark.parametrize(
    ("users", "items", "parts"),
    [(3, 0, 1), (CHUNK, 1, 1), (CHUNK + 1, 1, 2), (2, CHUNK, 2), (2, CHUNK + 1, 2)],
)
def test_a_part_has_as_many_users_as_fit_and_one_at_least(
    users: int, items: int, parts: int
) -> None:
    assert len(list(slices(torch.ones(users, items, dtype=torch.bool)))) == parts
