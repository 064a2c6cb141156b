"""Taste: the direction in which a new user's labels differ from what everybody says.

score(x) = p(x) + strength e(x)'u, with u = sum over the support of (y - p) e / (K + 4) and p the
damped mean label of an item among warm users.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from coldbench.encoder import Items
from coldbench.episode import Episodes, Feedback, Users
from coldbench.method import Method, Space, squash_to_unit
from coldbench.seeds import Seeds


@dataclass
class Taste(Method[Tensor]):
    """Its state is one vector a user."""

    damping: float = 5.0  # ratings of an average item that every item is given
    strength: float = 4.0  # how far the support moves a score

    family = "mine"
    stochastic = False  # another seed gives the same numbers
    space: ClassVar[Space] = {"damping": (1.0, 30.0), "strength": (0.5, 10.0)}
    state_size = "4 * D"

    def meta_train(self, warm: Users, valid: Episodes, items: Items, seeds: Seeds) -> None:
        labels = warm.matrix()  # (users, items), sparse
        mean = float(labels.data.mean())
        counts, sums = labels.getnnz(0), labels.sum(0).A1
        expected = (sums + self.damping * mean) / (counts + self.damping)
        self.items = items
        self.learned = {"expected": torch.tensor(expected).float().to(items.device)}

    def adapt(self, support: Feedback) -> Tensor:
        surprise = (support.labels - self.learned["expected"][support.items]) * support.mask
        seen = self.items.features[support.items]  # (B, K, D)
        return (surprise[..., None] * seen).sum(1) / (support.mask.sum(1, keepdim=True) + 4)

    def score(self, state: Tensor, items: Tensor) -> Tensor:
        asked = self.items.features[items]  # (B, Q, D)
        moved = self.strength * (asked @ state[..., None]).squeeze(-1)
        return squash_to_unit(self.learned["expected"][items] + moved)  # (B, Q), in 0..1
