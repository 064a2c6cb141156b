"""What a method costs is found in seconds, whichever of its parts is slow."""

from importlib import import_module
from time import perf_counter, sleep
from typing import Any

import pytest
import torch
from torch import Tensor

from coldbench.episode import EpisodeBatch, Feedback
from tests.twins import Sound

timing: Any = import_module("coldbench.benchmarks.timing")
USERS, SHOTS, QUERY = 12, 4, 5


def batch() -> EpisodeBatch:
    def feedback(size: int) -> Feedback:
        items = torch.arange(USERS * size).view(USERS, size)
        return Feedback(items, torch.ones(USERS, size), torch.zeros(USERS, size), items >= 0)

    return EpisodeBatch(torch.arange(USERS), feedback(SHOTS), feedback(QUERY))


class Told(Sound):
    """Notes how many users it meets at once, and takes its time over each of them."""

    def __init__(self) -> None:
        self.adapted: list[int] = []
        self.scored: list[int] = []
        self.adapting = self.scoring = 0.0  # seconds a user

    def adapt(self, support: Feedback) -> Tensor:
        self.adapted.append(len(support.items))
        sleep(self.adapting * len(support.items))
        return torch.zeros(len(support.items), 7)

    def score(self, state: Tensor, items: Tensor) -> Tensor:
        self.scored.append(len(items))
        sleep(self.scoring * len(items))
        return torch.zeros(items.shape)


def test_a_method_that_is_slow_to_score_is_asked_by_few_users() -> None:
    method = Told()
    method.scoring = 0.03
    cost = timing.cost(method, batch(), torch.device("cpu"))
    assert (
        max(method.adapted) == max(timing.BATCHES) and max(method.scored) == 1
    )  # 8 would take .24 s
    assert 50 < cost["score_items_per_second"] < QUERY / 0.03  # a sleep may be longer than asked
    assert cost["state_bytes_per_user"] == 4 * 7


def test_a_method_that_is_slow_to_adapt_is_given_few_users() -> None:
    method = Told()
    method.adapting = 0.03
    cost = timing.cost(method, batch(), torch.device("cpu"))
    assert max(method.adapted) == max(method.scored) == 8
    assert [row["users"] for row in cost["adapt_by_batch"]] == [1, 8]
    assert cost["adapt_ms_p50"] >= 30


def test_a_quick_method_is_timed_on_as_many_users_as_there_are_sizes() -> None:
    method = Told()
    cost = timing.cost(method, batch(), torch.device("cpu"))
    assert max(method.scored) == max(timing.BATCHES)
    assert [row["users"] for row in cost["adapt_by_batch"]] == list(timing.BATCHES)


def test_a_call_of_a_third_of_a_microsecond_is_measured_in_under_two_seconds() -> None:
    # a sum over all repeats so far once made this quadratic: `make benchmark` never ended
    begin = perf_counter()
    taken = timing.seconds(lambda: None, torch.device("cpu"))
    assert perf_counter() - begin < 2
    assert 1 <= len(taken) <= timing.REPEATS


def test_a_call_is_repeated_no_longer_than_its_share_by_the_clock() -> None:
    begin = perf_counter()
    taken = timing.seconds(lambda: sleep(0.01), torch.device("cpu"))
    assert perf_counter() - begin < timing.SHARE + 0.2
    assert 1 < len(taken) <= timing.SHARE / 0.01 + 1


@pytest.mark.parametrize(("part", "calls"), [(1.0, 1), (0.9, 3)])
def test_a_call_slower_than_its_share_is_made_once_and_a_quicker_one_again(
    part: float, calls: int
) -> None:
    called: list[float] = []

    def call() -> None:
        called.append(part)
        sleep(timing.SHARE * part)

    taken = timing.seconds(call, torch.device("cpu"))
    assert len(called) == calls  # of three the first warms up
    assert len(taken) == max(1, calls - 1)


def test_a_row_is_timed_within_about_its_budget() -> None:
    method = Told()
    begin = perf_counter()
    timing.cost(method, batch(), torch.device("cpu"))
    assert perf_counter() - begin < timing.BUDGET + 1
