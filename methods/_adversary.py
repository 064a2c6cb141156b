"""Where the adversaries of `adversarial-*` and `vat` move a support item to.

They move its embedding e, at the head where every user starts, by lengths in units of |e| / sqrt D.
What they find is a constant to both loops.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import normalize

from ._gradient_head import HeadLayer
from ._head import Head, read, where_on
from ._inner_loop import SupportRows


@dataclass(frozen=True)
class Climb:
    """Steps uphill inside a ball around the item."""

    steps: int
    stride: float  # length of a step, in units
    reach: float  # radius of the ball, in units


@torch.no_grad()
def climbed(
    seen: Tensor, start: Head, rows: SupportRows, trunk: HeadLayer, climb: Climb
) -> list[Tensor]:  # of (B, K, D)
    """Where items (B, K, D) are before the first step, and after each. A step goes along g / |g|,
    g = dL/de, and ends at the nearest point of the ball."""
    points, base, length = [seen], rows.base, unit(seen)
    for step in range(climb.steps):
        if step:
            base = trunk.of(points[-1])
        error = torch.sigmoid(rows.offset + read(start, torch.relu(base))) - rows.labels
        uphill = error.sign()[..., None] * normalize(slope(base, start, trunk), dim=2)
        away = points[-1] + climb.stride * length * uphill - seen
        far = away.norm(dim=2, keepdim=True).clamp_min(1e-12)
        points.append(seen + away * (climb.reach * length / far).clamp_max(1))
    return points


@torch.no_grad()
def slope(base: Tensor, start: Head, trunk: HeadLayer) -> Tensor:
    """(B, K, D) dz/de = W (v where a unit is on), of rows whose x'W + b is (B, K, H)."""
    last = start.last[:, None].expand_as(base)
    return where_on(last, torch.relu(base)) @ trunk.weight.T


def unit(seen: Tensor) -> Tensor:
    """(B, K, 1) |e| / sqrt D, for embeddings (B, K, D)."""
    return seen.norm(dim=2, keepdim=True) / seen.shape[2] ** 0.5
