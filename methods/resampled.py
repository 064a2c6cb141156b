"""Resampled: a user with many likes and few dislikes learns from both as if they were as many.

Logistic regression whose support is balanced by weights. Cui, Jia, Lin, Song & Belongie,
"Class-Balanced Loss Based on Effective Number of Samples" (2019), arXiv:1901.05555: a kind with n
labels weighs (1 - b) / (1 - b^n) each. Oversampling and undersampling (He & Garcia 2009,
doi:10.1109/TKDE.2008.239) are the same in expectation with n_max / n and n_min / n.

A label y between is y of a like and 1 - y of a dislike, in its weight and in the counts alike.
Balanced scores do not say how often a user likes; `corrected` learns beside the offset
log(w+ / w-) that the weights add to every log-odds and leaves it out of the scores (King & Zeng,
"Logistic Regression in Rare Events Data", 2001). Look at log-loss and calibration, too.
"""

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from coldbench.augment.resampling import balanced
from coldbench.encoder import Items
from coldbench.episode import Episodes, Feedback, Users
from coldbench.method import Method, Space, squash_to_unit
from coldbench.parameters import Count, Positive, Share
from coldbench.seeds import Seeds

from ._grid_search import choose, grid
from ._item_prior import item_prior
from ._kernel import Seen, gram
from ._map_estimate import mode


@dataclass
class Resampled(Method[Seen]):
    """Its state is one weight for each item of the support."""

    support: Literal["effective", "over", "under", "plain"] = "effective"  # how a user's is drawn
    warm: Literal["plain", "balanced"] = "plain"  # balanced: the item prior sees as many of each
    corrected: bool = True  # False: scores stay as the balance has them
    beta: Share = 0.99  # b of the effective number; 0: all weigh alike, 1: by one over n
    s: Positive | None = None  # prior standard deviation of a weight; None: chosen on valid users
    steps: Count = 10  # of Newton's method, and:
    longest: Positive = 2.0  # change of a log-odds in one of them

    family = "robust"
    paper = "arXiv:1901.05555"
    stochastic = False  # only warm = "balanced" draws
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "paper": {"support": "effective", "beta": 0.99, "corrected": False},
        "over": {"support": "over"},
        "under": {"support": "under"},
        "uncorrected": {"corrected": False},
        "warm": {"support": "plain", "warm": "balanced"},
    }
    space: ClassVar[Space] = {
        "support": ["effective", "over", "under", "plain"],
        "beta": (0.5, 0.999),
        "s": (0.1, 4.0),
    }
    state_size = "12 * K"

    def meta_train(self, warm: Users, valid: Episodes, items: Items, seeds: Seeds) -> None:
        seen = balanced(warm, seeds.order) if self.warm == "balanced" else warm
        self.items = items
        self.learned = {"prior": torch.logit(squash_to_unit(item_prior(seen, items)), eps=1e-6)}
        choose(self, grid(s=(1.0, 0.25, 0.5, 2.0) if self.s is None else (self.s,)), valid)

    def adapt(self, support: Feedback) -> Seen:
        labels, weight, offset = self.resample(support)
        variance = self.learned["s"] ** 2
        products = variance * gram(self.items.features, support.items, support.mask)
        start = self.learned["prior"][support.items] + (offset if self.corrected else 0)
        solution = mode(products, start, labels, weight, steps=self.steps, longest=self.longest)
        return Seen(support.items, variance * solution)

    def resample(self, support: Feedback) -> tuple[Tensor, Tensor, Tensor]:
        """(B, K) labels, (B, K) weights and (B, 1) log(w+ / w-).

        w+ y log p + w- (1 - y) log (1 - p) is the cross-entropy of one label w+ y / w, w times,
        with w = w+ y + w- (1 - y).
        """
        parts = torch.stack([support.labels, 1 - support.labels], 1) * support.mask[:, None]
        kinds = self._weights(parts.sum(2))[..., None]  # (B, 2, 1)
        each = kinds * parts  # (B, 2, K)
        weight = each.sum(1)
        return each[:, 0] / weight.clamp_min(1e-9), weight, torch.log(kinds[:, 0] / kinds[:, 1])

    def _weights(self, counts: Tensor) -> Tensor:
        """(B, 2) labels of each kind -> (B, 2) what one of them weighs; fewer than one count as
        one."""
        n = counts.clamp_min(1)
        if self.support == "plain":
            return torch.ones_like(n)
        if self.support == "over":
            return n.amax(1, keepdim=True) / n
        if self.support == "under":
            return n.amin(1, keepdim=True) / n
        weight = 1 / n if self.beta == 1 else (1 - self.beta) / (1 - self.beta**n)
        weighed, total = (x.sum(1, keepdim=True) for x in (counts, weight * counts))
        return weight * torch.where(total > 0, weighed / total, 1)  # as much in all

    def score(self, state: Seen, items: Tensor) -> Tensor:
        return torch.sigmoid(self.learned["prior"][items] + state.dot(self.items.features, items))
