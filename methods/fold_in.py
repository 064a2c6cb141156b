"""Fold-in: a new user's factors, by ridge regression on items' factors learnt from warm users.

Salakhutdinov & Mnih, "Probabilistic Matrix Factorization" (2007), with items' factors V kept:
w = (V_S'V_S / s^2 + Sigma^-1)^-1 V_S'(y - p_S) / s^2, score = p_Q + V_Q w, where Sigma is the
covariance of warm users' factors. The strongest simple personaliser measured on ml-100k.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from coldbench.encoder import Items
from coldbench.episode import Episodes, Feedback, Users
from coldbench.method import Learned, Method, to_unit
from coldbench.protocol import Seeds

from ._als import factorise, residuals, spread
from ._choose import choose
from ._prior import item_prior


@dataclass
class FoldIn(Method[Tensor]):
    """Its state is a user's vector, (B, 1 + factors)."""

    factors: int = 16  # and one more, the user's level
    rounds: int = 10  # of alternating least squares
    ridge: float | None = None  # its penalty; None: chosen on valid users
    noise: float | None = None  # s^2 as a share of the residuals' variance; None: chosen likewise

    family = "simple"
    paper = "Salakhutdinov & Mnih, Probabilistic Matrix Factorization (2007)"

    def meta_train(self, warm: Users, valid: Episodes, items: Items, seeds: Seeds) -> None:
        self.items = items
        self.learned = {"prior": item_prior(warm, items)}
        choose(self, self._candidates(warm, seeds), valid)

    def _candidates(self, warm: Users, seeds: Seeds) -> Iterator[Learned]:
        """Factors in units of the noise and of warm users' spread: s^2 = 1 and Sigma = I."""
        left = residuals(warm, self.learned["prior"])
        for ridge in (8.0, 4.0, 12.0) if self.ridge is None else (self.ridge,):
            factors = factorise(left, self.factors, ridge, self.rounds, seeds.init)
            for noise in (0.6, 0.3, 1.0) if self.noise is None else (self.noise,):
                s = torch.tensor(noise**0.5 * spread(left) or 1.0)
                unit = (factors / s).to(self.items.device)
                yield {"factors": unit, "s": s, "ridge": torch.tensor(ridge)}

    def adapt(self, support: Feedback) -> Tensor:
        left = (support.labels - self.learned["prior"][support.items]) * support.mask
        seen = self.learned["factors"][support.items] * support.mask[..., None]  # (B, K, F)
        eye = torch.eye(seen.shape[2], device=seen.device)
        factor = torch.linalg.cholesky(seen.mT @ seen + eye)
        return torch.cholesky_solve(seen.mT @ left[..., None], factor)[..., 0]

    def score(self, state: Tensor, items: Tensor) -> Tensor:
        taste = (self.learned["factors"][items] @ state[..., None])[..., 0]  # (B, Q)
        return to_unit(self.learned["prior"][items] + taste)
