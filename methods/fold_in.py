"""Fold-in: a new user's factors, by ridge regression on items' factors learnt from warm users.

Salakhutdinov & Mnih, "Probabilistic Matrix Factorization" (2007), with items' factors V kept:
w = (V_S'V_S / s^2 + Sigma^-1)^-1 V_S'(y - p_S) / s^2, score = p_Q + V_Q w, where Sigma is the
covariance of warm users' factors. The strongest simple personaliser measured on ml-100k.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from coldbench.encoder import Items
from coldbench.episode import Feedback, Users
from coldbench.method import Explanation, Params, Rated, Space, squash_to_unit
from coldbench.parameters import Count, Positive
from coldbench.seeds import Seeds

from . import _graph
from ._als import factorise, residuals, spread
from ._ask import variance_told
from ._chosen_on_valid import ChosenOnValid
from ._later_items import later_factors, later_prior, lengthened
from ._same_items import same_items


@dataclass
class FoldIn(ChosenOnValid[Tensor]):
    """Its state is a user's vector, (B, 1 + factors)."""

    factors: Count = 16  # and one more, the user's level
    rounds: Count = 10  # of alternating least squares
    ridge: Positive | None = None  # its penalty; None: chosen on valid users
    noise: Positive | None = (
        None  # s^2 as a share of the residuals' variance; None: chosen likewise
    )

    family = "simple"
    grows = True
    explains = True
    paper = "Salakhutdinov & Mnih, Probabilistic Matrix Factorization (2007)"
    space: ClassVar[Space] = {"factors": (4, 64), "ridge": (1.0, 40.0), "noise": (0.1, 2.0)}
    state_size = "4 * (1 + factors)"

    def candidates(self, warm: Users, seeds: Seeds) -> Iterator[Params]:
        """Factors in units of the noise and of warm users' spread: s^2 = 1 and Sigma = I."""
        left = residuals(warm, self.learned["prior"])
        for ridge in (8.0, 4.0, 12.0) if self.ridge is None else (self.ridge,):
            factors = factorise(left, self.factors, ridge, self.rounds, seeds.init)
            for noise in (0.6, 0.3, 1.0) if self.noise is None else (self.noise,):
                s = torch.tensor(noise**0.5 * spread(left) or 1.0)
                unit = (factors / s).to(self.items.device)
                yield {"factors": unit, "s": s, "ridge": torch.tensor(ridge)}

    def with_items(self, items: Items, rated: Rated) -> "FoldIn":
        """Nobody has rated a new item: it has the user's level, and no factor of its own."""
        prior = later_prior(self.learned["prior"], items, rated)
        level = later_factors(self.learned["factors"]).expand(len(prior), -1)
        return lengthened(self, items, prior=prior, factors=level)

    def adapt(self, support: Feedback) -> Tensor:
        left, seen, factor = self._system(support)
        return torch.cholesky_solve(seen.mT @ left[..., None], factor)[..., 0]

    def score(self, state: Tensor, items: Tensor) -> Tensor:
        row = same_items(items)
        if row is not None:
            prior, factors = self.learned["prior"][row], self.learned["factors"][row]
            return squash_to_unit(torch.addmm(prior, state, factors.T))  # (B, Q)
        taste = (self.learned["factors"][items] @ state[..., None])[..., 0]
        return squash_to_unit(self.learned["prior"][items] + taste)

    def explain(self, support: Feedback, items: Tensor) -> Explanation:
        """w is linear in the residuals r, so a support item adds V_q'(V_S'V_S + I)^-1 V_i r_i."""
        left, seen, factor = self._system(support)
        each = torch.cholesky_solve((seen * left[..., None]).mT, factor)  # (B, F, K): sums to w
        parts = self.learned["factors"][items] @ each  # (B, Q, K)
        return Explanation(self.learned["prior"][items], parts, "label")

    def ask(self, support: Feedback, pool: Tensor, still: Tensor) -> Tensor:
        """(B, P) by how much each answer would lower the variance of scores within the pool."""
        _, _, factor = self._system(support)
        v = self.learned["factors"][pool]  # (B, P, F)
        return variance_told(v @ torch.cholesky_solve(v.mT, factor), still)

    def _system(self, support: Feedback) -> tuple[Tensor, Tensor, Tensor]:
        """(B, K) residuals r, (B, K, F) factors V_S, and the Cholesky factor of V_S'V_S + I."""
        left = (support.labels - self.learned["prior"][support.items]) * support.mask
        seen = self.learned["factors"][support.items] * support.mask[..., None]
        eye = torch.eye(seen.shape[2], device=seen.device)
        return left, seen, torch.linalg.cholesky(seen.mT @ seen + eye)

    def graph(self) -> torch.nn.Module:
        return _graph.FoldIn(self.items.features[:0], self.learned)
