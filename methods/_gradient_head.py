"""Methods whose user is a two-layer head on frozen embeddings, adapted by gradient steps.

The steps themselves, for many users at once and exactly, are in `_inner_loop`.
"""

from abc import abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor

from coldbench.encoder import Items
from coldbench.episode import Episodes, Feedback, Users
from coldbench.method import Params
from coldbench.parameters import Count, Positive, Whole
from coldbench.seeds import Seeds

from . import _compiled as compiled
from . import _kernel
from ._head import Head, logits, logits_of_same
from ._inner_loop import SupportRows
from ._item_prior import item_prior
from ._kernel import inner, inner_of_same
from ._meta_learner import EpisodicMethod, log_odds
from ._same_items import product_of, same_items


def gram(features: Tensor, left: Tensor, right: Tensor) -> Tensor:
    """(B, N, M) e'e + 1 between (B, N) and (B, M) items; the 1 is the bias."""
    if compiled.functions(features) and len(features) <= _kernel.SMALL:
        return compiled.looked_up(_kernel.kept_products(features), left, right, plus=1)
    return 1 + inner(features, left, right)


def project(features: Tensor, weight: Tensor, items: Tensor) -> Tensor:
    """(B, N) items -> (B, N, H) e'W; one product of the catalogue where it has fewer rows."""
    if items.numel() < len(features):
        return features[items] @ weight
    return pick(features @ weight, items)


def pick(table: Tensor, items: Tensor) -> Tensor:
    """(B, N) -> (B, N, H) rows of (n_items, H): indexing whose gradient is cheap."""
    return table.index_select(0, items.reshape(-1)).view(*items.shape, table.shape[1])


class HeadLayer:
    """The first layer where every user starts. Support and query share one product of the
    catalogue where the support alone has as many rows."""

    def __init__(self, features: Tensor, learned: Params, rows: int) -> None:
        self.features, self.weight, self.bias = features, learned["weight"], learned["shift"]
        self.whole = self.of(features) if rows >= len(features) else None  # (n_items, H)

    def of(self, features: Tensor) -> Tensor:
        """(..., D) -> (..., H)"""
        return features @ self.weight + self.bias

    def __call__(self, items: Tensor) -> Tensor:
        """(B, N) -> (B, N, H)"""
        return pick(*self.at(items))

    def at(self, items: Tensor) -> tuple[Tensor, Tensor]:
        """A table (n, H), and the rows of it (B, N) that are these items."""
        if self.whole is not None:
            return self.whole, items
        if items.numel() >= len(self.features):
            return self.of(self.features), items
        rows = torch.arange(items.numel(), device=items.device).view(items.shape)
        return self.of(self.features[items.flatten()]), rows


@dataclass(frozen=True)
class Adapted:
    """B users after the loop."""

    head: Head
    support: Tensor  # (B, K) items; or (B, R, D) where the rows are not items
    trunk: HeadLayer  # shared by all users, no part of a user's state


@dataclass
class GradientHead(EpisodicMethod[Adapted]):
    """A head on frozen embeddings whose start is learnt and whose `adapt` descends from it."""

    steps_param = "inner_steps"

    hidden: Count = 64  # units
    alpha: Positive = 0.05  # inner learning rate; this and meta_lr chosen on valid users of ml-100k
    inner_steps: Whole = 5
    meta_users: Count = 64
    meta_lr: Positive = 3e-3
    patience: Whole = 8

    space = EpisodicMethod.space | {
        "alpha": (5e-3, 0.5),
        "inner_steps": (1, 8),
        "hidden": (16, 128),
    }

    def meta_train(self, warm: Users, valid: Episodes, items: Items, seeds: Seeds) -> None:
        self.items = items
        prior = log_odds(item_prior(warm, items))
        weights = start_weights(items.features.shape[1], self.hidden, seeds.init)
        weights = {name: w.to(items.device) for name, w in weights.items()}
        self.fit(weights, {"prior": prior} | self.fixed(warm, seeds), warm, valid, seeds)

    def fixed(self, warm: Users, seeds: Seeds) -> Params:
        """Tensors beside the weights that no gradient changes."""
        return {}

    @abstractmethod
    def adapt(self, support: Feedback) -> Adapted: ...

    def begin(self, support: Feedback) -> tuple[Head, SupportRows, HeadLayer]:
        """The shared start for B users, and what the loop sees of their (B, K) labels."""
        items, features = support.items, self.items.features
        trunk = HeadLayer(features, self.learned, items.numel())
        real = support.mask.to(features)
        rows = SupportRows(
            trunk(items),
            gram(features, items, items),
            self.learned["prior"].take(items),
            support.labels,
            real / real.sum(1, keepdim=True).clamp_min(1),
        )
        return self.start(len(items)), rows, trunk

    def start(self, users: int) -> Head:
        last, bias = self.learned["last"], self.learned["bias"]
        return Head(None, last.expand(users, -1), bias.expand(users, 1))

    def logits(self, state: Adapted, items: Tensor) -> Tensor:
        features = self.items.features
        row = same_items(items)
        if row is not None and state.support.dim() == 2:
            table = product_of(features, self.learned["weight"])[row]  # (Q, H)
            products = 1 + inner_of_same(features, state.support, row)  # (B, K, Q)
            z = logits_of_same(state.head, table + self.learned["shift"], products)
            return self.learned["prior"][row] + z
        if state.support.dim() == 2:
            cross = gram(features, items, state.support)  # (B, Q, K)
        else:
            cross = 1 + features[items] @ state.support.transpose(1, 2)  # (B, Q, R)
        return self.learned["prior"].take(items) + logits(state.head, *state.trunk.at(items), cross)


def beside(rows: SupportRows, vectors: Tensor, trunk: HeadLayer) -> SupportRows:
    """The support twice over, as the mean of L(x) and L(x'): (B, 2 K, D) vectors are x, then the
    changed x'. Weights sum to 1, as those of a support seen once: a step is as long."""
    columns = rows.offset, rows.labels, rows.weight / 2
    twice = (torch.cat([column, column], 1) for column in columns)
    return SupportRows(trunk.of(vectors), 1 + vectors @ vectors.transpose(1, 2), *twice)


def start_weights(width: int, hidden: int, seed: int) -> Params:
    """W (D, H) for unit vectors, b (H,), v (H,) and c (1,). v is small: a new head says little."""
    rng = torch.Generator().manual_seed(seed % 2**63)
    return {
        "weight": torch.randn(width, hidden, generator=rng),
        "shift": torch.zeros(hidden),
        "last": 0.01 * torch.randn(hidden, generator=rng),
        "bias": torch.zeros(1),
    }
