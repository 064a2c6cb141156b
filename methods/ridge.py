"""Ridge regression from an item's text to the new user's taste, over the item prior.

Hoerl & Kennard (1970), in the dual: alpha = (E_S E_S' + tau I)^-1 (y - p_S) is one batched K x K
solve, and score = p_Q + E_Q E_S' alpha. As a few-shot head: Bertinetto et al. (2019), R2-D2.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from coldbench.encoder import Items
from coldbench.episode import Episodes, Feedback, Users
from coldbench.method import Explanation, Method, Rated, Space, squash_to_unit
from coldbench.parameters import Positive
from coldbench.seeds import Seeds

from . import _graph, _kernel
from ._grid_search import choose, grid
from ._item_prior import item_prior
from ._kernel import Seen, gram, inner
from ._later_items import later_prior, lengthened


@dataclass
class Ridge(Method[Seen]):
    """Its state is alpha: one weight for each item of the support."""

    tau: Positive | None = None  # strength of the penalty; None: chosen on valid users

    family = "simple"
    grows = True
    explains = True
    paper = "Bertinetto et al., Meta-learning with differentiable closed-form solvers (2019)"
    stochastic = False
    space: ClassVar[Space] = {"tau": (0.1, 20.0)}
    state_size = "12 * K"

    def meta_train(self, warm: Users, valid: Episodes, items: Items, seeds: Seeds) -> None:
        self.items = items
        self.learned = {"prior": item_prior(warm, items)}
        choose(self, grid(tau=(2.0, 0.5, 1.0, 5.0) if self.tau is None else (self.tau,)), valid)

    def with_items(self, items: Items, rated: Rated) -> "Ridge":
        return lengthened(self, items, prior=later_prior(self.learned["prior"], items, rated))

    def adapt(self, support: Feedback) -> Seen:
        left = (support.labels - self.learned["prior"][support.items]) * support.mask
        products = gram(self.items.features, support.items, support.mask)
        return Seen(support.items, _kernel.ridge(products, left, self.learned["tau"]))

    def score(self, state: Seen, items: Tensor) -> Tensor:
        return squash_to_unit(self.learned["prior"][items] + state.dot(self.items.features, items))

    def explain(self, support: Feedback, items: Tensor) -> Explanation:
        """A support item adds alpha_i e_i'e_q."""
        state = self.adapt(support)
        alike = inner(self.items.features, items, state.items)  # (B, Q, K)
        return Explanation(self.learned["prior"][items], alike * state.weights[:, None], "label")

    def graph(self) -> torch.nn.Module:
        return _graph.Ridge(self.items.features, self.learned)
