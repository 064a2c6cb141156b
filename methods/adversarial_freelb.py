"""Adversarial fine-tuning that learns from every place on the adversary's way, not from its end.

Zhu, Cheng, Gan, Sun, Goldstein & Liu, "FreeLB: Enhanced Adversarial Training for Natural Language
Understanding" (2020), arXiv:1909.11764, on the item's embedding: delta_0 = 0 and delta_t+1 =
P(delta_t + s g / |g|), g = dL/de at the start, P the nearest point with |delta| <= eps; a step of
the inner loop goes along the mean of grad L(e + delta_t), t < `ascents`. Read it beside
`l2-dropout`, its plain counterpart, and `adversarial-pgd`.

What is ours: delta begins at the item itself, where the paper's begins at random, and is found
once, at the start, not anew at each step of the inner loop.
"""

from dataclasses import dataclass

import torch

from coldbench.episode import Feedback
from coldbench.parameters import Count, NotNegative, Positive

from ._adversary import Climb, climbed
from ._gradient_head import Adapted, GradientHead
from ._inner_loop import Rates, SupportRows, descend


@dataclass
class AdversarialFreelb(GradientHead):
    epsilon: NotNegative = 1.0  # longest delta, in the embedding's norm / sqrt D
    ascents: Count = 3  # places that are learnt from, the item itself among them
    stride: Positive = 0.5  # from one to the next, as a share of epsilon

    family = "robust"
    paper = "arXiv:1909.11764"
    space = GradientHead.space | {"epsilon": (0.1, 10.0), "ascents": (2, 5)}
    state_size = "4 * (ascents * K * (hidden + D) + hidden + 1)"

    def adapt(self, support: Feedback) -> Adapted:
        start, rows, trunk = self.begin(support)
        seen = self.items.features[support.items]  # (B, K, D)
        climb = Climb(self.ascents - 1, self.stride * self.epsilon, self.epsilon)
        vectors = torch.cat(climbed(seen, start, rows, trunk, climb), 1)  # (B, M K, D)
        columns = (rows.offset, rows.labels, rows.weight / self.ascents)
        often = (column.repeat(1, self.ascents) for column in columns)
        places = SupportRows(trunk.of(vectors), 1 + vectors @ vectors.mT, *often)
        rates = Rates(self.alpha, self.alpha, self.alpha)
        head = descend(start, places, [rates] * self.inner_steps)
        return Adapted(head, vectors, trunk)
