"""Nearest neighbours: an item is liked as the user liked the items of the support that read alike.

Attention with a fixed kernel, softmax(cos(e_Q, e_S) / T)'(y - p_S) over the item prior (Nadaraya
1964; Watson 1964). One more neighbour that stands for the prior takes part at a similarity chosen
on valid users, so far neighbours and few of them say little.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from coldbench.encoder import Items
from coldbench.episode import Episodes, Feedback, Users
from coldbench.method import Explanation, Method, Rated, Space, squash_to_unit
from coldbench.parameters import Cosine, Positive
from coldbench.seeds import Seeds

from ._grid_search import choose, grid
from ._item_prior import item_prior
from ._kernel import inner
from ._later_items import later_prior, lengthened


@dataclass
class Knn(Method[Feedback]):
    """Its state is the support itself: there is nothing to work out before an item is asked for."""

    temperature: Positive = 0.1
    nearness: Cosine | None = None  # cosine at which the prior stands; None: chosen on valid users

    family = "simple"
    grows = True
    explains = True
    stochastic = False
    space: ClassVar[Space] = {"temperature": (0.02, 0.5), "nearness": (0.3, 0.95)}
    state_size = "17 * K"  # items, labels, ages and the mask

    def meta_train(self, warm: Users, valid: Episodes, items: Items, seeds: Seeds) -> None:
        tried = (0.7, 0.6, 0.8, 0.9) if self.nearness is None else (self.nearness,)
        self.items = items
        self.learned = {"prior": item_prior(warm, items)}
        choose(self, grid(nearness=tried), valid)

    def with_items(self, items: Items, rated: Rated) -> "Knn":
        return lengthened(self, items, prior=later_prior(self.learned["prior"], items, rated))

    def adapt(self, support: Feedback) -> Feedback:
        return support

    def score(self, state: Feedback, items: Tensor) -> Tensor:
        weighted, total = self._said(state, items)
        return squash_to_unit(self.learned["prior"][items] + weighted.sum(1) / total)  # (B, Q)

    def explain(self, support: Feedback, items: Tensor) -> Explanation:
        """A support item adds its residual times its share of the attention."""
        weighted, total = self._said(support, items)
        return Explanation(self.learned["prior"][items], (weighted / total[:, None]).mT, "label")

    def _said(self, support: Feedback, items: Tensor) -> tuple[Tensor, Tensor]:
        """(B, K, Q) residuals times nearness, and (B, Q) all nearness, the prior's included."""
        left = support.labels - self.learned["prior"][support.items]  # (B, K)
        cosine = inner(self.items.features, support.items, items)  # (B, K, Q)
        near = torch.exp((cosine - 1) / self.temperature) * support.mask[..., None]
        at_prior = torch.exp((self.learned["nearness"] - 1) / self.temperature)
        return near * left[..., None], near.sum(1) + at_prior
