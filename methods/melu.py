"""MeLU: a user preference estimator whose decision layers are fitted to each user's ratings.

Lee, Im, Jang, Cho & Chung, "MeLU: Meta-Learned User Preference Estimator for Cold-Start
Recommendation" (2019), arXiv:1908.00413. Embeddings of the item's and the user's fields, side by
side, go through two layers of 64 units to one number. MAML over it: the inner loop moves these
three layers alone, the outer loop everything, with the exact second order.

What is ours: an item's one field is its text vector; with no fields of users the user's embedding
is one vector for all; the loss is cross-entropy, as everywhere here. The paper is *raw*: it
predicts the rating itself. Here it predicts what the item prior leaves, unless `raw`.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from coldbench.encoder import Items
from coldbench.episode import Episodes, Feedback, Users
from coldbench.method import Params
from coldbench.parameters import Count, Positive, Whole
from coldbench.seeds import Seeds

from ._gradient_head import pick
from ._head import where_on
from ._item_prior import Warm, item_prior
from ._meta_learner import EpisodicMethod, log_odds


@dataclass(frozen=True)
class Decision:
    """The decision layers of B users, weights and biases in turn."""

    w1: Tensor  # (B, P, H)
    b1: Tensor  # (B, 1, H)
    w2: Tensor  # (B, H, H)
    b2: Tensor  # (B, 1, H)
    w3: Tensor  # (B, H, 1)
    b3: Tensor  # (B, 1, 1)

    def layers(self) -> tuple[Tensor, ...]:
        return self.w1, self.b1, self.w2, self.b2, self.w3, self.b3


@dataclass
class Melu(EpisodicMethod[Decision]):
    """Its state is a copy of the decision layers for each user."""

    alpha: Positive = 1e-2  # inner learning rate
    inner_steps: Whole = 5
    raw: bool = False  # True: predict the label itself, not what the item prior leaves
    embedding: Count = 32  # numbers the item's and the user's embedding have each
    hidden: Count = 64  # units of each decision layer
    meta_users: Count = 64
    meta_lr: Positive = 3e-3
    patience: Whole = 8

    family = "meta-learning"
    paper = "arXiv:1908.00413"
    steps_param = "inner_steps"
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "paper": {"alpha": 5e-6, "inner_steps": 1, "raw": True},  # moves nothing by .001 stars
        "usable": {},  # the defaults above
    }
    space = EpisodicMethod.space | {
        "alpha": (1e-3, 0.1),
        "inner_steps": (1, 8),
        "embedding": (8, 64),
        "hidden": (16, 128),
    }
    state_size = "4 * (2 * embedding * hidden + hidden * hidden + 3 * hidden + 1)"

    def meta_train(self, warm: Users, valid: Episodes, items: Items, seeds: Seeds) -> None:
        self.items = items
        expected = item_prior(warm, items)
        if self.raw:
            expected = torch.full_like(expected, Warm.of(warm, items.device).mean)
        weights = self._start(items.features.shape[1], seeds.init)
        weights = {name: w.to(items.device) for name, w in weights.items()}
        self.fit(weights, {"prior": log_odds(expected)}, warm, valid, seeds)

    def _start(self, width: int, seed: int) -> Params:
        """Embeddings near N(0, 1) and layers of variance 2 / inputs, but for a quiet last one."""
        rng = torch.Generator().manual_seed(seed % 2**63)
        p, h = self.embedding, self.hidden

        def lot(rows: int, columns: int, spread: float) -> Tensor:
            return spread * torch.randn(rows, columns, generator=rng)

        return {
            "item": lot(width, p, 1),
            "user": lot(1, p, 1),
            "w1": lot(2 * p, h, p**-0.5),
            "b1": torch.zeros(1, h),
            "w2": lot(h, h, (2 / h) ** 0.5),
            "b2": torch.zeros(1, h),
            "w3": lot(h, 1, 0.01),
            "b3": torch.zeros(1, 1),
        }

    def embed(self, items: Tensor) -> Tensor:
        """(B, N) -> (B, N, 2 P): the item's embedding, then the user's."""
        every = self.items.features @ self.learned["item"]  # (n_items, P)
        user = self.learned["user"].expand(*items.shape, -1)
        return torch.cat([pick(every, items), user], 2)

    def adapt(self, support: Feedback) -> Decision:
        fields = self.embed(support.items)  # (B, K, 2 P)
        offset = self.learned["prior"][support.items]
        share = support.mask / support.mask.sum(1, keepdim=True).clamp_min(1)  # (B, K)
        users = len(support.items)
        names = ("w1", "b1", "w2", "b2", "w3", "b3")
        layers = [self.learned[name].expand(users, -1, -1) for name in names]
        for _ in range(self.inner_steps):
            w1, b1, w2, b2, w3, b3 = layers
            h1 = torch.relu(fields @ w1 + b1)  # (B, K, H)
            h2 = torch.relu(h1 @ w2 + b2)
            logits = offset + (h2 @ w3 + b3)[..., 0]
            d3 = ((torch.sigmoid(logits) - support.labels) * share)[..., None]  # (B, K, 1) dL/dz
            d2 = where_on(d3 @ w3.mT, h2)
            d1 = where_on(d2 @ w2.mT, h1)
            slopes = [
                part
                for x, d in ((fields, d1), (h1, d2), (h2, d3))
                for part in (x.mT @ d, d.sum(1, keepdim=True))
            ]
            layers = [w - self.alpha * slope for w, slope in zip(layers, slopes, strict=True)]
        return Decision(*layers)

    def logits(self, state: Decision, items: Tensor) -> Tensor:
        w1, b1, w2, b2, w3, b3 = state.layers()
        h1 = torch.relu(self.embed(items) @ w1 + b1)
        h2 = torch.relu(h1 @ w2 + b2)
        return self.learned["prior"][items] + (h2 @ w3 + b3)[..., 0]
