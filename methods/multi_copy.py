"""Multi-copy: one head learnt from several wordings of each item, and held to say the same of all.

Consistency training as in Xie et al., "Unsupervised Data Augmentation for Consistency Training"
(2020), arXiv:1904.12848, in closed form. With e_m the M wordings of an item, f = w'e and e their
mean, a user's w minimises, over the K items of the support,
  mean_m (f_m - r)^2 + lambda mean_m (f_m - f)^2 + tau |w|^2
  = (f - r)^2 + (1 + lambda) mean_m (w'(e_m - e))^2 + tau |w|^2:
ridge regression in the span of the K items and of what sets their wordings apart. r = y - p.

And, or instead, the mean of heads learnt from `bags` bootstrap supports, in each of which an item
counts as often as a Poisson lot of mean 1 says (Breiman 1996; Oza & Russell 2001).
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from coldbench.encoder import Items
from coldbench.episode import Episodes, Feedback, Users
from coldbench.method import Method, Space, squash_to_unit
from coldbench.parameters import Count, NotNegative, Part, Positive
from coldbench.seeds import Seeds

from ._grid_search import choose, grid
from ._item_prior import item_prior
from ._map_estimate import regress
from ._views import item_views


@dataclass
class MultiCopy(Method[Tensor]):
    """Its state is a user's head, (B, D)."""

    copies: Count = 4  # M, the item's own text among them; 1: that alone
    rate: Part = 0.2  # of each change of a text, or of a vector's entries
    synonyms: bool = False  # words replaced, too; True without WordNet: the row is unavailable
    bags: Count = 1  # bootstrap supports; 1: the support itself
    consistency: NotNegative | None = None  # lambda; None, here and below: chosen on valid users
    tau: Positive | None = None  # strength of the penalty

    family = "robust"
    paper = "arXiv:1904.12848"
    presets: ClassVar[dict[str, dict[str, Any]]] = {"bagged": {"copies": 1, "bags": 8}}
    space: ClassVar[Space] = {
        "copies": (2, 8),
        "rate": (0.1, 0.5),
        "bags": [1, 8],
        "consistency": (0.1, 20.0),
        "tau": (0.1, 20.0),
    }
    state_size = "4 * D"

    def meta_train(self, warm: Users, valid: Episodes, items: Items, seeds: Seeds) -> None:
        lots = torch.Generator().manual_seed((seeds.init + 1) % 2**63)
        counts = torch.ones(self.bags, len(items))
        if self.bags > 1:
            counts = torch.poisson(counts, generator=lots)
        others = (
            item_views(items, self.copies - 1, seeds.init, rate=self.rate, synonyms=self.synonyms)
            if self.copies > 1
            else items.features.new_empty(0, *items.features.shape)
        )
        self.items = items
        self.learned = {
            "prior": item_prior(warm, items),
            "views": others,  # (M - 1, n_items, D)
            "counts": counts.to(items.device),  # (bags, n_items)
        }
        pulls = (1.0, 0.0, 4.0) if self.consistency is None else (self.consistency,)
        if self.copies == 1:
            pulls = pulls[:1]
        strengths = (2.0, 0.5, 1.0, 5.0) if self.tau is None else (self.tau,)
        choose(self, grid(tau=strengths, consistency=pulls), valid)

    def adapt(self, support: Feedback) -> Tensor:
        left = (support.labels - self.learned["prior"][support.items]) * support.mask
        rows = self._rows(support.items)  # (B, R, D)
        times = rows.shape[1] // max(1, support.items.shape[1])
        target = torch.cat([left, left.new_zeros(len(left), rows.shape[1] - left.shape[1])], 1)
        products = rows @ rows.mT
        heads = []
        for counts in self.learned["counts"]:
            weight = (counts[support.items] * support.mask).repeat(1, times)
            alpha = regress(products, target, weight, self.learned["tau"])
            heads.append((alpha[:, None] @ rows)[:, 0])
        return torch.stack(heads).mean(0)

    def score(self, state: Tensor, items: Tensor) -> Tensor:
        offset = (self.items.features[items] @ state[..., None])[..., 0]
        return squash_to_unit(self.learned["prior"][items] + offset)

    def _rows(self, items: Tensor) -> Tensor:
        """(B, K) -> (B, R, D): the mean wordings, then what sets each wording apart."""
        clean, others = self.items.features[items], self.learned["views"][:, items]
        if not len(others):
            return clean
        every = torch.cat([clean[None], others])  # (M, B, K, D)
        mean = every.mean(0)
        share = (1 + self.learned["consistency"]) / len(every)
        return torch.cat([mean, *(share.sqrt() * (every - mean))], 1)
