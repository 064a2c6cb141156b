"""Ratings as steps on a ladder: the likelihood of ordered categories, and where it is highest.

McCullagh, "Regression Models for Ordinal Data" (1980), the proportional odds model: with a utility
z and rising thresholds t_1 .. t_C, P(category <= c) = sigmoid(t_{c+1} - z). A rating in category c
is then two logistic observations, z above t_c and z below t_{c+1}, and a term of their gap alone:

    log P = log sigmoid(z - t_c) + log sigmoid(t_{c+1} - z) + log(1 - exp(t_c - t_{c+1}))

all three concave in z and the thresholds together, so Newton's method finds the one maximum.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import one_hot

LONGEST = 4.0  # change of a log-odds in one step of Newton's method: far away it overshoots


@dataclass(frozen=True)
class Rated:
    """What B users rated, N items each."""

    features: Tensor  # (B, N, F) of the items: a user's utility of one is start + features w
    start: Tensor  # (B, N)
    category: Tensor  # (B, N) int64, 0 .. C
    weight: Tensor  # (B, N) ratings that it stands for; 0 is padding


def likeliest(rated: Rated, thresholds: Tensor, own: Tensor, steps: int) -> tuple[Tensor, Tensor]:
    """(B, F) the likeliest w and (B, C) the likeliest thresholds of each user, under w ~ N(0, I)
    and thresholds ~ N(the given (C,), own^2 I) as far as these rise.

    steps: of Newton's method, each at most as long as leaves half of every gap: thresholds with no
    rating between them may come close, and never cross.
    """
    users, items, width = rated.features.shape
    count = len(thresholds)
    eye = torch.eye(count).to(thresholds)
    seen = torch.cat(  # (B, N C, F + C): z - t, item by item and threshold by threshold
        [
            rated.features[:, :, None].expand(-1, -1, count, -1),
            (-own * eye).expand(users, items, -1, -1),
        ],
        3,
    ).reshape(users, items * count, width + count)
    start = (rated.start[..., None] - thresholds).flatten(1)
    stands = rated.weight[..., None] * one_hot(rated.category, count + 1)  # (B, N, C + 1)
    above, below = stands[..., 1:].flatten(1), stands[..., :-1].flatten(1)  # (B, N C)
    inside = stands[..., 1:-1].sum(1)  # (B, C - 1) ratings between two thresholds
    apart = own * (eye[1:] - eye[:-1])  # (C - 1, C) d gap / d theta
    solution = seen.new_zeros(users, width + count)
    prior = torch.eye(width + count).to(seen)
    for _ in range(steps):
        z = start + (seen @ solution[..., None])[..., 0]
        gap = (thresholds.diff() + solution[:, width:] @ apart.T).clamp_min(1e-6)  # (B, C - 1)
        chance = torch.sigmoid(z)
        slope = (seen.mT @ (above * (1 - chance) - below * chance)[..., None])[..., 0] - solution
        curve = (above + below) * chance * (1 - chance)
        precision = seen.mT @ (seen * curve[..., None]) + prior
        pull = inside / torch.expm1(gap)
        bend = pull / -torch.expm1(-gap)
        slope[:, width:] += pull @ apart
        precision[:, width:, width:] += apart.T @ (bend[..., None] * apart)
        step = torch.cholesky_solve(slope[..., None], torch.linalg.cholesky(precision))[..., 0]
        far = (seen @ step[..., None])[..., 0].abs().amax(1) if items else step.new_zeros(users)
        closing = (-(step[:, width:] @ apart.T) / gap).amax(1) if count > 1 else far
        short = torch.minimum(LONGEST / far.clamp_min(1e-9), 0.5 / closing.clamp_min(1e-9))
        solution = solution + short.clamp_max(1)[:, None] * step
    return solution[:, :width], thresholds + own * solution[:, width:]


def expected(utility: Tensor, thresholds: Tensor, values: Tensor) -> Tensor:
    """(B, Q) the mean label of (B, Q) utilities: the lowest value, and each step up times the
    chance to be above its threshold. thresholds: (B, C); values: (C + 1,) that rise."""
    above = torch.sigmoid(utility[..., None] - thresholds[:, None])  # (B, Q, C)
    return values[0] + above @ values.diff()
