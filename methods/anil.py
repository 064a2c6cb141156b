"""ANIL: MAML whose inner loop moves the last layer only ("almost no inner loop").

Raghu, Raghu, Bengio & Vinyals, "Rapid Learning or Feature Reuse? Towards Understanding the
Effectiveness of MAML" (2020), arXiv:1909.09157. The first layer is trained by the outer loop and is
the same for every user; v' = v - alpha grad L_S(v), inner_steps times, exact second order.
"""

from dataclasses import dataclass

from coldbench.episode import Feedback

from ._gradient_head import Adapted, GradientHead
from ._inner_loop import Rates, descend


@dataclass
class Anil(GradientHead):
    """A user's state is one vector of `hidden` weights and a bias, whatever K was."""

    family = "meta-learning"
    paper = "arXiv:1909.09157"
    state_size = "4 * (hidden + 1)"

    def adapt(self, support: Feedback) -> Adapted:
        start, rows, trunk = self.begin(support)
        rates = Rates(None, self.alpha, self.alpha)
        head = descend(start, rows, [rates] * self.inner_steps)
        return Adapted(head, support.items[:, :0], trunk)
