"""BPR: factors learnt from which of two items a user rated higher, and so of a new user's pairs.

Rendle, Freudenthaler, Gantner & Schmidt-Thieme, "BPR: Bayesian Personalized Ranking from Implicit
Feedback" (2009), arXiv:1205.2618: the chance that u prefers i to j is sigmoid(x_ui - x_uj), with
x_ui = b_i + w_u'v_i, fitted by stochastic steps over sampled pairs. Where a log has ratings a pair
is two ratings of one user; where it has likes only, a like and an item the user has not seen.

What is ours: a new user's w is the likeliest one under the same model given all pairs of the
support, v and b kept. A preference is no label: x, times a gain chosen on valid users, is added to
the item prior's log-odds, and b is left out of it, since the prior is there.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from coldbench.encoder import Items
from coldbench.episode import Episodes, Feedback, Users
from coldbench.method import Params, Space
from coldbench.parameters import Count, Positive
from coldbench.seeds import Seeds

from ._grid_search import choose
from ._item_prior import item_prior
from ._meta_learner import log_odds
from ._pairs import bradley_terry, pairs_of
from ._pairwise import Pairwise


@dataclass
class Bpr(Pairwise):
    """Its state is a user's vector, (B, factors)."""

    factors: Count = 16
    strength: Positive | None = None  # of the penalty on a new user; None: chosen on valid users

    family = "simple"
    paper = "arXiv:1205.2618"
    space: ClassVar[Space] = {
        "factors": (8, 64),
        "decay": (1e-5, 1e-2),
        "strength": (0.1, 30.0),
        "gain": (0.0, 3.0),
    }
    state_size = "4 * factors"

    def meta_train(self, warm: Users, valid: Episodes, items: Items, seeds: Seeds) -> None:
        self.items = items
        self.learned = {"prior": log_odds(item_prior(warm, items))}
        fitted = self._fit(warm, seeds)
        self.learned |= {name: x.to(items.device) for name, x in fitted.items()}
        choose(self, self._candidates(), valid)

    def _fit(self, warm: Users, seeds: Seeds) -> Params:
        """(n_items, factors) in units in which warm users' vectors have a mean square of 1."""
        rng = torch.Generator().manual_seed(seeds.init % 2**63)
        sizes = ((warm.log.n_users, self.factors), (warm.log.n_items, self.factors))
        w, v = (0.1 * torch.randn(*size, generator=rng) for size in sizes)
        b = torch.zeros(warm.log.n_items)

        def loss(users: Tensor, better: Tensor, worse: Tensor) -> Tensor:
            mine, preferred, other = w[users], v[better], v[worse]
            odds = b[better] - b[worse] + (mine * (preferred - other)).sum(1)
            size = sum(x.square().sum(1) for x in (mine, preferred, other))
            return (self.decay * size - logsigmoid(odds)).mean()

        self.descend((w, v, b), loss, warm, seeds.order)
        return {"factors": v.detach() * w.detach().square().mean().sqrt()}

    def _candidates(self) -> Iterator[Params]:
        for strength in (1.0, 3.0, 10.0) if self.strength is None else (self.strength,):
            for gain in self.gains():
                yield {"strength": torch.tensor(strength), "gain": torch.tensor(gain)}

    def adapt(self, support: Feedback) -> Tensor:
        left, right, sign = pairs_of(support.labels, support.mask)
        seen = self.learned["factors"][support.items]  # (B, K, F)
        return bradley_terry(seen[:, left] - seen[:, right], sign, self.learned["strength"])

    def score(self, state: Tensor, items: Tensor) -> Tensor:
        liked = (self.learned["factors"][items] @ state[..., None])[..., 0]  # (B, Q)
        return torch.sigmoid(self.learned["prior"][items] + self.learned["gain"] * liked)
