"""SimpleShot: centre the embeddings, normalise them, and go to the nearest class mean.

Wang, Chao, Weinberger & van der Maaten, "SimpleShot: Revisiting Nearest-Neighbor Classification for
Few-Shot Learning" (2019), arXiv:1911.04623. x = (e - mean) / |e - mean|, the mean that of what warm
users rated; logit = prior + scale (d(x, c-) - d(x, c+)), c = sum w x / (kappa + sum w), w = y for
liked, 1 - y for disliked. Nothing is learnt but the scale, chosen on valid users.
"""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from torch import Tensor
from torch.nn.functional import normalize

from coldbench.encoder import Items
from coldbench.episode import Episodes, Feedback, Users
from coldbench.method import Method, Space, soft_cross_entropy
from coldbench.parameters import MinLen, Positive
from coldbench.seeds import Seeds

from ._item_prior import item_prior
from ._meta_learner import log_odds


@dataclass
class Simpleshot(Method[Tensor]):
    kappa: Positive = 1.0  # labels at the centre of all items: a class without items lies there
    scales: Annotated[tuple[Positive, ...], MinLen(1)] = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0)  # tried

    family = "meta-learning"
    paper = "arXiv:1911.04623"
    stochastic = False
    space: ClassVar[Space] = {"kappa": (0.1, 10.0)}
    state_size = "8 * D"

    def meta_train(self, warm: Users, valid: Episodes, items: Items, seeds: Seeds) -> None:
        self.items = items
        rated = torch.from_numpy(warm.log.items.astype("int64")).to(items.device)
        counts = torch.bincount(rated, minlength=len(items)).to(items.features)
        centre = (counts @ items.features) / counts.sum().clamp_min(1)
        self.learned = {
            "places": normalize(items.features - centre),  # (n_items, D) x
            "prior": log_odds(item_prior(warm, items)),
        }
        losses = [self._valid_loss(scale, valid) for scale in self.scales]
        self.learned["scale"] = torch.tensor(self.scales[losses.index(min(losses))]).to(
            rated.device
        )

    def adapt(self, support: Feedback) -> Tensor:
        """(B, 2, D): the means of liked and of disliked items."""
        weight = torch.stack([support.labels, 1 - support.labels], 1)  # (B, 2, K)
        weight = weight * support.mask[:, None]
        places = self.learned["places"][support.items]  # (B, K, D)
        return (weight @ places) / (self.kappa + weight.sum(2, keepdim=True))

    def score(self, state: Tensor, items: Tensor) -> Tensor:
        nearer = self.learned["scale"] * self._nearer(state, items)
        return torch.sigmoid(self.learned["prior"][items] + nearer)

    def _nearer(self, means: Tensor, items: Tensor) -> Tensor:
        """(B, Q) d(x, c-) - d(x, c+), squared distances, of which |x|^2 falls out."""
        liked, disliked = means.unbind(1)
        across = self.learned["places"][items] @ (liked - disliked)[..., None]  # (B, Q, 1)
        lengths = disliked.square().sum(1) - liked.square().sum(1)  # (B,)
        return 2 * across[..., 0] + lengths[:, None]

    def _valid_loss(self, scale: float, valid: Episodes) -> float:
        """Sum over valid users and K = 1, 2, 4, ... of the cross-entropy on their query."""
        total, shots = 0.0, [k for k in (1, 2, 4, 8, 16, 32) if k <= valid.max_shots]
        for batch in (b.to(self.items.device) for k in shots for b in valid.batches(k)):
            query = batch.query
            nearer = self._nearer(self.adapt(batch.support), query.items)
            logits = self.learned["prior"][query.items] + scale * nearer
            total += float(soft_cross_entropy(logits, query.labels, query.mask).sum())
        return total
