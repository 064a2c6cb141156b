"""What the choice of items to rate says of a user's vector, learnt from warm users."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from scipy.sparse import csr_matrix

from coldbench.episode import Users

from ._factor_em import Array

RATERS = 20.0  # raters without taste that every item is given, so that one rater is not its word
STRETCH, STRETCHES = 16, 4  # items of a history that make one z, and how many of a user's
USERS = 10.0  # users' worth of a penalty on B


@dataclass(frozen=True)
class Choice:
    """w ~ N(m B'z, C): see choice_prior.py."""

    words: Array  # (n_items, F) A_i B: what an item chosen says of w, before 1 / (K + damping)
    guess: Array  # (S, F) B'z of S stretches of warm users' histories
    truth: Array  # (S, F) those users' posterior means
    share: Array  # (S, 1) of the stretch in its user, so that users count alike
    unsure: Array  # (F, F) mean of the posterior covariances

    @classmethod
    def of(cls, warm: Users, w: Array, covariance: Array, damping: float) -> Self:
        """w: (U, F) and covariance: (U, F, F) of warm users' posterior vectors."""
        each = 1 + warm.negatives_per_positive  # of a positive-only log, what was seen
        rows, counts = warm.log.items[::each], warm.log.counts // each
        offsets = np.concatenate([[0], np.cumsum(counts)])
        seen = csr_matrix((np.ones(len(rows)), rows, offsets), (len(w), warm.log.n_items))
        raters = np.bincount(rows, minlength=warm.log.n_items)
        items = (seen.T @ w) / (raters + RATERS)[:, None]
        items -= raters @ items / max(1, len(rows))

        user = np.repeat(np.arange(len(w)), counts)
        place = (np.arange(len(rows)) - offsets[user]) // STRETCH
        early = place < STRETCHES
        stretch, number = np.unique(user[early] * STRETCHES + place[early], return_inverse=True)
        user = stretch // STRETCHES
        length = np.bincount(number)[:, None]
        chose = csr_matrix((np.ones(len(number)), (number, rows[early])), (len(user), len(items)))
        z = chose @ items / (length + damping)  # (S, F)
        share = (1 / np.bincount(user, minlength=len(w))[user])[:, None]
        square = (z * share).T @ z
        penalty = USERS * np.trace(square) / square.shape[0] / len(w) or 1.0
        b = np.linalg.solve(square + penalty * np.eye(len(square)), (z * share).T @ w[user])
        return cls(items @ b, z @ b, w[user], share, covariance[np.unique(user)].mean(0))

    def prior(self, weight: float) -> tuple[Array, Array]:
        """(n_items, F) what each item chosen adds to C^-1 B'z, and (F, F) C^-1. Weight 0: w ~
        N(0, I), nothing is added."""
        if weight == 0:
            return np.zeros_like(self.words), np.eye(len(self.unsure))
        missed = self.truth - weight * self.guess
        left = (missed * self.share).T @ missed / self.share.sum() + self.unsure  # C
        precision = np.linalg.inv(left)
        return weight * self.words @ precision, precision
