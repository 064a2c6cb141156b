"""Augmented: the inner loop sees each support item in several wordings, and mixed with another.

Words and fields left out and synonyms put in, Wei & Zou, "EDA" (2019), arXiv:1901.11196; or the
same text under the encoder's dropout, Gao, Yao & Chen, "SimCSE" (2021), arXiv:2104.08821; mixup
within a user, Zhang, Cisse, Dauphin & Lopez-Paz, "mixup" (2018), arXiv:1710.09412: a row
c e_i + (1 - c) e_j has the label c y_i + (1 - c) y_j, c ~ Beta. The loss is the mean over the clean
rows, their views and the mixtures, times K / (K + worth). Items asked for keep the text they have.

Random numbers belong to items and are drawn once, so neither the batch nor the order of a support
matters: an item is mixed with the next of the user's items in a random order, the last with the
first.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from coldbench.episode import Feedback, Users
from coldbench.errors import UserError
from coldbench.method import Params
from coldbench.parameters import NotNegative, Part, Positive, Whole
from coldbench.seeds import Seeds

from ._gradient_head import Adapted, GradientHead
from ._inner_loop import Rates, SupportRows, descend
from ._views import dropout_views, item_views


@dataclass
class Augmented(GradientHead):
    copies: Whole = 2  # views of each item beside its own text
    rate: Part = 0.2  # of each change of a text, or of a vector's entries
    dropout_pairs: bool = False  # views are the same text, read with the encoder's dropout on
    synonyms: bool = False  # words replaced, too; True without WordNet: the row is unavailable
    worth: NotNegative = (
        4.0  # labels that the start counts as: one label moves it by a fifth of the mean
    )
    alpha: Positive = 0.1
    mixture: NotNegative = 0.4  # of c ~ Beta(mixture, mixture); 0: c is 1, no mixture at all

    family = "robust"
    grows = False  # what it makes of each text is not made anew
    paper = "arXiv:1901.11196"
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "views": {"mixture": 0.0},
        "dropout-pairs": {"dropout_pairs": True, "mixture": 0.0},
        "mixup": {"copies": 0},
        "synonyms": {"synonyms": True},
    }
    space = GradientHead.space | {
        "worth": [0.0, 2.0, 4.0, 8.0],
        "copies": (1, 4),
        "rate": (0.05, 0.5),
        "mixture": [0.0, 0.2, 0.4, 1.0],
    }
    state_size = "4 * ((copies + 2) * K * (hidden + D) + hidden + 1)"

    def __post_init__(self) -> None:
        if self.dropout_pairs and self.synonyms:
            raise UserError("a view is a dropout pair or has synonyms, not both: set one to false")

    def fixed(self, warm: Users, seeds: Seeds) -> Params:
        items, lots = self.items, np.random.default_rng((seeds.init, 1))
        place = torch.from_numpy(lots.permutation(len(items)))
        shares = (
            lots.beta(self.mixture, self.mixture, len(items)).astype(np.float32)
            if self.mixture
            else np.ones(len(items), np.float32)
        )
        if not self.copies:
            views = items.features.new_empty(0, *items.features.shape)
        elif self.dropout_pairs:
            views = dropout_views(items, self.copies, seeds.init)
        else:
            views = item_views(
                items, self.copies, seeds.init, rate=self.rate, synonyms=self.synonyms
            )
        return {
            "views": views,  # (copies, n_items, D)
            "place": place.to(items.device),  # (n_items,) in the order of mixing
            "share": torch.from_numpy(shares).to(items.device),  # (n_items,) c
        }

    def adapt(self, support: Feedback) -> Adapted:
        start, rows, trunk = self.begin(support)
        seen = self.items.features[support.items]  # (B, K, D)
        partner = self._partner(support)  # (B, K)
        share = self.learned["share"][support.items]

        def mixed(column: Tensor) -> Tensor:
            return torch.lerp(column.gather(1, partner), column, share)

        other = seen.gather(1, partner[..., None].expand_as(seen))
        vectors = torch.cat(
            [seen, *self.learned["views"][:, support.items], other.lerp(seen, share[..., None])], 1
        )  # (B, R, D)
        clean = self.copies + 1
        offset, labels = (
            torch.cat([column] * clean + [mixed(column)], 1)
            for column in (rows.offset, rows.labels)
        )
        count = support.mask.sum(1, keepdim=True)  # (B, 1)
        column = support.mask / (count + self.worth).clamp_min(1)  # (B, K) what a label counts
        weight = torch.cat([column] * (clean + 1), 1) / (clean + 1)
        products = 1 + vectors @ vectors.mT
        rates = Rates(self.alpha, self.alpha, self.alpha)
        many = SupportRows(trunk.of(vectors), products, offset, labels, weight)
        return Adapted(descend(start, many, [rates] * self.inner_steps), vectors, trunk)

    def _partner(self, support: Feedback) -> Tensor:
        """(B, K) which of a user's labels each is mixed with; its own place where padded."""
        key = self.learned["place"][support.items].double() + 0.5 * support.labels
        order = key.masked_fill(~support.mask, torch.inf).argsort(1)  # real ones first
        count = support.mask.sum(1, keepdim=True)  # (B, 1)
        rank = torch.arange(order.shape[1], device=order.device).expand_as(order)
        after = torch.where(rank < count, (rank + 1) % count.clamp_min(1), rank)
        return torch.empty_like(order).scatter(1, order, order.gather(1, after))
