"""Logistic regression from an item's text to the new user's taste, over the log-odds of the prior.

Maximum a posteriori with a Gaussian prior N(0, s^2) on the weights, by Newton's method in the span
of the support, as the mode of a Gaussian process is found (Rasmussen & Williams 2006, algorithm
3.1). Small supports are separable: without the prior the weights would grow without end.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from coldbench.encoder import Items
from coldbench.episode import Episodes, Feedback, Users
from coldbench.method import Method, Rated, Space, squash_to_unit
from coldbench.parameters import Count, Positive
from coldbench.seeds import Seeds

from ._grid_search import choose, grid
from ._item_prior import item_prior
from ._kernel import Seen, gram
from ._later_items import later_prior, lengthened, unsquashed
from ._map_estimate import mode


@dataclass
class Logistic(Method[Seen]):
    """Its state is one weight for each item of the support."""

    s: Positive | None = None  # prior standard deviation of a weight; None: chosen on valid users
    steps: Count = 10  # of Newton's method
    longest: Positive = 2.0  # change of a log-odds in one step: far from the mode it overshoots

    family = "simple"
    grows = True
    paper = "Rasmussen & Williams, Gaussian Processes for Machine Learning (2006), section 3.4"
    stochastic = False
    space: ClassVar[Space] = {"s": (0.1, 4.0)}
    state_size = "12 * K"

    def meta_train(self, warm: Users, valid: Episodes, items: Items, seeds: Seeds) -> None:
        self.items = items
        self.learned = {"prior": torch.logit(squash_to_unit(item_prior(warm, items)), eps=1e-6)}
        choose(self, grid(s=(1.0, 0.25, 0.5, 2.0) if self.s is None else (self.s,)), valid)

    def with_items(self, items: Items, rated: Rated) -> "Logistic":
        expected = unsquashed(torch.sigmoid(self.learned["prior"]))
        new = squash_to_unit(later_prior(expected, items, rated))
        return lengthened(self, items, prior=torch.logit(new, eps=1e-6))

    def adapt(self, support: Feedback) -> Seen:
        variance = self.learned["s"] ** 2
        products = variance * gram(self.items.features, support.items, support.mask)  # (B, K, K)
        start = self.learned["prior"][support.items]  # (B, K) log-odds
        weight = support.mask.to(start)
        solution = mode(
            products, start, support.labels, weight, steps=self.steps, longest=self.longest
        )
        return Seen(support.items, variance * solution)

    def score(self, state: Seen, items: Tensor) -> Tensor:
        return torch.sigmoid(self.learned["prior"][items] + state.dot(self.items.features, items))
