"""Prototypical networks: a new user's liked and disliked items are the two classes.

Snell, Swersky & Zemel, "Prototypical Networks for Few-shot Learning" (2017), arXiv:1703.05175.
logit = prior + scale (d(e, c-) - d(e, c+)), d the squared distance after a learnt projection of e;
c = (kappa c0 + sum w e) / (kappa + sum w), w = y for liked, 1 - y for disliked, c0 learnt from
warm users: what they liked and disliked.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from coldbench.encoder import Items
from coldbench.episode import Episodes, Feedback, Users
from coldbench.method import Learned
from coldbench.protocol import Seeds

from ._inner import project
from ._prior import item_prior
from ._trained import Trained, log_odds


@dataclass
class Protonet(Trained[Tensor]):
    width: int = 64  # of the projection
    kappa: float = 3.0  # how many labels a warm prototype is worth

    family = "meta-learning"
    paper = "arXiv:1703.05175"

    def meta_train(self, warm: Users, valid: Episodes, items: Items, seeds: Seeds) -> None:
        self.items = items
        prior = log_odds(item_prior(warm, items))
        weights = start_weights(items.features, warm, self.width, seeds.init)
        self.fit(weights, {"prior": prior}, warm, valid, seeds)

    def adapt(self, support: Feedback) -> Tensor:
        """(B, 2, P): the prototypes of liked and of disliked items."""
        places = project(self.items.features, self.learned["projection"], support.items)
        weight = torch.stack([support.labels, 1 - support.labels], 1)  # (B, 2, K)
        weight = weight * support.mask[:, None]
        total = self.kappa + weight.sum(2, keepdim=True)
        return (self.kappa * self.learned["prototypes"] + weight @ places) / total

    def logits(self, state: Tensor, items: Tensor) -> Tensor:
        places = project(self.items.features, self.learned["projection"], items)  # (B, Q, P)
        liked, disliked = ((places - c[:, None]).square().sum(2) for c in state.unbind(1))  # (B, Q)
        return self.learned["prior"][items] + self.learned["scale"] * (disliked - liked)


def start_weights(features: Tensor, warm: Users, width: int, seed: int) -> Learned:
    """A random projection, the warm users' prototypes in it, and a small scale."""
    rng = torch.Generator().manual_seed(seed % 2**63)
    projection = torch.randn(features.shape[1], width, generator=rng).to(features) / width**0.5
    rated = torch.from_numpy(warm.log.items.astype("int64")).to(features.device)
    labels = torch.from_numpy(warm.labels).to(features.device)
    means = [(w @ features[rated]) / w.sum().clamp_min(1) for w in (labels, 1 - labels)]
    return {
        "projection": projection,
        "prototypes": torch.stack(means) @ projection,  # (2, P): c0+, c0-
        "scale": torch.ones((), device=features.device),
    }
