"""Factors of items from warm users: alternating least squares over the pairs that were rated.

Zhou et al., "Large-scale Parallel Collaborative Filtering for the Netflix Prize" (2008), with one
more factor that is 1 for every item, so that a user's general level is learnt with the rest.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from torch import Tensor

from coldbench.episode import Users

Array = NDArray[np.float64]


def residuals(warm: Users, prior: Tensor) -> csr_matrix:
    """(U, n_items) sparse: what warm users' labels leave over the item prior."""
    r = warm.matrix().astype(np.float64)
    r.data -= prior.cpu().numpy()[r.indices]
    return r


def spread(r: csr_matrix) -> float:
    """The standard deviation of the residuals about 0: a unit free of the rating scale."""
    return float(np.sqrt((r.data**2).mean())) if r.nnz else 0.0


def factorise(r: csr_matrix, factors: int, ridge: float, rounds: int, seed: int) -> Tensor:
    """(n_items, 1 + factors) float32 F, in units in which warm users' vectors have covariance I:
    an item's residual is F_i'w, and before a user says anything w is N(0, I).

    The first column is the user's level. An item nobody rated has 0 in the others.
    """
    unit = spread(r) or 1.0
    r = r / unit
    users, items = alternate(r, factors, ridge, rounds, seed)
    centred = users - users.mean(0)
    covariance = centred.T @ centred / len(users)  # (F, F)
    covariance += 1e-6 * (np.trace(covariance) / len(covariance) + 1e-6) * np.eye(len(covariance))
    return torch.from_numpy((unit * items @ np.linalg.cholesky(covariance)).astype(np.float32))


def alternate(
    r: csr_matrix, factors: int, ridge: float, rounds: int, seed: int
) -> tuple[Array, Array]:
    """(U, 1 + factors) users' and (n_items, 1 + factors) items' factors, by turns."""
    n_items = r.shape[1]
    start = np.random.default_rng(seed).normal(0, 0.1, (n_items, factors))
    items = np.hstack([np.ones((n_items, 1)), start])
    by_item = r.T.tocsr()
    rated, rated_by = _ones(r), _ones(by_item)
    for _ in range(rounds):
        users = _solve(r, rated, items, ridge)
        rest = by_item.copy()
        rest.data -= users[rest.indices, 0]
        items[:, 1:] = _solve(rest, rated_by, users[:, 1:], ridge)
    return _solve(r, rated, items, ridge), items


def _solve(r: csr_matrix, rated: csr_matrix, others: Array, ridge: float) -> Array:
    """(rows, F): each row's ridge regression on the others it is rated with, all rows at once."""
    width = others.shape[1]
    outer = (others[:, :, None] * others[:, None]).reshape(len(others), width * width)
    squares = (rated @ outer).reshape(-1, width, width) + ridge * np.eye(width)
    return np.linalg.solve(squares, (r @ others)[..., None])[..., 0]


def _ones(r: csr_matrix) -> csr_matrix:
    return csr_matrix((np.ones_like(r.data), r.indices, r.indptr), r.shape)
