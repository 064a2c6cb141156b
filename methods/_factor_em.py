"""Items' factors by EM: what a user's ratings leave unsure about the user is counted when the
items' factors are fitted.

Rubin & Thayer, "EM algorithms for ML factor analysis" (1982), over the pairs that were rated, with
a noise of its own for each item. After each round the covariance of users is put into the factors
(Liu, Rubin & Wu, "Parameter expansion to accelerate EM: the PX-EM algorithm" (1998)).
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from ._als import factorise

Array = NDArray[np.float64]
NOISE_RATERS = 20.0  # raters' worth of the mean noise that every item is given


@dataclass(frozen=True)
class Model:
    """The residual of item i is V_i'w + e, with w ~ N(0, I) for a user and e ~ N(0, s_i^2)."""

    factors: Array  # (n_items, F) V
    noise: Array  # (n_items,) s^2
    raters: float  # of the mean item, that every item was given; inf: fold-in's factors, no EM

    def posterior(self, r: csr_matrix) -> tuple[Array, Array]:
        """(U, F) means and (U, F, F) covariances of w, given each user's row of residuals."""
        v, width = self.factors, self.factors.shape[1]
        scaled = v / self.noise[:, None]
        outer = (scaled[:, :, None] * v[:, None]).reshape(len(v), width * width)
        precision = (ones(r) @ outer).reshape(-1, width, width) + np.eye(width)
        covariance = np.linalg.inv(precision)
        return (covariance @ (r @ scaled)[..., None])[..., 0], covariance


def start(r: csr_matrix, factors: int, seed: int) -> Iterator[Model]:
    """Fold-in's factors, under three guesses of one noise for all items: the likeliest first."""
    v = factorise(r, factors, 8.0, 10, seed).double().numpy()
    variance = float((r.data**2).mean()) if r.nnz else 0.0
    for share in (0.6, 0.3, 1.0):
        yield Model(v, np.full(len(v), share * variance or 1.0), np.inf)


def fit(r: csr_matrix, model: Model, raters: float, rounds: int) -> Model:
    """The model after so many rounds of EM.

    raters: the mean item's factors count as so many raters of each item, so that an item that few
    rated stays near them.
    """
    by_item = r.T.tocsr()
    rated_by, counts = ones(by_item), np.diff(by_item.indptr)
    squares = np.asarray(by_item.multiply(by_item).sum(1)).ravel()
    v, noise, width = model.factors, model.noise, model.factors.shape[1]
    for _ in range(rounds):
        w, covariance = Model(v, noise, raters).posterior(r)
        second = w[:, :, None] * w[:, None] + covariance  # (U, F, F) expected ww'
        seconds = (rated_by @ second.reshape(len(w), -1)).reshape(-1, width, width)
        firsts = by_item @ w
        mean = counts @ v / max(1, counts.sum())
        target = (firsts + raters * mean)[..., None]
        v = np.linalg.solve(seconds + raters * np.eye(width), target)[..., 0]
        wrong = squares - 2 * (v * firsts).sum(1) + ((seconds @ v[..., None])[..., 0] * v).sum(1)
        shared = max(wrong.sum() / max(1, counts.sum()), 1e-6)
        noise = (wrong + NOISE_RATERS * shared) / (counts + NOISE_RATERS)
        v = v @ np.linalg.cholesky(second.mean(0))
    return Model(v, noise, raters)


def path(
    r: csr_matrix, factors: int, seed: int, *, rounds: int, raters: float | None
) -> Iterator[Model]:
    """The models to choose among: fold-in's own, then EM, each from the one before. With a given
    number of raters, EM's of these alone; with no rounds, fold-in's alone."""
    models = list(start(r, factors, seed))
    if raters is None or not rounds:
        yield from models
    model = models[0]
    for more in (20.0, 60.0, 200.0, 600.0) if raters is None else (raters,):
        if rounds:
            model = fit(r, model, more, rounds)
            yield model


def ones(r: csr_matrix) -> csr_matrix:
    """1 where there is a rating."""
    return csr_matrix((np.ones_like(r.data), r.indices, r.indptr), r.shape)
