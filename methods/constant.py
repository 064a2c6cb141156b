"""Constant: the mean label of warm users for every item. Must measure exactly as chance ranks."""

from dataclasses import dataclass

import torch
from torch import Tensor

from coldbench.encoder import Items
from coldbench.episode import Episodes, Feedback, Users
from coldbench.seeds import Seeds

from ._item_prior import Warm
from ._one_number import OneNumber


@dataclass
class Constant(OneNumber[None]):
    family = "floor"
    adapts = False
    state_size = "0"

    def meta_train(self, warm: Users, valid: Episodes, items: Items, seeds: Seeds) -> None:
        self.items = items
        self.learned = {"mean": torch.tensor(Warm.of(warm, items.device).mean).to(items.device)}

    def adapt(self, support: Feedback) -> None:
        return None

    def score(self, state: None, items: Tensor) -> Tensor:
        return self.learned["mean"].expand(items.shape)  # (B, Q)
