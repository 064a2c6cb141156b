"""Which item to ask first: a new user is asked one question after another, and then evaluated.

Two processes. The method's holds the items of a user's pool and asks; the other holds the labels of
the pool, gives that of each item asked for, and no more of them than the protocol's largest K. What
was answered becomes the user's support, the first answer last, since K = n is the last n of it: so
an asker that takes the pool from its end gives the support that the protocol has without an asker.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from coldbench.elicit.askers import Asker
from coldbench.episode import Episodes

from .splits import POOL

BATCH = 256  # users asked side by side
Int = NDArray[np.int64]
Labels = NDArray[np.float32]


class Answers(Protocol):
    """Gives (E,) labels for (E,) places in the users' pools."""

    def __call__(self, places: Int) -> Labels: ...


@torch.no_grad()
def elicit(
    asker: Asker,
    cold: Episodes,
    questions: int,
    answers: Answers,
    device: torch.device,
    stage: Callable[[str], object] = lambda _: None,
) -> Episodes:
    """The users with what they were asked as their support (E, questions), its labels filled in.

    cold: users whose support is a pool (E, P), -1 where it is shorter, labels withheld.
    Raises ValueError where an asker's worths are no numbers of the right shape.
    """
    everyone, pool = np.arange(len(cold)), cold.support  # (E, P)
    items = torch.from_numpy(np.where(pool >= 0, cold.users.log.items[pool], 0).astype(np.int64))
    still = pool >= 0
    labels = cold.users.labels.copy()
    asked = np.full((len(cold), questions), -1, np.int64)
    for number in range(questions):
        stage("ask")
        so_far = replace(cold, support=asked, users=replace(cold.users, labels=labels))
        worth = np.empty(pool.shape, np.float32)
        for at, batch in enumerate(so_far.batches(number, BATCH)):
            rows = slice(at * BATCH, at * BATCH + len(batch.users))
            open_now = torch.from_numpy(still[rows].copy()).to(device)
            worths = asker.worth(batch.support.to(device), items[rows].to(device), open_now)
            worth[rows] = _checked(worths, items[rows].shape).cpu().numpy()
        if np.isnan(worth[still]).any():
            raise ValueError("the asker gave no number for an item that may be asked")
        places = np.where(still, worth, -np.inf).argmax(1)
        places = np.where(still[everyone, places], places, still.argmax(1))  # all at -inf
        rows_of = pool[everyone, places]
        labels[rows_of] = answers(places)
        asked[:, questions - 1 - number] = rows_of
        still[everyone, places] = False
    return replace(cold, support=asked, users=replace(cold.users, labels=labels))


def _checked(worth: Any, shape: torch.Size) -> torch.Tensor:
    if not isinstance(worth, torch.Tensor) or worth.shape != shape:
        returned = tuple(getattr(worth, "shape", ())) or type(worth).__name__
        raise ValueError(f"an asker returned {returned} where a tensor of {tuple(shape)} was due")
    return worth.float()


class Questions:
    """Answers of the other process, over a pipe: bytes alone, so that neither side runs what the
    other sent."""

    def __init__(self, pipe: Connection) -> None:
        self.pipe = pipe

    def __call__(self, places: Int) -> Labels:
        self.pipe.send_bytes(places.astype(np.int64).tobytes())
        return np.frombuffer(self.pipe.recv_bytes(), np.float32)


def answer(split: Path, questions: int, pipe: Connection) -> None:
    """The process that holds the labels: until the other one ends, or asks for what it may not."""
    pool = Told(np.load(split / POOL), questions)
    with suppress(EOFError, OSError, ValueError), pipe:
        while True:
            pipe.send_bytes(pool(np.frombuffer(pipe.recv_bytes(), np.int64)).tobytes())


class Told:
    """The labels of pools (E, P), given one a user for so many questions, each once."""

    def __init__(self, pool: Labels, questions: int) -> None:
        self.pool, self.left = pool, questions
        self.open = ~np.isnan(pool)

    def __call__(self, places: Int) -> Labels:
        users = np.arange(len(self.pool))
        if not self.left or places.shape != users.shape:
            raise ValueError("more was asked than the protocol has questions")
        if (places < 0).any() or (places >= self.pool.shape[1]).any():
            raise ValueError("no such place in a pool")
        if not self.open[users, places].all():
            raise ValueError("an item was asked for twice, or is none")
        self.left -= 1
        self.open[users, places] = False
        labels: Labels = self.pool[users, places]
        return labels
