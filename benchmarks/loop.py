"""The one loop every method runs through: learn from warm users, meet the cold ones at every K.

What is evaluated on stays out of reach: the process that runs a method holds a support and the
numbers of the items to be scored; their labels lie with the judge (judge.py), another process.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.lib.format import open_memmap
from numpy.typing import NDArray
from torch import Tensor

from coldbench.encoder import Items
from coldbench.episode import Episodes
from coldbench.method import Method
from coldbench.protocol import Protocol
from coldbench.seeds import Seeds
from coldbench.split import Split

BATCH = 256  # users adapted to at once
CHUNK = 1024  # items of a ranked catalogue scored at once

Stage = Callable[[str], object]  # told what comes next: "adapt", "score"


def meta_train(method: Method[Any], split: Split, items: Items, seeds: Seeds) -> None:
    """Learn from warm users with the global generators left as they were found."""
    kept = torch.random.get_rng_state()
    try:
        method.meta_train(split.warm, split.valid, items, seeds)
    finally:
        torch.random.set_rng_state(kept)


@torch.no_grad()
def evaluate(
    method: Method[Any],
    split: Split,
    swapped: Episodes,
    protocol: Protocol,
    device: torch.device,
    folder: Path,
    stage: Stage = lambda _: None,
) -> None:
    """Meet every cold user at each K of the protocol, and twice more at the largest K as controls.

    Writes float32 arrays into `folder`: scores.npy (S, E, N) for S numbers of shots, E users and N
    items, those of the query or all candidates; swapped.npy and shuffled.npy (E, N), where each
    user is met with another's support, and with their own of which the labels are shuffled.

    Raises ValueError where a score is not finite or not in 0..1, naming K and how many users.
    """
    asked = _asked(split, protocol)
    shape = len(protocol.shots), len(split.cold), asked.shape[1]
    scores = open_memmap(folder / "scores.npy", "w+", np.float32, shape)
    for number, shots in enumerate(protocol.shots):
        _meet(method, split.cold, asked, shots, device, scores[number], stage)
    scores.flush()
    most = protocol.shots[-1]
    if most and len(split.cold) > 1:
        for name, cold in (("swapped", swapped), ("shuffled", shuffle(split.cold))):
            control = open_memmap(folder / f"{name}.npy", "w+", np.float32, shape[1:])
            _meet(method, cold, asked, most, device, control, stage)
            control.flush()


def swap(cold: Episodes) -> Episodes:
    """A control that no honest method gains by: each user is met with the next one's support,
    less what this user is asked for."""
    log, support = cold.users.log, np.roll(cold.support, -1, 0)  # (E, S)
    asked = np.where(cold.query >= 0, log.items[cold.query], -1)  # (E, Q)
    known = (log.items[support][:, :, None] == asked[:, None]).any(2)
    return replace(cold, support=np.where(known, -1, support))


def shuffle(cold: Episodes) -> Episodes:
    """A control that keeps what a user chose to rate and loses what they said of it: the labels of
    each support in random order."""
    support, labels = cold.support, cold.users.labels.copy()  # (E, S), all real
    place = np.random.default_rng(0).random(support.shape).argsort(1)
    labels[support] = cold.users.labels[np.take_along_axis(support, place, 1)]
    return replace(cold, users=replace(cold.users, labels=labels))


def _asked(split: Split, protocol: Protocol) -> NDArray[np.int64]:
    """(E, N) the items to be scored for each cold user: the query, or every candidate."""
    if protocol.candidates == "all":
        return np.broadcast_to(split.candidates, (len(split.cold), len(split.candidates)))
    query = split.cold.query
    return np.where(query >= 0, split.cold.users.log.items[query], 0).astype(np.int64)


def _meet(
    method: Method[Any],
    cold: Episodes,
    asked: NDArray[np.int64],
    shots: int,
    device: torch.device,
    into: NDArray[np.float32],
    stage: Stage,
) -> None:
    """Write the (E, N) scores of the items asked for, a batch of users at a time."""
    for number, batch in enumerate(cold.batches(shots, BATCH)):
        part = slice(number * BATCH, number * BATCH + len(batch.users))
        stage("adapt")
        state = method.adapt(batch.support.to(device))
        stage("score")
        items = torch.from_numpy(asked[part].copy())
        for at in range(0, items.shape[1], CHUNK):
            some = items[:, at : at + CHUNK]
            scores = checked(method.score(state, some.to(device)), some, shots)
            into[part, at : at + CHUNK] = scores.numpy()


def checked(scores: Any, items: Tensor, shots: int) -> Tensor:
    """(B, Q) scores of (B, Q) items on the CPU: of the right shape, finite and in 0..1."""
    expected = tuple(items.shape)
    if not isinstance(scores, Tensor):
        raise TypeError(
            f"score returned {type(scores).__module__}.{type(scores).__name__}; return a "
            f"torch.Tensor of the shape {expected}"
        )
    scores = scores.detach().float().cpu()
    if scores.shape != items.shape:
        found = tuple(scores.shape)
        raise ValueError(f"score returned the shape {found} where {expected} was asked for")
    wrong = ~torch.isfinite(scores) | (scores < 0) | (scores > 1)
    if wrong.any():
        users, example = int(wrong.any(1).sum()), float(scores[wrong][0])
        raise ValueError(
            f"at K = {shots}, {users} of {len(scores)} users got a score outside 0..1: {example}"
        )
    return scores
