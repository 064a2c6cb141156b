"""Adversarial fine-tuning: the inner loop also sees each support item moved where it hurts most.

Miyato, Dai & Goodfellow, "Adversarial Training Methods for Semi-Supervised Text Classification"
(2017), arXiv:1605.07725, on the item's embedding: delta = eps g / |g|, g = dL/de at the start, and
the support is learnt from twice, L(e) + L(e + delta). Read it beside `l2-dropout`, its plain twin.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import normalize

from coldbench.episode import Feedback

from ._inner import Adapted, Head, InnerLoop, Rates, Rows, beside, descend, read


@dataclass
class AdversarialFgm(InnerLoop):
    epsilon: float = 1.0  # length of delta, in the embedding's norm / sqrt D

    family = "robust"
    paper = "arXiv:1605.07725"

    def adapt(self, support: Feedback) -> Adapted:
        start, rows, trunk = self.begin(support)
        seen = self.items.features[support.items]  # (B, K, D)
        length = self.epsilon * seen.norm(dim=2, keepdim=True) / seen.shape[2] ** 0.5
        harmed = seen + length * worst_direction(start, rows, trunk.weight)
        vectors = torch.cat([seen, harmed], 1)  # (B, 2 K, D)
        rates = Rates(self.alpha, self.alpha, self.alpha)
        head = descend(start, beside(rows, vectors, trunk), [rates] * self.inner_steps)
        return Adapted(head, vectors, trunk)


@torch.no_grad()
def worst_direction(start: Head, rows: Rows, weight: Tensor) -> Tensor:
    """(B, K, D) g / |g|, taken as a constant. dL/de = (sigmoid(z) - y) W (v where a unit is on)."""
    hidden = torch.relu(rows.base)  # (B, K, H)
    error = torch.sigmoid(rows.offset + read(start, hidden)) - rows.labels
    slope = torch.where(hidden > 0, start.last[:, None], 0) @ weight.T  # (B, K, D) dz/de
    return normalize(slope, dim=2) * error.sign()[..., None]
