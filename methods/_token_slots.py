"""Items' tokens without padding, and back: where attention is within an item, there alone items
are padded to one length."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class Slots:
    """Where a token stands among items padded to L tokens each; rows count through all users."""

    token: Tensor  # (B N L,) the row of (B S) that fills a slot; any row where none does
    filled: Tensor  # (B N L,) bool
    slot: Tensor  # (B S,) the row of (B N L) in which a token stands; any row for padding
    real: Tensor  # (B S,) bool
    length: int  # L

    def spread(self, x: Tensor) -> Tensor:
        """(B, S, D) -> (B N, L, D)"""
        rows: Tensor = _moved(x.flatten(0, 1), self.token, self.slot, self.real)
        return rows.view(-1, self.length, x.shape[2])

    def gather(self, x: Tensor, users: int) -> Tensor:
        """(B N, L, D) -> (B, S, D)"""
        rows: Tensor = _moved(x.flatten(0, 1), self.slot, self.token, self.filled)
        return rows.view(users, -1, x.shape[2])


class _Moved(torch.autograd.Function):
    """Rows put into another order. What comes back is moved the other way: a gather too, where
    autograd would add row by row."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, order: Tensor, back: Tensor, came: Tensor) -> Tensor:
        ctx.save_for_backward(back, came)
        return x.index_select(0, order)

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> tuple[Tensor | None, ...]:
        back, came = ctx.saved_tensors
        return slopes[0].index_select(0, back).mul_(came[:, None]), None, None, None


_moved: Callable[..., Tensor] = _Moved.apply
