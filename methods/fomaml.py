"""First-order MAML: MAML that trains its start as if the inner steps were constants.

Finn, Abbeel & Levine, "Model-Agnostic Meta-Learning for Fast Adaptation of Deep Networks" (2017),
section 5.2, arXiv:1703.03400. theta' = theta - alpha grad L_S(theta), inner_steps times; the start
moves along grad L_Q at theta', the gradients of the inner loop detached.
"""

from dataclasses import dataclass

from coldbench.episode import Feedback

from ._gradient_head import Adapted, GradientHead
from ._inner_loop import Rates, descend
from .maml import Maml


@dataclass
class Fomaml(GradientHead):
    """The same fields as MAML: what differs is the gradient that trains the start."""

    family = "meta-learning"
    paper = "arXiv:1703.03400"
    presets = Maml.presets
    state_size = "4 * (K * hidden + hidden + 1) + 8 * K"

    def adapt(self, support: Feedback) -> Adapted:
        start, rows, trunk = self.begin(support)
        rates = Rates(self.alpha, self.alpha, self.alpha)
        head = descend(start, rows, [rates] * self.inner_steps, first_order=True)
        return Adapted(head, support.items, trunk)
