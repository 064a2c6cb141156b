"""Random: a random number for every user and item. What chance looks like.

The number is a hash (SplitMix64; Steele, Lea & Flood 2014) of the seed, the user's support and the
item, so neither the batch nor the other candidates change it. Users with the same support draw the
same numbers; with K = 0 that is everyone, and only their different queries tell them apart.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from coldbench.encoder import Items
from coldbench.episode import Episodes, Feedback, Users
from coldbench.method import Method, Rated
from coldbench.seeds import Seeds

from ._later_items import lengthened

# the constants of SplitMix64 as signed integers; products wrap around
STEP, FIRST, SECOND = -7046029254386353131, -4658895280553007687, -7723592293110705685


@dataclass
class Random(Method[Tensor]):
    """Its state is one hash a user, (B,) int64."""

    family = "floor"
    grows = True
    is_chance = True
    state_size = "8"
    exempt = {  # noqa: RUF012
        "learns a planted taste better than popularity": "it is chance",
        "is better with K": "it is chance",
        "its gain comes from the labels": "it is chance",
    }

    def meta_train(self, warm: Users, valid: Episodes, items: Items, seeds: Seeds) -> None:
        self.items = items
        self.learned = {"seed": torch.tensor(seeds.init, device=items.device)}

    def with_items(self, items: Items, rated: Rated) -> "Random":
        return lengthened(self, items)

    def adapt(self, support: Feedback) -> Tensor:
        labels = (support.labels * 2**20).long()
        mixed = _mix(_mix(support.items) + labels) * support.mask  # (B, K)
        return _mix(mixed.sum(1) + self.learned["seed"])  # a sum: padding and order are nothing

    def score(self, state: Tensor, items: Tensor) -> Tensor:
        lot = _mix(state[:, None] + _mix(items))  # (B, Q) any 64 bits
        return (((lot >> 40) & (2**24 - 1)).float() + 0.5) / 2**24  # 24 bits fit a float32


def _mix(x: Tensor) -> Tensor:
    """64 bits in, 64 bits out that look unrelated."""
    x = x + STEP
    x = (x ^ _shift(x, 30)) * FIRST
    x = (x ^ _shift(x, 27)) * SECOND
    return x ^ _shift(x, 31)


def _shift(x: Tensor, bits: int) -> Tensor:
    return (x >> bits) & ((1 << (64 - bits)) - 1)  # torch shifts the sign in; take it out
