"""Work that two threads do at once."""

from itertools import count
from time import sleep

import pytest

from coldbench.in_turn import AT_ONCE, in_turn


def test_what_is_made_comes_in_the_order_in_which_it_was_given() -> None:
    def slow_at_first(n: int) -> int:
        sleep(0.02 if n % 2 == 0 else 0)
        return n * n

    assert [*in_turn(slow_at_first, range(9))] == [n * n for n in range(9)]
    assert [*in_turn(slow_at_first, ())] == []


def test_an_error_comes_in_its_turn() -> None:
    made = in_turn(lambda n: 6 // n, (3, 2, 0, 1))
    assert (next(made), next(made)) == (2, 3)
    with pytest.raises(ZeroDivisionError):
        next(made)


def test_little_is_done_before_it_is_asked_for() -> None:
    given = count()
    made = in_turn(abs, given)
    assert [next(made) for _ in range(6)] == [*range(6)]
    assert next(given) == 6 + AT_ONCE
