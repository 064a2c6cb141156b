"""A log too short for a protocol: the error says what serves, and that does."""

import re
from importlib import import_module
from typing import Any

import numpy as np
import pytest

from coldbench.errors import UserError
from coldbench.interactions import Interactions
from coldbench.seeds import Seeds
from coldbench.splits.split import split

grids: Any = import_module("coldbench.benchmarks.grid")
STATED = {"datasets": ["synthetic"], "methods": ["ridge"]}


def log_of(lengths: list[int], times: bool = True) -> Interactions:
    users = np.repeat(np.arange(len(lengths)), lengths)
    items = np.concatenate([np.arange(n) for n in lengths])
    when = np.arange(len(users)) if times else None
    return Interactions.from_rows(users, items, np.ones(len(users)), when, 100)


def cut(log: Interactions, changes: list[str]) -> Any:
    """As `run --set` would: through a grid."""
    ((_, protocol),) = grids.Grid.of(STATED, changes).protocols()
    return split(log, np.ones(len(log), np.float32), protocol, Seeds.of(0))


def refusal(log: Interactions, changes: list[str]) -> tuple[str, list[str]]:
    with pytest.raises(UserError) as error:
        cut(log, changes)
    return str(error.value), re.findall(r"--set '?([^ ']+)", str(error.value))


@pytest.mark.parametrize("cold", ["user", "nothing"])
@pytest.mark.parametrize(
    ("longest", "remedy"),
    [
        (25, ["protocol.shots=[0,1,2,4,8,15]"]),
        (18, ["protocol.shots=[0,1,2,4,8]"]),
        (11, ["protocol.shots=[0,1]"]),
        (10, ["protocol.shots=[0]"]),
        (9, ["protocol.query=8", "protocol.shots=[0,1]"]),
        (2, ["protocol.query=1", "protocol.shots=[0,1]"]),
        (1, ["protocol.query=1", "protocol.shots=[0]"]),
    ],
)
def test_the_largest_k_that_serves_is_said_and_its_setting_works(
    cold: str, longest: int, remedy: list[str]
) -> None:
    log = log_of([longest] * 20)
    message, remedies = refusal(log, [f"protocol.cold={cold}"])
    assert "no cold user has the 16 + 10 interactions" in message and remedies == remedy
    assert "for 4 of 4 cold users" in message
    assert len(cut(log, [f"protocol.cold={cold}", *remedies]).cold) == 4


def test_a_history_of_just_k_and_q_is_long_enough() -> None:
    assert len(cut(log_of([26] * 20), []).cold) == 4


def test_how_many_it_serves_is_counted() -> None:
    lengths = np.arange(11, 26).repeat(4).tolist()
    message, remedies = refusal(log_of(lengths), [])
    (served, cold) = map(int, re.findall(r"for (\d+) of (\d+) cold users", message)[0])
    assert cold == 12 and len(cut(log_of(lengths), remedies).cold) == served
    more = [re.sub(r"(\d+)\]$", lambda k: f"{int(k[1]) + 1}]", remedies[0])]
    with pytest.raises(UserError, match="no cold user has"):
        cut(log_of(lengths), more)


def test_where_nobody_is_cold_the_shares_are_blamed_and_not_the_histories() -> None:
    message, _ = refusal(log_of([30] * 4), [])
    assert "too small for the shares" in message and "raise protocol.cold_users" in message
    assert len(cut(log_of([30] * 4), ["protocol.cold_users=0.25"]).cold) == 1
    together = Interactions.from_rows(  # all begin at once, so nobody is new after a cut
        np.repeat(np.arange(9), 30), np.tile(np.arange(30), 9), np.ones(270),
        np.tile(np.arange(30), 9), 30,
    )  # fmt: skip
    message, remedies = refusal(together, ["protocol.split=time"])
    assert "nobody new comes after the cut" in message and remedies == ["protocol.split=random"]
    assert len(cut(together, remedies).cold) == 1
