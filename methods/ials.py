"""iALS: likes are preferences, all else is a doubtful absence of one, and labels say how sure.

Hu, Koren & Volinsky, "Collaborative Filtering for Implicit Feedback Datasets" (2008): every pair of
user and item has a preference, 1 where there is a label above .5 and 0 elsewhere, with confidence
1 + alpha label for the first and 1 for the others. Items' factors Y are learnt by alternating least
squares over all pairs; a new user is one more solve, x = (Y'CY + lambda I)^-1 Y'C p, with Y'Y made
beforehand. Rendle et al., "Revisiting the Performance of iALS on Item Recommendation Benchmarks"
(2021), arXiv:2110.14037: a strong baseline where it is tuned. A preference is no label: it is added
to the item prior times a gain, which is chosen on valid users.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from scipy.sparse import csr_matrix
from torch import Tensor

from coldbench.episode import Feedback, Users
from coldbench.method import Explanation, Params, Space, squash_to_unit
from coldbench.parameters import Count, NotNegative, Positive
from coldbench.seeds import Seeds

from ._chosen_on_valid import ChosenOnValid
from ._factor_em import Array

LIKE = 0.5  # a label above it is a like


@dataclass
class Ials(ChosenOnValid[Tensor]):
    """Its state is a user's vector, (B, factors)."""

    factors: Count = 16
    rounds: Count = 8  # of alternating least squares
    alpha: Positive = 10.0  # of the confidence
    ridge: Positive | None = None  # lambda; None, here and below: chosen on valid users
    gain: NotNegative | None = None  # labels that a preference of 1 is worth

    family = "simple"
    explains = True
    paper = "Hu, Koren & Volinsky, Collaborative Filtering for Implicit Feedback Datasets (2008)"
    space: ClassVar[Space] = {
        "factors": (8, 128),
        "alpha": (0.5, 50.0),
        "ridge": (1.0, 500.0),
        "gain": (0.0, 2.0),
    }
    state_size = "4 * factors"

    def candidates(self, warm: Users, seeds: Seeds) -> Iterator[Params]:
        labels = warm.matrix().astype(np.float64)
        labels.data[labels.data <= LIKE] = 0
        labels.eliminate_zeros()
        for ridge in (10.0, 3.0, 30.0, 100.0) if self.ridge is None else (self.ridge,):
            y = torch.from_numpy(factorise(labels, self, ridge, seeds.init)).float()
            y = y.to(self.items.device)
            for gain in (0.3, 0.1, 1.0, 3.0) if self.gain is None else (self.gain,):
                yield {
                    "factors": y,
                    "gram": y.T @ y + ridge * torch.eye(self.factors, device=y.device),
                    "ridge": torch.tensor(ridge),
                    "gain": torch.tensor(gain),
                }

    def adapt(self, support: Feedback) -> Tensor:
        sure, seen, factor = self._system(support)
        return torch.cholesky_solve(seen.mT @ sure[..., None], factor)[..., 0]

    def score(self, state: Tensor, items: Tensor) -> Tensor:
        wanted = (self.learned["factors"][items] @ state[..., None])[..., 0]  # (B, Q)
        return squash_to_unit(self.learned["prior"][items] + self.learned["gain"] * wanted)

    def explain(self, support: Feedback, items: Tensor) -> Explanation:
        """x is a sum over the support; only likes add something."""
        sure, seen, factor = self._system(support)
        each = torch.cholesky_solve((seen * sure[..., None]).mT, factor)  # (B, F, K): sums to x
        parts = self.learned["gain"] * (self.learned["factors"][items] @ each)
        return Explanation(self.learned["prior"][items], parts, "label")

    def _system(self, support: Feedback) -> tuple[Tensor, Tensor, Tensor]:
        """(B, K) confidence of a preference of 1, else 0; (B, K, F) factors; and the Cholesky
        factor of Y'Y + Y_S'(C - I)Y_S + lambda I."""
        liked = (support.labels > LIKE) & support.mask
        more = self.alpha * support.labels * liked  # C - I
        seen = self.learned["factors"][support.items] * liked[..., None]
        precision = self.learned["gram"] + seen.mT @ (seen * more[..., None])
        return (1 + more) * liked, seen, torch.linalg.cholesky(precision)


def factorise(labels: csr_matrix, method: Ials, ridge: float, seed: int) -> Array:
    """(n_items, factors) Y from the likes of warm users (U, n_items)."""
    more = method.alpha * labels
    y = np.random.default_rng(seed).normal(0, 0.1, (labels.shape[1], method.factors))
    for _ in range(method.rounds):
        x = solve(more, y, ridge)
        y = solve(more.T.tocsr(), x, ridge)
    return y


def solve(more: csr_matrix, others: Array, ridge: float) -> Array:
    """(rows, F): each row's vector, given others' factors and the confidences above 1."""
    width = others.shape[1]
    gram = others.T @ others + ridge * np.eye(width)
    outer = (others[:, :, None] * others[:, None]).reshape(len(others), width * width)
    precision = gram + (more @ outer).reshape(-1, width, width)
    sure = more.copy()
    sure.data += 1
    return np.linalg.solve(precision, (sure @ others)[..., None])[..., 0]
