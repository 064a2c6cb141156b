"""Meta-embedding: a generator reads an item's text and says where the item's vector should start.

Pan, Li, Ao, Tang & He, "Warm Up Cold-start Advertisements: Improving CTR Predictions via Learning
to Learn ID Embeddings" (SIGIR 2019), arXiv:1904.11547. A rated item is taken for a new one: on a
first mini-batch of its ratings the generated vector has the loss l_a (cold), one gradient step on
l_a moves it, and on a second mini-batch the moved one has l_b (warmed up). The generator minimises
alpha l_a + (1 - alpha) l_b; the model around it and users' vectors stay as they are.

What is ours: the model is fold-in's, so the loss is squared error and a new user is its ridge
regression, on generated vectors where items are new; what is generated is what an item's vector has
beyond the user's level, up to twice the spread of trained vectors (in the paper up to 0.2).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from scipy.sparse import csr_matrix
from torch import Tensor

from coldbench.encoder import Items
from coldbench.episode import Episodes, Users
from coldbench.method import Params, Rated
from coldbench.parameters import Count, NotNegative, Positive, Share, Whole
from coldbench.seeds import Seeds

from ._als import residuals
from ._factor_em import Model
from ._later_items import later_factors, later_prior, lengthened
from .fold_in import FoldIn


@dataclass
class MetaEmbedding(FoldIn):
    """Its state is a user's vector, (B, 1 + factors)."""

    meta_steps: Whole = 300  # batches of items
    meta_items: Count = 64
    meta_lr: Positive = 1e-2  # of Adam
    raters: Count = 10  # ratings in a mini-batch, of which each item has two
    warm_up: NotNegative = 0.1  # rate of the step between them
    alpha: Share = 0.1  # weight of the loss before that step
    decay: NotNegative = 1e-3  # of the generator's weights

    family = "cold items"
    paper = "arXiv:1904.11547"
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "paper": {"raters": 20, "warm_up": 1e-4, "meta_lr": 1e-3, "decay": 0.0},
    }
    space = FoldIn.space | {"alpha": (0.0, 1.0), "warm_up": (1e-3, 1.0), "decay": (1e-4, 0.1)}

    def meta_train(self, warm: Users, valid: Episodes, items: Items, seeds: Seeds) -> None:
        super().meta_train(warm, valid, items, seeds)
        factors = self.learned["factors"]
        new = torch.from_numpy(warm.item_counts() == 0).to(items.device)
        self.learned |= self._start(factors, seeds.init)
        self._fit(warm, seeds)
        made = generated(self.learned, items.features)
        self.learned["factors"] = torch.where(new[:, None], made, factors)

    def _start(self, factors: Tensor, seed: int) -> Params:
        rng = torch.Generator().manual_seed(seed % 2**63)
        size = self.items.features.shape[1], factors.shape[1]
        start = {
            "generator": 0.1 * torch.randn(*size, generator=rng),
            "reach": 2 * factors.std(0, correction=0),
            "level": later_factors(factors),
        }
        return {name: x.to(factors) for name, x in start.items()}

    def _fit(self, warm: Users, seeds: Seeds) -> None:
        """Train the generator, in units in which warm users' vectors have a mean square of 1."""
        v, s = self.learned["factors"], float(self.learned["s"])
        left = residuals(warm, self.learned["prior"])
        one = Model(v.cpu().double().numpy(), np.ones(len(v)), np.inf)
        users = torch.from_numpy(one.posterior(left)[0] / s).to(v)
        weights = self.learned["generator"].requires_grad_()
        adam = torch.optim.Adam([weights], self.meta_lr)
        with torch.enable_grad():
            for drawn in self._mini_batches(left / s, seeds.order):
                items, raters, labels, real = (x.to(v.device) for x in drawn)
                start = generated(self.learned, self.items.features[items])  # (n, F)
                ratings = users[raters], labels.to(v), real.to(v)
                loss = meta_loss(start, ratings, self.alpha, self.warm_up).mean()
                loss = loss + self.decay * weights.square().sum()
                adam.zero_grad()
                loss.backward()
                adam.step()
        self.learned["generator"] = weights.detach()

    def _mini_batches(self, left: csr_matrix, seed: int) -> Iterator[tuple[Tensor, ...]]:
        """(n,) items, (n, 2 M) raters of each, their labels over the prior, and which are real: a
        first and a second mini-batch by turns, so that two raters are one in each."""
        rng, by_item = np.random.default_rng(seed), left.T.tocsr()
        counts, first = np.diff(by_item.indptr), by_item.indptr
        shuffled = np.lexsort((rng.random(by_item.nnz), np.repeat(np.arange(len(counts)), counts)))
        able, nth = np.flatnonzero(counts >= 2), np.arange(2 * self.raters)
        for _ in range(self.meta_steps if len(able) else 0):
            items = rng.choice(able, self.meta_items)
            count = counts[items][:, None]
            place = (rng.integers(0, count) + nth) % count
            rows = shuffled[first[items][:, None] + place]
            drawn = items, by_item.indices[rows], by_item.data[rows], nth < count
            yield tuple(map(torch.from_numpy, drawn))

    def with_items(self, items: Items, rated: Rated) -> "MetaEmbedding":
        prior = later_prior(self.learned["prior"], items, rated)
        made = generated(self.learned, items.features[len(self.items) :])
        return lengthened(self, items, prior=prior, factors=made)


def generated(learned: Params, features: Tensor) -> Tensor:
    """(..., D) item vectors -> (..., F) where the items' factors start."""
    return learned["level"] + learned["reach"] * torch.tanh(features @ learned["generator"])


def meta_loss(
    start: Tensor, ratings: tuple[Tensor, Tensor, Tensor], alpha: float, rate: float
) -> Tensor:
    """(n,) alpha l_a + (1 - alpha) l_b.

    start: (n, F) generated vectors; ratings: (n, 2 M, F) raters' vectors, (n, 2 M) labels and
    (n, 2 M) 1 where real; even places are the first mini-batch, odd ones the second.
    """
    first, second = ([x[:, part::2] for x in ratings] for part in (0, 1))
    cold, slope = half_squares(start, *first)
    warmed_up, _ = half_squares(start - rate * slope, *second)
    return alpha * cold + (1 - alpha) * warmed_up


def half_squares(
    item: Tensor, raters: Tensor, labels: Tensor, real: Tensor
) -> tuple[Tensor, Tensor]:
    """(n,) mean over M raters of (label - rater'item)^2 / 2, and its (n, F) gradient."""
    share = real / real.sum(1, keepdim=True).clamp_min(1)
    wrong = (raters @ item[..., None])[..., 0] - labels  # (n, M)
    return (share * wrong.square()).sum(1) / 2, ((share * wrong)[:, None] @ raters)[:, 0]
