"""Adversarial fine-tuning: the inner loop also sees each support item moved where it hurts most.

Miyato, Dai & Goodfellow, "Adversarial Training Methods for Semi-Supervised Text Classification"
(2017), arXiv:1605.07725, on the item's embedding: delta = eps g / |g|, g = dL/de at the start, and
the support is learnt from twice, (L(e) + L(e + delta)) / 2. Read it beside `l2-dropout`,
its plain counterpart.
"""

from dataclasses import dataclass

import torch

from coldbench.episode import Feedback
from coldbench.parameters import NotNegative

from ._adversary import Climb, climbed
from ._gradient_head import Adapted, GradientHead, beside
from ._inner_loop import Rates, descend


@dataclass
class AdversarialFgm(GradientHead):
    epsilon: NotNegative = 1.0  # length of delta, in the embedding's norm / sqrt D

    family = "robust"
    paper = "arXiv:1605.07725"
    space = GradientHead.space | {"epsilon": (0.1, 10.0)}
    state_size = "4 * (2 * K * (hidden + D) + hidden + 1)"

    def adapt(self, support: Feedback) -> Adapted:
        start, rows, trunk = self.begin(support)
        seen = self.items.features[support.items]  # (B, K, D)
        harmed = climbed(seen, start, rows, trunk, Climb(1, self.epsilon, self.epsilon))[-1]
        vectors = torch.cat([seen, harmed], 1)  # (B, 2 K, D)
        rates = Rates(self.alpha, self.alpha, self.alpha)
        head = descend(start, beside(rows, vectors, trunk), [rates] * self.inner_steps)
        return Adapted(head, vectors, trunk)
