"""Requests that arrive while others are computed are computed next, together.

One thread computes. When it is free it takes the oldest request of the line and all those behind it
that can be done in the same call. Nothing waits for company: a lone request begins at once.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from time import perf_counter
from typing import Any

Together = Callable[[list[Any]], Sequence[Any]]  # requests -> as many answers, in their order


class Full(Exception):
    """The line is as long as it may be: the request was not taken."""


@dataclass(frozen=True)
class Waiting:
    together: Together
    request: Any
    size: int  # labels of the user: users of a batch are padded to the largest
    answer: "asyncio.Future[Any]"


class Batcher:
    """`async with Batcher() as batcher: await batcher.ask(together, request)`."""

    def __init__(
        self,
        most: int = 64,  # requests in a batch; 1: one at a time
        cells: int = 16_384,  # labels in a batch, padding too: bounds its memory
        line: int = 1024,  # requests that may wait
        watch: Callable[[int, float], None] = lambda users, seconds: None,  # after each batch
    ) -> None:
        self.most, self.cells, self.length, self.watch = most, cells, line, watch
        self.line: deque[Waiting] = deque()

    async def __aenter__(self) -> "Batcher":
        self.filled = asyncio.Event()
        self.thread = ThreadPoolExecutor(1, "adapt")
        self.work = asyncio.create_task(self._work())
        return self

    async def __aexit__(self, *_: object) -> None:
        self.work.cancel()
        with suppress(asyncio.CancelledError):
            await self.work
        for waiting in self.line:
            waiting.answer.cancel()
        self.thread.shutdown(wait=False)

    async def ask(self, together: Together, request: Any, size: int = 1) -> Any:
        """The request's answer. Raises Full, and what `together` raises of this request."""
        if len(self.line) >= self.length:
            raise Full
        answer = asyncio.get_running_loop().create_future()
        self.line.append(Waiting(together, request, size, answer))
        self.filled.set()
        return await answer

    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self.filled.wait()
            batch = self._take()
            if not batch:
                self.filled.clear()
                continue
            begun = perf_counter()
            requests = [waiting.request for waiting in batch]
            answers = await loop.run_in_executor(self.thread, answer, batch[0].together, requests)
            self.watch(len(batch), perf_counter() - begun)
            for waiting, result in zip(batch, answers, strict=True):
                if waiting.answer.done():  # nobody waits for it any longer
                    continue
                if isinstance(result, Exception):
                    waiting.answer.set_exception(result)
                else:
                    waiting.answer.set_result(result)

    def _take(self) -> list[Waiting]:
        """The oldest that is still waited for, and what can be done with it; the others stay."""
        batch: list[Waiting] = []
        others: list[Waiting] = []
        widest = 1
        while self.line and len(batch) < self.most:
            waiting = self.line.popleft()
            if waiting.answer.done():
                continue
            wide = max(widest, waiting.size)
            fits = not batch or wide * (len(batch) + 1) <= self.cells
            if fits and (not batch or waiting.together == batch[0].together):
                batch.append(waiting)
                widest = wide
            else:
                others.append(waiting)
        self.line.extendleft(reversed(others))
        return batch


def answer(together: Together, requests: list[Any]) -> Sequence[Any]:
    """An answer for each request, or the exception that it alone raises: others do not suffer."""
    try:
        results = together(requests)
        if len(results) != len(requests):
            raise ValueError(f"{len(results)} answers to {len(requests)} requests")
        return results
    except Exception as error:
        if len(requests) == 1:
            return [error]
        return [answer(together, [request])[0] for request in requests]
