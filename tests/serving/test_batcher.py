"""What waits while a batch runs is computed next, together; nobody pays for another's mistake."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from coldbench.serving.batcher import Batcher, Full


class Oven:
    """Doubles numbers, a batch at a time; the first batch waits until the door is opened."""

    def __init__(self) -> None:
        self.door, self.entered = threading.Event(), threading.Event()
        self.batches: list[list[int]] = []

    def bake(self, numbers: list[int]) -> list[int]:
        self.entered.set()
        assert self.door.wait(10)
        self.batches.append(numbers)
        if -1 in numbers:
            raise ValueError("minus one")
        return [2 * number for number in numbers]

    def other(self, numbers: list[int]) -> list[int]:
        return [-number for number in self.bake(numbers)]


def with_first_in_the_oven(
    then: Callable[[Batcher, Oven], Awaitable[Any]], **how: Any
) -> tuple[Any, list[list[int]]]:
    """What `then` returns while request 0 is computed, and the batches after it."""

    async def run() -> tuple[Any, list[list[int]]]:
        oven = Oven()
        async with Batcher(**how) as batcher:
            first = asyncio.create_task(batcher.ask(oven.bake, 0))
            await asyncio.to_thread(oven.entered.wait, 10)
            answers = await then(batcher, oven)
            assert await first == 0
        return answers, oven.batches[1:]

    return asyncio.run(run())


async def all_of(oven: Oven, *asked: Awaitable[Any]) -> list[Any]:
    """All are in the line, then the door opens."""
    tasks = [asyncio.ensure_future(request) for request in asked]
    await asyncio.sleep(0)
    oven.door.set()
    return await asyncio.gather(*tasks, return_exceptions=True)


def test_a_lone_request_is_computed_at_once_and_alone() -> None:
    async def run() -> None:
        oven = Oven()
        oven.door.set()
        async with Batcher() as batcher:
            assert await batcher.ask(oven.bake, 7) == 14
            assert await batcher.ask(oven.bake, 8) == 16
        assert oven.batches == [[7], [8]]

    asyncio.run(run())


@pytest.mark.parametrize(
    ("numbers", "how", "batches"),
    [
        ([1, 2, 3, 4, 5], {}, [[1, 2, 3, 4, 5]]),
        ([1, 2, 3], {"most": 2}, [[1, 2], [3]]),
        ([1, 2, 3], {"most": 1}, [[1], [2], [3]]),
        ([30, 1, 70, 2], {"cells": 100}, [[30, 1, 2], [70]]),
    ],
    ids=["all", "two at most", "one at most", "padding to the largest user"],
)
def test_what_comes_while_a_batch_runs_is_computed_next_together_within_its_bounds(
    numbers: list[int], how: dict[str, int], batches: list[list[int]]
) -> None:
    answers, computed = with_first_in_the_oven(
        lambda b, oven: all_of(oven, *(b.ask(oven.bake, n, size=n) for n in numbers)), **how
    )
    assert answers == [2 * n for n in numbers] and computed == batches


def test_another_kind_of_request_waits_for_its_own_batch_in_its_turn() -> None:
    answers, batches = with_first_in_the_oven(
        lambda b, oven: all_of(
            oven, b.ask(oven.other, 1), b.ask(oven.bake, 2), b.ask(oven.other, 3)
        )
    )
    assert answers == [-2, 4, -6] and batches == [[1, 3], [2]]


def test_a_request_that_fails_fails_alone() -> None:
    answers, batches = with_first_in_the_oven(
        lambda b, oven: all_of(oven, *(b.ask(oven.bake, n) for n in (1, -1, 3)))
    )
    assert (answers[0], answers[2]) == (2, 6) and str(answers[1]) == "minus one"
    assert batches == [[1, -1, 3], [1], [-1], [3]]


def test_what_nobody_waits_for_any_longer_is_not_computed() -> None:
    async def then(batcher: Batcher, oven: Oven) -> None:
        gone = asyncio.create_task(batcher.ask(oven.bake, 1))
        await asyncio.sleep(0)
        gone.cancel()
        await all_of(oven, batcher.ask(oven.bake, 2))

    assert with_first_in_the_oven(then)[1] == [[2]]


def test_a_line_that_is_full_refuses_at_once() -> None:
    answers, batches = with_first_in_the_oven(
        lambda b, oven: all_of(oven, *(b.ask(oven.bake, n) for n in (1, 2, 3))), line=2
    )
    assert answers[:2] == [2, 4] and isinstance(answers[2], Full) and batches == [[1, 2]]


def test_an_answer_too_few_is_an_error_of_ours_not_somebody_elses_answer() -> None:
    async def run() -> None:
        async with Batcher() as batcher:
            with pytest.raises(ValueError, match="answers"):
                await batcher.ask(lambda asked: [], 1)

    asyncio.run(run())
