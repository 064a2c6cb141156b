"""CLCRec: an item's vector learnt from ratings and one read off its text are made to say the same.

Wei et al., "Contrastive Learning for Cold-Start Recommendation" (ACM MM 2021), arXiv:2107.05315.
Two contrasts, each a lower bound of a mutual information (InfoNCE): a user against the items, and
an item's vector z from ratings against the texts f of the items, by cosine. In the first some
items' z are replaced by their f at random (hybrid training), so that an item nobody rated, which
has f alone, can stand among the others. The loss is lambda times the second plus 1 - lambda times
the first.

What is ours: a positive is a rating of the user and negatives are lower ratings of the same user,
as in bpr, whose item biases, new users and gain these are: with one negative the first contrast
is bpr's loss.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import leaky_relu, normalize

from coldbench.encoder import Items
from coldbench.episode import Users
from coldbench.method import Params, Rated
from coldbench.parameters import Count, Positive, Share
from coldbench.seeds import Seeds

from ._gradient_head import pick
from ._later_items import later_prior, lengthened
from ._meta_learner import log_odds
from .bpr import Bpr


@dataclass
class Clcrec(Bpr):
    """Its state is a user's vector, (B, factors)."""

    meta_steps: Count = 100  # of Adam
    pairs: Count = 256  # positives in a step
    negatives: Count = 8  # drawn for each
    temperature: Positive = 0.2
    contrast: Share = 0.5  # lambda, the weight of items against texts
    mixed: Share = 0.5  # share of items whose text stands for their ratings
    hidden: Count = 64  # units of the text's encoder

    family = "cold items"
    grows = True
    paper = "arXiv:2107.05315"
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "paper": {"temperature": 2.0, "factors": 64, "hidden": 256},
    }
    space = Bpr.space | {"contrast": (0.0, 1.0), "mixed": (0.0, 1.0), "temperature": (0.05, 2.0)}

    def _fit(self, warm: Users, seeds: Seeds) -> Params:
        rng = torch.Generator().manual_seed(seeds.init % 2**63)
        e = self.items.features.float().cpu()

        def lot(rows: int, columns: int, spread: float = 0.1) -> Tensor:
            return spread * torch.randn(rows, columns, generator=rng)

        u, z = lot(warm.log.n_users, self.factors), lot(len(e), self.factors)
        up, down = lot(e.shape[1], self.hidden, 1.0), lot(self.hidden, self.factors)
        b = torch.zeros(len(e), 1)  # what all prefer: no taste
        weights = [x.requires_grad_() for x in (u, z, up, down, b)]
        adam = torch.optim.Adam(weights, self.rate)
        with torch.enable_grad():
            for drawn in contrasts(warm, self.pairs, self.negatives, self.meta_steps, seeds.order):
                users, items, lower = map(torch.from_numpy, drawn)
                f, given = pick(encoded(e, up, down), items), pick(z, items)  # (n, 1 + N, F)
                mixed = torch.rand(*items.shape, 1, generator=rng) < self.mixed
                x, mine = torch.where(mixed, f, given), u.index_select(0, users)
                liked = pick(b, items)[..., 0] + (x @ mine[..., None])[..., 0] / self.temperature
                cosine = normalize(f, dim=2) @ normalize(given[:, 0], dim=1)[..., None]
                other = items[:, 1:] != items[:, :1]
                size = mine.square().sum(1) + x.square().sum(2).mean(1)
                loss = (
                    self.contrast * info_nce(cosine[..., 0] / self.temperature, other)
                    + (1 - self.contrast) * info_nce(liked, lower)
                    + self.decay * size
                ).mean()
                adam.zero_grad()
                loss.backward()
                adam.step()
        unit = u.detach().square().mean().sqrt() / self.temperature
        up, down = up.detach(), unit * down.detach()
        rated = torch.from_numpy(warm.item_counts() > 0)[:, None]
        factors = torch.where(rated, unit * z.detach(), encoded(e, up, down))
        return {"factors": factors, "up": up, "down": down}

    def with_items(self, items: Items, rated: Rated) -> "Clcrec":
        new = later_prior(torch.sigmoid(self.learned["prior"]), items, rated)
        read = encoded(items.features[len(self.items) :], self.learned["up"], self.learned["down"])
        return lengthened(self, items, prior=log_odds(new), factors=read)


def encoded(features: Tensor, up: Tensor, down: Tensor) -> Tensor:
    """(n, D) item vectors -> (n, F) f, what their texts say."""
    return leaky_relu(features @ up) @ down


def info_nce(odds: Tensor, negative: Tensor) -> Tensor:
    """(n,) -log of the first one's share of sum exp(odds) of (n, 1 + N); of the others those count
    that are negative, (n, N) bool."""
    left_out = torch.cat([torch.zeros_like(negative[:, :1]), ~negative], 1)
    return -odds.masked_fill(left_out, -torch.inf).log_softmax(1)[:, 0]


def contrasts(
    warm: Users, size: int, negatives: int, count: int, seed: int
) -> Iterator[tuple[NDArray[Any], ...]]:
    """`count` times (n,) users, (n, 1 + N) items and (n, N) which of those after the first the user
    rated lower, of `size` ratings drawn; without a lower one it is left out, so n <= size."""
    log, rng = warm.log, np.random.default_rng(seed)
    user = log.users
    for _ in range(count if len(log) else 0):
        rows = rng.integers(0, len(log), size)
        users = user[rows]
        others = rng.integers(0, log.counts[users][:, None], (size, negatives))
        others += log.offsets[users][:, None]
        lower = warm.labels[others] < warm.labels[rows][:, None]
        items = log.items[np.hstack([rows[:, None], others])]
        some = lower.any(1)
        if some.any():
            yield users[some], items[some].astype(np.int64), lower[some]
