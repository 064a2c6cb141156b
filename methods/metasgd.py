"""Meta-SGD: MAML that learns how fast each of its weights should move, and which way.

Li, Zhou, Chen & Li, "Meta-SGD: Learning to Learn Quickly for Few-Shot Learning" (2017),
arXiv:1707.09835. theta' = theta - a * grad L_S(theta), inner_steps times, a learnt with theta by
the outer loop, exact second order. A rate is kept as it is and may turn negative.

What is ours: the rates of the first layer are one a hidden unit, for its weights and its bias. One
a weight would move W out of the span of the support, and every user would need a copy of it. The
last layer has one a weight, its bias one of its own.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

from coldbench.episode import Episodes, Feedback, Users
from coldbench.method import Params
from coldbench.seeds import Seeds

from ._gradient_head import Adapted, GradientHead
from ._inner_loop import Rates, descend


@dataclass
class Metasgd(GradientHead):
    """`alpha` is where every rate starts; `learned["rates"]` is where they ended: H of the first
    layer's units, H of the last layer's weights, one of its bias."""

    family = "meta-learning"
    paper = "arXiv:1707.09835"
    presets: ClassVar[dict[str, dict[str, Any]]] = {"paper": {"inner_steps": 1}}  # its abstract
    state_size = "4 * (K * hidden + hidden + 1) + 8 * K"

    def fit(
        self, weights: Params, fixed: Params, warm: Users, valid: Episodes, seeds: Seeds
    ) -> None:
        rates = weights["last"].new_full((2 * self.hidden + 1,), self.alpha)
        super().fit(weights | {"rates": rates}, fixed, warm, valid, seeds)

    def adapt(self, support: Feedback) -> Adapted:
        start, rows, trunk = self.begin(support)
        rates = Rates(*self.learned["rates"].split([self.hidden, self.hidden, 1]))
        head = descend(start, rows, [rates] * self.inner_steps)
        return Adapted(head, support.items, trunk)
