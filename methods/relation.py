"""Relation networks: a small net learns to say how an item relates to what a user liked, disliked.

Sung, Yang, Zhang, Xiang, Torr & Hospedales, "Learning to Compare: Relation Network for Few-Shot
Learning" (2018), arXiv:1711.06025. r_c = g([f(c), f(x)]) with f a learnt projection, c the liked or
the disliked items of the support and g a net of one hidden layer; logit = prior + r_+ - r_-.

What is ours: a class is the mean of its items drawn to a warm prototype, as in `protonet`, so that
an empty one is there; the loss is cross-entropy, as everywhere here, not squared error.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from coldbench.encoder import Items
from coldbench.episode import Episodes, Feedback, Users
from coldbench.parameters import Count, Positive
from coldbench.seeds import Seeds

from ._gradient_head import project
from ._item_prior import item_prior
from ._meta_learner import NetOnItems, log_odds
from .protonet import start_weights


@dataclass
class Relation(NetOnItems[Tensor]):
    width: Count = 64  # of the projection
    hidden: Count = 64  # units of the comparing net
    kappa: Positive = 2.0  # how many labels a warm prototype is worth

    paper = "arXiv:1711.06025"
    space = NetOnItems.space | {"width": (16, 256), "hidden": (16, 128), "kappa": (0.3, 30.0)}
    state_size = "8 * width"

    def meta_train(self, warm: Users, valid: Episodes, items: Items, seeds: Seeds) -> None:
        self.items = items
        weights = start_weights(items.features, warm, self.width, seeds.init)
        del weights["scale"]
        rng = torch.Generator().manual_seed((seeds.init + 1) % 2**63)
        spread = self.width**-0.5
        net = {
            "of_class": spread * torch.randn(self.width, self.hidden, generator=rng),
            "of_item": spread * torch.randn(self.width, self.hidden, generator=rng),
            "shift": torch.zeros(self.hidden),
            "last": 0.1 * torch.randn(self.hidden, generator=rng),
        }
        weights |= {name: w.to(items.features) for name, w in net.items()}
        prior = log_odds(item_prior(warm, items))
        self.fit(weights, {"prior": prior}, warm, valid, seeds)

    def adapt(self, support: Feedback) -> Tensor:
        """(B, 2, P): the classes of liked and of disliked items."""
        places = project(self.items.features, self.learned["projection"], support.items)
        weight = torch.stack([support.labels, 1 - support.labels], 1)  # (B, 2, K)
        weight = weight * support.mask[:, None]
        total = self.kappa + weight.sum(2, keepdim=True)
        return (self.kappa * self.learned["prototypes"] + weight @ places) / total

    def logits(self, state: Tensor, items: Tensor) -> Tensor:
        w = self.learned
        places = project(self.items.features, w["projection"], items)  # (B, Q, P)
        item = places @ w["of_item"] + w["shift"]  # (B, Q, H)
        classes = (state @ w["of_class"])[:, :, None]  # (B, 2, 1, H)
        related = torch.relu(classes + item[:, None]) @ w["last"]  # (B, 2, Q)
        return w["prior"][items] + related[:, 0] - related[:, 1]
