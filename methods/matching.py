"""Matching networks: an item is liked as the items of the support are that a learnt eye finds near.

Vinyals, Blundell, Lillicrap, Kavukcuoglu & Wierstra, "Matching Networks for One Shot Learning"
(2016), arXiv:1606.04080. score = p + sum_i a_i (y_i - p_i), a = softmax(cos(f(x), f(x_i)) / T), f a
learnt projection of the embedding; `knn` with an eye that is trained on warm users' episodes.

What is ours: labels are taken as what the item prior p leaves of them, and one more neighbour that
stands for the prior takes part at a learnt similarity, so that no label says nothing. The paper's
full-context embeddings read the support in an order, which labels of a user here do not have.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import normalize

from coldbench.encoder import Items
from coldbench.episode import Episodes, Feedback, Users
from coldbench.method import squash_to_unit
from coldbench.parameters import Cosine, Count, Positive
from coldbench.seeds import Seeds

from ._gradient_head import project
from ._item_prior import item_prior
from ._meta_learner import NetOnItems


@dataclass
class Matching(NetOnItems[Feedback]):
    """Its state is the support itself, as that of `knn`."""

    width: Count = 64  # of the projection
    temperature: Positive = 0.2  # T where training starts
    nearness: Cosine = 0.7  # cosine at which the prior stands where training starts

    paper = "arXiv:1606.04080"
    space = NetOnItems.space | {
        "width": (16, 256),
        "temperature": (0.02, 0.5),
        "nearness": (0.3, 0.95),
    }
    state_size = "17 * K"  # items, labels, ages and the mask

    def meta_train(self, warm: Users, valid: Episodes, items: Items, seeds: Seeds) -> None:
        self.items = items
        rng = torch.Generator().manual_seed(seeds.init % 2**63)
        weights = {
            "projection": torch.randn(items.features.shape[1], self.width, generator=rng),
            "sharpness": torch.tensor(1 / self.temperature).log(),
            "nearness": torch.tensor(self.nearness),
        }
        weights = {name: w.to(items.features) for name, w in weights.items()}
        self.fit(weights, {"expected": item_prior(warm, items)}, warm, valid, seeds)

    def adapt(self, support: Feedback) -> Feedback:
        return support

    def logits(self, state: Feedback, items: Tensor) -> Tensor:
        w = self.learned
        seen, asked = (
            normalize(project(self.items.features, w["projection"], ids), dim=2)
            for ids in (state.items, items)
        )  # (B, K, P), (B, Q, P)
        cosine = (asked @ seen.mT).masked_fill(~state.mask[:, None], -torch.inf)  # (B, Q, K)
        prior = w["nearness"].expand(*items.shape, 1)
        share = torch.softmax(torch.cat([prior, cosine], 2) * w["sharpness"].exp(), 2)
        left = state.labels - w["expected"][state.items]  # (B, K)
        attended = (share[..., 1:] * left[:, None]).sum(2)
        return torch.logit(squash_to_unit(w["expected"][items] + attended))
