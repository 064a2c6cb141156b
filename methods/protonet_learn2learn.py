"""Prototypical networks on learn2learn's own class, one user at a time: `protonet`'s peer.

Arnold, Mahajan, Datta, Bunner & Zarkadas, "learn2learn: A Library for Meta-Learning Research"
(2020), arXiv:2008.12284. As `protonet`, with two differences that the class asks for: a label is a
like or a dislike (above its item's expectation or not), and a warm prototype that weighs `kappa`
labels is `kappa` more rows of the support. Fewer meta-steps, as it is slower.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from coldbench.encoder import Items
from coldbench.episode import Episodes, Feedback, Users
from coldbench.parameters import Count, Whole
from coldbench.seeds import Seeds

from ._item_prior import item_prior
from ._learn2learn import learn2learn
from ._meta_learner import EpisodicMethod, log_odds
from .protonet import start_weights


@dataclass
class ProtonetLearn2learn(EpisodicMethod[Tensor]):
    width: Count = 64  # of the projection
    kappa: Count = 3  # rows that a warm prototype adds to the support
    meta_steps: Whole = 60  # a fifth of protonet's

    family = "meta-learning"
    paper = "arXiv:2008.12284"
    requires_package = "learn2learn"
    space = EpisodicMethod.space | {"width": (16, 256), "kappa": (1, 16)}
    state_size = "8 * width"

    def meta_train(self, warm: Users, valid: Episodes, items: Items, seeds: Seeds) -> None:
        learn2learn("nn.protonet")  # not installed: say so before anything is computed
        self.items = items
        weights = start_weights(items.features, warm, self.width, seeds.init)
        self.fit(weights, {"prior": log_odds(item_prior(warm, items))}, warm, valid, seeds)

    def adapt(self, support: Feedback) -> Tensor:
        """(B, 2, P): the prototypes of disliked and of liked items."""
        liked = torch.logit(support.labels) > self.learned["prior"][support.items]  # (B, K)
        users = zip(support.items, liked, support.mask, strict=True)
        pairs = [self._one(items[mask], likes[mask]) for items, likes, mask in users]
        nobody = self.learned["prototypes"]  # stacked too, and cut off: a batch may be of nobody
        return torch.stack([nobody, *pairs])[1:]

    def _one(self, items: Tensor, liked: Tensor) -> Tensor:
        warm = self.learned["prototypes"].repeat_interleave(self.kappa, 0)  # liked, disliked
        classes = torch.tensor([1, 0], device=items.device).repeat_interleave(self.kappa)
        places = torch.cat([warm, self._places(items)])
        return self._classifier().fit_(places, torch.cat([classes, liked.long()]))

    def logits(self, state: Tensor, items: Tensor) -> Tensor:
        nearer = [self.learned["prior"].new_zeros(0)]  # a batch may be of nobody
        for user, row in enumerate(items):
            classifier = self._classifier()
            classifier.prototypes = state[user]
            disliked, liked = classifier(self._places(row)).unbind(1)  # less the distance
            nearer.append(liked - disliked)  # (Q,) d(e, c-) - d(e, c+)
        return self.learned["prior"][items] + self.learned["scale"] * torch.cat(nearer).view_as(
            items
        )

    def _places(self, items: Tensor) -> Tensor:
        return self.items.features[items] @ self.learned["projection"]

    def _classifier(self) -> Any:
        return learn2learn("nn.protonet").PrototypicalClassifier()
