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
from coldbench.method import Explanation, Params
from coldbench.parameters import Count, Positive
from coldbench.seeds import Seeds

from . import _graph
from ._gradient_head import project
from ._item_prior import item_prior
from ._meta_learner import EpisodicMethod, log_odds
from ._same_items import product_of, same_items


@dataclass
class Protonet(EpisodicMethod[Tensor]):
    width: Count = 64  # of the projection
    kappa: Positive = 3.0  # how many labels a warm prototype is worth

    family = "meta-learning"
    explains = True
    paper = "arXiv:1703.05175"
    space = EpisodicMethod.space | {"width": (16, 256), "kappa": (0.3, 30.0)}
    state_size = "8 * width"

    def meta_train(self, warm: Users, valid: Episodes, items: Items, seeds: Seeds) -> None:
        self.items = items
        prior = log_odds(item_prior(warm, items))
        weights = start_weights(items.features, warm, self.width, seeds.init)
        self.fit(weights, {"prior": prior}, warm, valid, seeds)

    def adapt(self, support: Feedback) -> Tensor:
        """(B, 2, P): the prototypes of liked and of disliked items."""
        places = project(self.items.features, self.learned["projection"], support.items)
        weight = self.weigh(support)
        total = self.kappa + weight.sum(2, keepdim=True)
        return (self.kappa * self.learned["prototypes"] + weight @ places) / total

    def weigh(self, support: Feedback) -> Tensor:
        """(B, 2, K): how much each item is one of the liked, and of the disliked."""
        weight = torch.stack([support.labels, 1 - support.labels], 1)
        return weight * support.mask[:, None]

    def logits(self, state: Tensor, items: Tensor) -> Tensor:
        row = same_items(items)
        if row is not None:
            return self._logits_of_same(state, row)
        places = project(self.items.features, self.learned["projection"], items)  # (B, Q, P)
        liked, disliked = ((places - c[:, None]).square().sum(2) for c in state.unbind(1))  # (B, Q)
        return self.learned["prior"][items] + self.learned["scale"] * (disliked - liked)

    def _logits_of_same(self, state: Tensor, row: slice | Tensor) -> Tensor:
        """The same of one row (Q,): d(e, c-) - d(e, c+) = 2 e'(c+ - c-) + |c-|^2 - |c+|^2."""
        places = product_of(self.items.features, self.learned["projection"])[row]  # (Q, P)
        prior, scale = self.learned["prior"][row], self.learned["scale"]
        liked, disliked = state.unbind(1)  # (B, P)
        lengths = (disliked.square() - liked.square()).sum(1, keepdim=True)
        return torch.addmm(prior, 2 * scale * (liked - disliked), places.T) + scale * lengths

    def explain(self, support: Feedback, items: Tensor) -> Explanation:
        """c = c0 + sum b_i (x_i - c0) with b = w / (kappa + sum w), so a support item adds
        b_i (x_i - c0)'(c + c0 - 2 e) to d(e, c) - d(e, c0)."""
        seen, asked = (
            project(self.items.features, self.learned["projection"], ids)
            for ids in (support.items, items)
        )  # (B, K, P), (B, Q, P)
        start, end = self.learned["prototypes"], self.adapt(support)
        weight = self.weigh(support)
        share = weight / (self.kappa + weight.sum(2, keepdim=True))  # (B, 2, K)
        liked, disliked = (
            (end[:, c, None] + start[c] - 2 * asked) @ (seen - start[c]).mT * share[:, c, None]
            for c in (0, 1)
        )  # (B, Q, K)
        base = self.logits(start.expand(len(items), -1, -1), items)
        return Explanation(base, self.learned["scale"] * (disliked - liked), "log-odds")

    def graph(self) -> torch.nn.Module:
        return _graph.Protonet(
            self.items.features, self.learned | {"kappa": torch.tensor(self.kappa)}
        )


def start_weights(features: Tensor, warm: Users, width: int, seed: int) -> Params:
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
