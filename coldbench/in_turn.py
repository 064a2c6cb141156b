"""Work that two threads do at once, told in the order in which it was given."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

AT_ONCE = 2  # threads
Given = TypeVar("Given")
Made = TypeVar("Made")


def in_turn(work: Callable[[Given], Made], over: Iterable[Given]) -> Iterator[Made]:
    """`work` of each, in order. Few are done before they are asked for, so memory holds few."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        ahead = deque[Future[Made]]()
        for given in over:
            ahead.append(pool.submit(work, given))
            if len(ahead) > AT_ONCE:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()
