"""Regression in the span of a support whose labels do not count alike.

A weight of w is that of w labels: w (y - f)^2, or w times the cross-entropy. 0 is padding.
"""

import torch
from torch import Tensor

from ._kernel import ridge


def regress(products: Tensor, residuals: Tensor, weight: Tensor, strength: Tensor) -> Tensor:
    """(B, K): W^1/2 (W^1/2 G W^1/2 + strength I)^-1 W^1/2 r, ridge regression in its dual.

    products: (B, K, K) G; residuals, weight: (B, K).
    """
    root = weight.sqrt()
    return root * ridge(scaled(products, root), root * residuals, strength)


def mode(
    products: Tensor, start: Tensor, labels: Tensor, weight: Tensor, *, steps: int, longest: float
) -> Tensor:
    """(B, K): a, such that f = G a is the likeliest change of the log-odds `start`, whose prior is
    N(0, G), by Newton's method (Rasmussen & Williams 2006, algorithm 3.1).

    longest: change of a log-odds in one step at most: far from the mode it overshoots.
    """
    moved, solution, unit = torch.zeros_like(start), torch.zeros_like(start), start.new_ones(())
    for _ in range(steps if start.shape[1] else 0):
        chance = torch.sigmoid(start + moved)
        curve = chance * (1 - chance) * weight
        root = curve.sqrt()
        pull = curve * moved + (labels - chance) * weight
        inside = root * (products @ pull[..., None])[..., 0]
        target = pull - root * ridge(scaled(products, root), inside, unit)
        goal = (products @ target[..., None])[..., 0]
        farthest = (goal - moved).abs().amax(1, keepdim=True)
        step = (longest / farthest.clamp_min(1e-9)).clamp_max(1)
        solution, moved = torch.lerp(solution, target, step), torch.lerp(moved, goal, step)
    return solution


def scaled(products: Tensor, root: Tensor) -> Tensor:
    """(B, K, K): both sides times (B, K)."""
    return root[:, :, None] * products * root[:, None]
