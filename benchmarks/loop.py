"""The one loop every method runs through: train on warm users, adapt to cold ones, score.

The answers stay out of reach: the process that runs a method holds supports and the numbers of the
items to be scored; their labels are in another process, the judge's (judge.py).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.lib.format import open_memmap
from numpy.typing import NDArray
from torch import Tensor

from coldbench.encoder import Items
from coldbench.episode import EpisodeBatch, Episodes
from coldbench.method import Method
from coldbench.metrics.predictions import invalid_scores
from coldbench.protocol import Protocol
from coldbench.seeds import Seeds
from coldbench.splits.split import Split

from .job import BATCH

CHUNK = 1024  # items of a ranked catalogue scored at once

Stage = Callable[[str], object]  # called with what comes next: "adapt", "score"


def meta_train(method: Method[Any], split: Split, items: Items, seeds: Seeds) -> None:
    """Train on warm users, with the state of the global generator as it was before."""
    kept = torch.random.get_rng_state()
    try:
        method.meta_train(split.warm, split.valid, items, seeds)
    finally:
        torch.random.set_rng_state(kept)


@dataclass(frozen=True)
class Scored:
    """Scores of some items of a batch of users."""

    batch: EpisodeBatch  # b users
    rows: slice  # of all users, those of the batch
    columns: slice  # of their items, those scored
    scores: Tensor  # (b, n) on the CPU, finite and in 0..1


@torch.no_grad()
def predict(
    method: Method[Any],
    episodes: Episodes,
    shots: int,
    device: torch.device,
    items: NDArray[np.int64] | None = None,
    stage: Stage = lambda _: None,
) -> Iterator[Scored]:
    """Adapt to every user at K = shots and score items, BATCH users and CHUNK items at a time.

    items: (E, N) those to be scored for each user; None: the query's. Raises as `checked` does.
    """
    for number, batch in enumerate(episodes.batches(shots, BATCH)):
        rows = slice(number * BATCH, number * BATCH + len(batch.users))
        stage("adapt")
        state = method.adapt(batch.support.to(device))
        stage("score")
        asked = batch.query.items if items is None else torch.from_numpy(items[rows].copy())
        for at in range(0, asked.shape[1], CHUNK):
            columns = slice(at, at + CHUNK)
            block = asked[:, columns]  # (b, n)
            scores = checked(method.score(state, block.to(device)), block, shots)
            yield Scored(batch, rows, columns, scores)


@dataclass(frozen=True)
class Evaluated:
    """Who is evaluated."""

    split: Split
    swapped: Episodes  # its cold users with another's support each
    users: slice  # which of the cold users: those of a shard begin where a batch does


def evaluate(
    method: Method[Any],
    who: Evaluated,
    protocol: Protocol,
    device: torch.device,
    folder: Path,
    stage: Stage = lambda _: None,
) -> None:
    """Evaluate every one of them at each K of the protocol, and two controls at the largest K.

    Writes float32 arrays into `folder`: scores.npy (S, E, N) for S numbers of shots, E users and N
    items, those of the query or all candidates; swapped.npy and shuffled.npy (E, N), where each
    user has another's support, and their own with its labels shuffled.
    """
    split, items = who.split, _items(who.split, protocol)[who.users]
    shape = len(protocol.shots), *items.shape
    scores = open_memmap(folder / "scores.npy", "w+", np.float32, shape)
    runs = [(scores[n], split.cold, shots) for n, shots in enumerate(protocol.shots)]
    if protocol.max_shots and len(split.cold) > 1:
        for name, cold in (("swapped", who.swapped), ("shuffled", shuffle(split.cold))):
            control = open_memmap(folder / f"{name}.npy", "w+", np.float32, items.shape)
            runs.append((control, cold, protocol.max_shots))
    for into, cold, shots in runs:
        for scored in predict(method, cold.take(who.users), shots, device, items, stage):
            into[scored.rows, scored.columns] = scored.scores.numpy()


def swap(cold: Episodes) -> Episodes:
    """A control that no honest method gains by: each user gets the next one's support, without the
    items of this user's query."""
    log, support = cold.users.log, np.roll(cold.support, -1, 0)  # (E, S)
    asked = np.where(cold.query >= 0, log.items[cold.query], -1)  # (E, Q)
    known = (log.items[support][:, :, None] == asked[:, None]).any(2)
    return replace(cold, support=np.where(known, -1, support))


def shuffle(cold: Episodes) -> Episodes:
    """A control that keeps which items a user rated and loses how: the labels of each support in
    random order."""
    support, labels = cold.support, cold.users.labels.copy()  # (E, S), all real
    place = np.random.default_rng(0).random(support.shape).argsort(1)
    labels[support] = cold.users.labels[np.take_along_axis(support, place, 1)]
    return replace(cold, users=replace(cold.users, labels=labels))


def _items(split: Split, protocol: Protocol) -> NDArray[np.int64]:
    """(E, N) the items to be scored for each cold user: the query, or every candidate."""
    if protocol.candidates == "all":
        return np.broadcast_to(split.candidates, (len(split.cold), len(split.candidates)))
    query = split.cold.query
    return np.where(query >= 0, split.cold.users.log.items[query], 0).astype(np.int64)


def checked(scores: Any, items: Tensor, shots: int) -> Tensor:
    """(B, Q) scores of (B, Q) items on the CPU, of the right shape, finite and in 0..1.

    Raises ValueError where they are not, naming K and how many users; TypeError for no tensor.
    """
    expected = tuple(items.shape)
    if not isinstance(scores, Tensor):
        raise TypeError(
            f"score returned {type(scores).__module__}.{type(scores).__name__}; return a "
            f"torch.Tensor of the shape {expected}"
        )
    scores = scores.detach().float().cpu()
    if scores.shape != items.shape:
        shape = tuple(scores.shape)
        raise ValueError(f"score returned the shape {shape} where {expected} was asked for")
    wrong = invalid_scores(scores)
    if wrong.any():
        users, example = int(wrong.any(1).sum()), float(scores[wrong][0])
        raise ValueError(
            f"at K = {shots}, {users} of {len(scores)} users got a score outside 0..1: {example}"
        )
    return scores
