"""Pairs of one user's items, one liked better: labels without what the user's scale adds to them.

Bradley & Terry (1952): the chance that a is rated above b is sigmoid(f_a - f_b). Rendle et al.,
"BPR: Bayesian Personalized Ranking from Implicit Feedback" (2009), arXiv:1205.2618, train on it.
"""

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from coldbench.episode import Users

Int = NDArray[np.int64]


def pairs_of(labels: Tensor, mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Every pair of a support's (B, K) places: (P,) left, (P,) right and (B, P) which is better, 1
    left, -1 right, 0 neither or padding; P = K (K - 1) / 2."""
    left, right = torch.triu_indices(labels.shape[1], labels.shape[1], 1, device=labels.device)
    both = mask[:, left] & mask[:, right]
    return left, right, torch.sign(labels[:, left] - labels[:, right]) * both


def sampled_pairs(warm: Users, size: int, count: int, seed: int) -> Iterator[tuple[Int, Int, Int]]:
    """`count` times (n,) users, better items and worse items, of `size` pairs drawn from a user's
    own ratings; those of equal labels are left out, so n <= size."""
    log, rng = warm.log, np.random.default_rng(seed)
    for _ in range(count):
        rows = rng.integers(0, len(log), size) if len(log) else np.zeros(0, np.int64)
        users = log.users[rows]
        others = log.offsets[users] + rng.integers(0, log.counts[users])
        apart = warm.labels[rows] - warm.labels[others]
        better, worse = np.where(apart > 0, rows, others), np.where(apart > 0, others, rows)
        real = apart != 0
        yield users[real], log.items[better[real]], log.items[worse[real]]


def bradley_terry(differences: Tensor, sign: Tensor, strength: Tensor, steps: int = 8) -> Tensor:
    """(B, F): the likeliest w of w'(x_a - x_b), under N(0, I / strength), by Newton's method.

    differences: (B, P, F) x_a - x_b; sign: (B, P) of which is better, 0 says nothing.
    """
    width = differences.shape[2]
    w = differences.new_zeros(len(differences), width)
    eye = strength * torch.eye(width, device=w.device)
    for _ in range(steps):
        odds = (differences @ w[..., None])[..., 0] * sign
        chance = torch.sigmoid(-odds)  # of the pair being the other way round
        slope = (differences * (chance * sign)[..., None]).sum(1) - strength * w
        curve = chance * (1 - chance) * sign.abs()
        hessian = differences.mT @ (differences * curve[..., None]) + eye
        w = w + torch.linalg.solve(hessian, slope)
    return w
