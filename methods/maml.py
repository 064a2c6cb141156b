"""MAML: a starting head from which a few gradient steps on a user's support lead to a good head.

Finn, Abbeel & Levine, "Model-Agnostic Meta-Learning for Fast Adaptation of Deep Networks" (2017),
arXiv:1703.03400. theta' = theta - alpha grad L_S(theta), inner_steps times; the start theta is
trained on grad L_Q(theta') over warm users, with the exact second order.

The loop in plain view is `_inner_loop_plain.descend`; `_inner_loop.descend` is equal to it and
takes all users at once.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import torch

from coldbench.episode import Feedback

from . import _graph
from ._gradient_head import Adapted, GradientHead
from ._inner_loop import Rates, descend


@dataclass
class Maml(GradientHead):
    """`alpha` serves the layer weights and biases alike, as in the paper."""

    family = "meta-learning"
    paper = "arXiv:1703.03400"
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "paper": {"alpha": 0.01, "inner_steps": 5, "meta_users": 4, "meta_lr": 1e-3}
    }  # as the authors' code has it for mini-ImageNet, where new tasks get ten steps
    state_size = "4 * (K * hidden + hidden + 1) + 8 * K"

    def adapt(self, support: Feedback) -> Adapted:
        start, rows, trunk = self.begin(support)
        rates = Rates(self.alpha, self.alpha, self.alpha)
        head = descend(start, rows, [rates] * self.inner_steps)
        return Adapted(head, support.items, trunk)

    def graph(self) -> torch.nn.Module:
        learned = self.learned | {"alpha": torch.tensor(self.alpha)}
        return _graph.Maml(self.items.features, learned, self.inner_steps)
