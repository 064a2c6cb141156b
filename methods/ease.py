"""EASE: items vote for items, with weights from one inverse of warm users' item-item matrix.

Steck, "Embarrassingly Shallow Autoencoders for Sparse Data" (2019): B = I - P / diag(P) with
P = (X'X + lambda I)^-1, diagonal 0. X holds what labels leave over the item prior and the user's
damped level; a new user's own x goes through the same B.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from scipy.sparse import csr_matrix
from torch import Tensor

from coldbench.encoder import Items
from coldbench.episode import Episodes, Feedback, Users
from coldbench.errors import UserError
from coldbench.method import Params, Rated, Space, squash_to_unit
from coldbench.parameters import NotNegative, Positive
from coldbench.seeds import Seeds

from ._als import residuals, spread
from ._chosen_on_valid import ChosenOnValid
from ._later_items import later_prior, lengthened

MOST_ITEMS = 20_000  # the matrix and its inverse then take 6 GB


@dataclass(frozen=True)
class Voters:
    """The user's level, and the items seen with what their labels leave over it."""

    level: Tensor  # (B, 1)
    items: Tensor  # (B, K)
    left: Tensor  # (B, K), 0 where padded


@dataclass
class Ease(ChosenOnValid[Voters]):
    strength: Positive | None = (
        None  # lambda / variance of the residuals; None: chosen on valid users
    )
    gain: NotNegative | None = (
        None  # of the votes, as x has few entries; None: chosen on valid users
    )
    damping: Positive = 3.0  # labels at the prior added to a user's level

    family = "simple"
    grows = True
    paper = "Steck, Embarrassingly Shallow Autoencoders for Sparse Data (2019), arXiv:1905.03375"
    stochastic = False
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "paper": {"strength": 500.0, "gain": 1.0}  # ML-20M's, of a matrix of zeros and ones
    }
    space: ClassVar[Space] = {
        "strength": (100.0, 10_000.0),
        "gain": (0.5, 16.0),
        "damping": (0.5, 20.0),
    }
    state_size = "4 + 12 * K"

    def meta_train(self, warm: Users, valid: Episodes, items: Items, seeds: Seeds) -> None:
        if len(items) > MOST_ITEMS:
            raise UserError(
                f"ease keeps a matrix of items x items; {len(items):,} items are more than "
                f"{MOST_ITEMS:,}: leave it out, or use fold-in"
            )
        super().meta_train(warm, valid, items, seeds)

    def candidates(self, warm: Users, seeds: Seeds) -> Iterator[Params]:
        x = residuals(warm, self.learned["prior"])
        variance = spread(x) ** 2 or 1.0
        level = np.asarray(x.sum(1)).ravel() / (warm.log.counts + self.damping)
        x.data -= level[warm.log.users]
        for strength in (1500.0, 500.0, 4500.0) if self.strength is None else (self.strength,):
            votes = item_weights(x, strength * variance).to(self.items.device)
            for gain in (4.0, 1.0, 2.0, 8.0, 16.0) if self.gain is None else (self.gain,):
                yield {
                    "votes": votes,
                    "gain": torch.tensor(gain),
                    "strength": torch.tensor(strength),
                }

    def with_items(self, items: Items, rated: Rated) -> "Ease":
        prior = later_prior(self.learned["prior"], items, rated)
        longer = lengthened(self, items, prior=prior)
        by = (0, len(prior), 0, len(prior))  # nobody rated them: no votes
        longer.learned["votes"] = torch.nn.functional.pad(self.learned["votes"], by)
        return longer

    def adapt(self, support: Feedback) -> Voters:
        left = (support.labels - self.learned["prior"][support.items]) * support.mask
        level = left.sum(1, keepdim=True) / (support.mask.sum(1, keepdim=True) + self.damping)
        return Voters(level, support.items, (left - level) * support.mask)

    def score(self, state: Voters, items: Tensor) -> Tensor:
        votes = self.learned["votes"][state.items[:, :, None], items[:, None]]  # (B, K, Q)
        neighbours = (state.left[:, None] @ votes)[:, 0]
        return squash_to_unit(
            self.learned["prior"][items] + state.level + self.learned["gain"] * neighbours
        )


def item_weights(x: csr_matrix, strength: float) -> Tensor:
    """(n_items, n_items) float32 EASE's B: row j votes for the item of each column.

    Where there are fewer users than items the inverse is that of a matrix of users (Woodbury):
    P = (I - A'A) / lambda with A = L^-1 X and LL' = XX' + lambda I. The same B, many times faster.
    """
    if x.shape[0] < x.shape[1]:
        products = torch.from_numpy((x @ x.T).toarray())  # (U, U) float64
        products.diagonal().add_(strength)
        dense = torch.from_numpy(x.toarray()).double()
        a = torch.linalg.solve_triangular(torch.linalg.cholesky(products), dense, upper=False)
        precision = 1 - a.square().sum(0)  # (n_items,) lambda times P's diagonal
        a = a.float()
        return (a.T @ a).div_(precision.float()).fill_diagonal_(0)
    products = torch.from_numpy((x.T @ x).toarray())  # float64
    products.diagonal().add_(strength)
    inverse = torch.cholesky_inverse(torch.linalg.cholesky(products))
    return (-inverse / inverse.diagonal()).fill_diagonal_(0).float()
