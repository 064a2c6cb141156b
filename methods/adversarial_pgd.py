"""Adversarial fine-tuning whose adversary looks around: several small steps uphill, not one.

Madry, Makelov, Schmidt, Tsipras & Vladu, "Towards Deep Learning Models Resistant to Adversarial
Attacks" (2018), arXiv:1706.06083, on the item's embedding: delta <- P(delta + s g / |g|), `ascents`
times from 0, g = dL/de at the start, P the nearest point with |delta| <= eps. The support is learnt
from twice, (L(e) + L(e + delta)) / 2. Read it beside `l2-dropout`, its plain counterpart, and
`adversarial-fgm`.

What is ours: the ball is round, where the paper's is a cube, and delta begins in its middle.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import torch

from coldbench.episode import Feedback
from coldbench.parameters import Count, NotNegative, Positive

from ._adversary import Climb, climbed
from ._gradient_head import Adapted, GradientHead, beside
from ._inner_loop import Rates, descend


@dataclass
class AdversarialPgd(GradientHead):
    epsilon: NotNegative = 1.0  # longest delta, in the embedding's norm / sqrt D
    ascents: Count = 3  # steps of the adversary
    stride: Positive = 0.5  # length of one, as a share of epsilon

    family = "robust"
    paper = "arXiv:1706.06083"
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "paper": {"ascents": 10, "stride": 0.25}  # the authors' code for CIFAR-10: 2 of 8 a step
    }
    space = GradientHead.space | {"epsilon": (0.1, 10.0), "ascents": (2, 8)}
    state_size = "4 * (2 * K * (hidden + D) + hidden + 1)"

    def adapt(self, support: Feedback) -> Adapted:
        start, rows, trunk = self.begin(support)
        seen = self.items.features[support.items]  # (B, K, D)
        climb = Climb(self.ascents, self.stride * self.epsilon, self.epsilon)
        harmed = climbed(seen, start, rows, trunk, climb)[-1]
        vectors = torch.cat([seen, harmed], 1)  # (B, 2 K, D)
        rates = Rates(self.alpha, self.alpha, self.alpha)
        head = descend(start, beside(rows, vectors, trunk), [rates] * self.inner_steps)
        return Adapted(head, vectors, trunk)
