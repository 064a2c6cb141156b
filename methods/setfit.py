"""SetFit: the encoder is tuned on pairs of items once, then a logistic head is fitted to each user.

Tunstall et al., "Efficient Few-Shot Learning Without Prompts" (2022), arXiv:2209.11055. Two items
with the same warm user's same verdict shall be alike, two of opposite verdicts not: least squares
of cos(e_i, e_j) to 1 or 0 (their section 3.1), by AdamW on the encoder's top blocks. The head is
`logistic`, on the tuned vectors. What is ours: a verdict is above or below the user's own mean
label, and pairs come from warm users, as a new user's few make too few.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from coldbench.encoder import Items
from coldbench.episode import Episodes, Users
from coldbench.interactions import Int
from coldbench.method import Space
from coldbench.parameters import Count, Ge, NotNegative, Positive, Whole
from coldbench.seeds import Seeds

from ._shared_encoder import SharedEncoder
from .logistic import Logistic

Floats = NDArray[np.float32]


@dataclass
class Setfit(Logistic):
    blocks: Count = 1  # from the top, that are tuned
    pair_steps: Whole = 100  # batches of pairs
    pairs: Annotated[int, Ge(2)] = 32  # in a batch, half of them alike
    pair_lr: Positive = 1e-4
    weight_decay: NotNegative = 0.01

    family = "fine-tuning"
    grows = False  # what it makes of each text is not made anew
    paper = "arXiv:2209.11055"
    stochastic = True
    fine_tunes_encoder = True
    space: ClassVar[Space] = {"blocks": (1, 2), "pair_steps": (30, 300), "pair_lr": (2e-5, 1e-3)}
    state_size = Logistic.state_size

    def meta_train(self, warm: Users, valid: Episodes, items: Items, seeds: Seeds) -> None:
        tuned = self._tuned(warm, items, seeds)
        super().meta_train(warm, valid, replace(items, features=tuned), seeds)
        self.learned["features"] = tuned

    def load(self, folder: Path, items: Items) -> None:
        super().load(folder, items)
        self.items = replace(items, features=self.learned["features"])

    def _tuned(self, warm: Users, items: Items, seeds: Seeds) -> Tensor:
        """(n_items, D) the catalogue as the encoder reads it after its lesson."""
        trunk = SharedEncoder.of(items, self.blocks)
        weights = [w.requires_grad_() for block in trunk.top for w in block.parameters()]
        adam = torch.optim.AdamW(weights, self.pair_lr, weight_decay=self.weight_decay, fused=True)
        for pairs, alike in _pairs(warm, self.pair_steps, self.pairs, seeds.order):
            rows = torch.from_numpy(pairs).to(items.device)
            packed = trunk.pack(rows, torch.ones_like(rows).bool())
            e = trunk.read(packed)  # (P, 2, D) unit vectors
            wrong = (e[:, 0] * e[:, 1]).sum(1) - torch.from_numpy(alike).to(e)
            adam.zero_grad()
            wrong.square().mean().backward()
            adam.step()
        tuned = trunk.every()
        return tuned - tuned.mean(0)


def _pairs(warm: Users, steps: int, size: int, seed: int) -> Iterator[tuple[Int, Floats]]:
    """(P, 2) items of one user each, and (P,) whether the user's verdict on both was the same."""
    rng, log = np.random.default_rng(seed), warm.log
    mean = np.bincount(log.users, warm.labels, log.n_users) / np.maximum(log.counts, 1)
    liked = warm.labels > mean[log.users]
    likes = np.bincount(log.users, liked, log.n_users)
    able = np.flatnonzero((likes >= 2) & (log.counts - likes >= 2))
    if not len(able):
        return
    alike = np.arange(size) % 2 == 0
    for _ in range(steps):
        users = rng.choice(able, size)
        rows = [
            _pair(rng, log.offsets[user : user + 2], liked, same=same)
            for user, same in zip(users, alike, strict=True)
        ]
        yield log.items[np.array(rows)].astype(np.int64), alike.astype(np.float32)


def _pair(rng: np.random.Generator, stretch: Int, liked: NDArray[np.bool_], *, same: bool) -> Int:
    """Two rows of a user's stretch of the log, of one verdict or of two."""
    rows = np.arange(*stretch)
    verdict = bool(rng.integers(2))
    first = rows[liked[rows] == verdict]
    if same:
        return rng.choice(first, 2, replace=False)
    return np.array([rng.choice(first), rng.choice(rows[liked[rows] != verdict])])
