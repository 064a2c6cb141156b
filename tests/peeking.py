"""A method that looks for the answers instead of learning: for tests that they are out of reach.

`how` says where it looks; where it finds the labels of what it is asked, it scores by them, and
where it finds none every score is a half.
"""

import gc
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from coldbench.encoder import Items
from coldbench.episode import EpisodeBatch, Episodes, Feedback, Users
from coldbench.interactions import Interactions
from coldbench.method import Method
from coldbench.seeds import Seeds


@dataclass
class Peeking(Method[Feedback]):
    how: str = "frames"

    stochastic = False

    def meta_train(self, warm: Users, valid: Episodes, items: Items, seeds: Seeds) -> None:
        self.items, self.learned = items, {"one": torch.ones(1)}

    def adapt(self, support: Feedback) -> Feedback:
        return support

    def score(self, state: Feedback, items: Tensor) -> Tensor:
        half = torch.full(items.shape, 0.5)
        match self.how:
            case "frames":
                looked = self._episodes(_locals(), items)
            case "garbage":
                looked = self._episodes(gc.get_objects(), items)
            case "modules":
                looked = self._episodes(_reachable(), items)
            case "log":
                looked = self._log(gc.get_objects(), state, items)
            case "place":  # likes stand first where a query is likes and sampled items in order
                looked = torch.linspace(0.9, 0.1, items.shape[1]).expand(items.shape)
            case "write":
                items[:] = 0
                looked = None
            case _:
                raise ValueError(self.how)
        return half if looked is None or not looked.isfinite().all() else looked

    def _episodes(self, things: Any, items: Tensor) -> Tensor | None:
        """The labels of a batch, or of episodes, that ask for just these items."""
        for thing in things:
            if type(thing) is EpisodeBatch and torch.equal(thing.query.items, items):
                if thing.query.labels.isfinite().all():
                    return thing.query.labels.clone()
            elif type(thing) is Episodes:
                asked = thing.users.log.items[thing.query]
                rows = [np.flatnonzero((asked == row).all(1)) for row in items.numpy()]
                if all(len(row) for row in rows):
                    labels = thing.users.labels[thing.query[[row[0] for row in rows]]]
                    if np.isfinite(labels).all():
                        return torch.from_numpy(labels.copy())
        return None

    def _log(self, things: Any, support: Feedback, items: Tensor) -> Tensor | None:
        """The ratings that a whole log has of users who rated just these items, and rated the
        support as it is known."""
        for log in (thing for thing in things if type(thing) is Interactions):
            table = np.full((log.n_users, log.n_items), np.nan, np.float32)
            table[log.users, log.items] = log.ratings
            asked = torch.cat([support.items, items], 1).numpy()
            if asked.max(initial=0) >= log.n_items:
                continue  # of another catalogue
            known = [
                (np.abs((table[:, row] - 1) / 4 - labels) < 1e-6).all(1)  # a NaN is not close
                for row, labels in zip(support.items.numpy(), support.labels.numpy(), strict=True)
            ]
            fits = [
                np.flatnonzero(np.isfinite(table[:, row]).all(1) & same)
                for row, same in zip(asked, known, strict=True)
            ]
            if all(len(users) for users in fits):
                ratings = np.stack([table[u[0], row] for u, row in zip(fits, items, strict=True)])
                return torch.from_numpy((ratings - 1) / 4)
        return None


def _locals() -> Iterator[Any]:
    frame = sys._getframe()
    while frame.f_back:
        frame = frame.f_back
        yield from list(frame.f_locals.values())


def _reachable() -> Iterator[Any]:
    """What the loaded modules of ours hold, their caches among it, three steps deep."""
    waiting: list[Any] = [
        m for name, m in list(sys.modules.items()) if name.startswith("coldbench")
    ]
    seen: set[int] = set()
    for _ in range(4):
        held = [one for thing in waiting for one in gc.get_referents(thing)]
        waiting = [one for one in held if id(one) not in seen]
        seen |= {id(one) for one in waiting}
        yield from waiting
