"""User mean: the mean of the labels a new user gave, for every item. Cannot rank items.

With no label yet it is the mean of all warm labels.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from coldbench.encoder import Items
from coldbench.episode import Episodes, Feedback, Users
from coldbench.seeds import Seeds

from ._item_prior import Warm
from ._one_number import OneNumber


@dataclass
class UserMean(OneNumber[Tensor]):
    """Its state is one number a user, (B,)."""

    family = "simple"
    state_size = "4"

    def meta_train(self, warm: Users, valid: Episodes, items: Items, seeds: Seeds) -> None:
        self.items = items
        self.learned = {"mean": torch.tensor(Warm.of(warm, items.device).mean).to(items.device)}

    def adapt(self, support: Feedback) -> Tensor:
        count = support.mask.sum(1)
        mean = (support.labels * support.mask).sum(1) / count.clamp_min(1)
        return torch.where(count > 0, mean, self.learned["mean"])

    def score(self, state: Tensor, items: Tensor) -> Tensor:
        return state[:, None].expand(items.shape)  # (B, Q)
