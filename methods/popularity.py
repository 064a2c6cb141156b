"""Popularity: how many warm users rated the item, whatever they thought of it.

n / (n + mean n) puts the count between 0 and 1 and ties only items with equal counts.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from coldbench.encoder import Items
from coldbench.episode import Episodes, Feedback, Users
from coldbench.method import Method, Rated
from coldbench.seeds import Seeds

from ._later_items import lengthened


@dataclass
class Popularity(Method[None]):
    family = "floor"
    grows = True
    adapts = False
    stochastic = False
    state_size = "0"
    exempt = {"learns a planted taste better than popularity": "it is popularity"}  # noqa: RUF012

    def meta_train(self, warm: Users, valid: Episodes, items: Items, seeds: Seeds) -> None:
        counts = torch.from_numpy(warm.item_counts()).double().to(items.device)
        self.items = items
        self.learned = {"share": (counts / (counts + counts.mean())).float()}

    def with_items(self, items: Items, rated: Rated) -> "Popularity":
        return lengthened(self, items, share=torch.zeros(len(items) - len(self.items)))

    def adapt(self, support: Feedback) -> None:
        return None

    def score(self, state: None, items: Tensor) -> Tensor:
        return self.learned["share"][items]  # (B, Q)
