"""A score taken apart: what each label of the support adds to it, exactly."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from coldbench import registry
from coldbench.errors import UserError


@dataclass(frozen=True)
class Explanation:
    """Why items score as they do, exactly: base + contributions.sum(2) is the score before it is
    squashed into 0..1."""

    base: Tensor  # (B, Q) the prior score, before the user says anything: K = 0
    contributions: Tensor  # (B, Q, K) what each support item adds; 0 where the support is padded
    unit: Literal["label", "log-odds"]  # squashed by squash_to_unit, by a sigmoid

    @property
    def score(self) -> Tensor:
        """(B, Q) in 0..1: what `score` returns."""
        total = self.base + self.contributions.sum(2)
        return squash_to_unit(total) if self.unit == "label" else torch.sigmoid(total)


def squash_to_unit(x: Tensor, edge: float = 0.05) -> Tensor:
    """Expected labels squashed into 0..1: unchanged inside `edge` of the ends, beyond it by an
    exponential tail. Strictly monotone, so squashing makes no ties."""
    # every tail lies on its own side of x, so the larger and the smaller choose: `where` is slow
    tail = edge * torch.minimum(x - edge, 1 - edge - x).div_(edge).clamp_max_(0).exp_()
    return torch.minimum(torch.maximum(x, tail), 1 - tail)


def explained() -> list[str]:
    """The methods that explain their scores, by name."""
    entries = registry.entries("methods")
    return [entry.name for entry in entries if entry.attributes.get("explains")]


def no_explanation(name: str) -> UserError:
    return UserError(f"{name} has no exact explanation; {', '.join(explained())} have")
