"""A few-shot method taught with some of TALLRec's training rows, and met with its test rows."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from coldbench.encoder import Items
from coldbench.method import Method
from coldbench.seeds import Seeds

from ._tallrec import Rows, meet

HELD = 0.25  # share of the rows to choose by


def few_shot(
    learner: Method[Any], drawn: Rows, test: Rows, items: Items, seed: int
) -> NDArray[np.floating]:
    """(R,) expected likes of the test rows. Of the drawn rows a quarter, by users, are chosen by:
    rows of one user overlap, and would choose what remembers them."""
    held = _of_some_users(drawn, seed)
    warm = drawn.part(np.flatnonzero(~held)).as_users()
    valid = drawn.part(np.flatnonzero(held)).as_episodes()
    learner.meta_train(warm, valid, items, Seeds.of(seed))
    return meet(learner, test)


def _of_some_users(drawn: Rows, seed: int) -> NDArray[np.bool_]:
    """(R,) the rows of as few users, at random, as have a quarter of them."""
    users, counts = np.unique(drawn.users, return_counts=True)
    order = np.random.default_rng(seed).permutation(len(users))
    enough = np.searchsorted(np.cumsum(counts[order]), HELD * len(drawn.places))
    return np.isin(drawn.users, users[order[: enough + 1]])
