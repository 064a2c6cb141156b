"""Taste: the direction in which a new user's labels differ from what everybody says.

score(x) = p(x) + strength e(x)'u, with u = sum over the support of (y - p) e / (K + 4) and p the
damped mean label of an item among warm users. `coldbench init-method taste` writes the same code.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from coldbench.method import Episodes, Feedback, Items, Method, Seeds, Users, squash_to_unit
from coldbench.parameters import Positive


@dataclass
class Taste(Method[Tensor]):
    damping: Positive = 5.0  # a hyper-parameter: --set params.taste.damping=2, or `tune`
    strength: Positive = 4.0  # the type says which values are allowed (coldbench.parameters)

    family = "mine"
    stochastic = False  # another seed gives the same numbers
    state_size = "4 * D"  # bytes of one user's state

    def meta_train(self, warm: Users, valid: Episodes, items: Items, seeds: Seeds) -> None:
        """Learn from users whose every rating is known. What is learnt are tensors by name."""
        labels = warm.matrix()  # (users, items), sparse, labels in 0..1
        mean = float(labels.data.mean())
        counts, sums = labels.getnnz(0), labels.sum(0).A1
        expected = (sums + self.damping * mean) / (counts + self.damping)
        self.items = items
        self.learned = {"expected": torch.tensor(expected).float().to(items.device)}

    def adapt(self, support: Feedback) -> Tensor:
        """The state of B new users from K ratings of each; K may be 0, self stays as it is."""
        surprise = (support.labels - self.learned["expected"][support.items]) * support.mask
        seen = self.items.features[support.items]  # (B, K, D)
        return (surprise[..., None] * seen).sum(1) / (support.mask.sum(1, keepdim=True) + 4)

    def score(self, state: Tensor, items: Tensor) -> Tensor:
        """The labels that are expected of (B, Q) items, in 0..1."""
        asked = self.items.features[items]  # (B, Q, D)
        moved = self.strength * (asked @ state[..., None]).squeeze(-1)
        return squash_to_unit(self.learned["expected"][items] + moved)
