"""Gradient steps of a two-layer head for many users at once, and the exact way back through them.

The head is z(x) = v' relu(W'x + b) + c. A step moves W by the outer products of the support's rows
with their errors, so a user's first layer stays W + X'A with A of the support's size: rows and
queries need (X X' + 1) A and (C X' + 1) A, the + 1 being the bias b, and no user needs a copy of W.

The steps are here in torch's operations, for any device, and autograd goes back through them, the
exact second order included. On a CPU that has a C compiler `_inner_loop.c` takes both ways, user by
user. The loop that both must equal, in twelve plain lines, is `_inner_loop_plain`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from . import _compiled as compiled
from ._head import Head, hidden_units, read, weighted_sum, where_on, without_autocast

Rate = float | Tensor


@dataclass(frozen=True)
class SupportRows:
    """What an inner loop sees of the support: R rows a user, padding at weight 0."""

    base: Tensor  # (B, R, H) x'W + b where the loop starts
    gram: Tensor  # (B, R, R) x'x + 1
    offset: Tensor  # (B, R) log-odds of the prior
    labels: Tensor  # (B, R) in 0..1
    weight: Tensor  # (B, R) share in the user's loss


@dataclass(frozen=True)
class Rates:
    """Learning rates of one step: numbers, or tensors that broadcast (learned, or a user's own).

    A rate of the first layer may differ by hidden unit, not by weight: that would leave the span.
    """

    first: float | Tensor | None  # to (B, H); None: the first layer is frozen
    last: float | Tensor  # to (B, H)
    bias: float | Tensor  # to (B, 1)


def descend(
    start: Head,
    rows: SupportRows,
    schedule: Sequence[Rates],
    *,
    first_order: bool = False,
    pull: float = 0,
    anchor: Head | None = None,
) -> Head:
    """One gradient step of the support's cross-entropy + pull / 2 |head - anchor|^2 a `Rates`.

    Gradients reach `start`, `anchor`, `rows.base` and the rates; the other rows are constants.
    first_order: the outer gradient takes the steps as constants.
    anchor: the shared start, where `start` is a user on the way from it; None: `start`.
    """
    anchor = anchor or start
    base = rows.base.float() if rows.base.dtype == torch.bfloat16 else rows.base
    rows = SupportRows(base, *(column.to(base.dtype) for column in list(vars(rows).values())[1:]))
    with (
        torch.set_grad_enabled(torch.is_grad_enabled() and not first_order),
        without_autocast(base),
    ):
        steps = _compiled if compiled.functions(base) and schedule else _steps
        head = steps(start, anchor, rows, schedule, pull)
    if not first_order:
        return head
    last = start.last + (head.last - start.last).detach()
    return Head(head.first, last, start.bias + (head.bias - start.bias).detach())


def _steps(
    start: Head, anchor: Head, rows: SupportRows, schedule: Sequence[Rates], pull: float
) -> Head:
    head, hidden = start, None
    for rates in schedule:
        if hidden is None:
            hidden = hidden_units(head, rows.base, rows.gram)
        error = (torch.sigmoid(read(head, hidden) + rows.offset) - rows.labels) * rows.weight
        d_last = weighted_sum(error, hidden) + pull * (head.last - anchor.last)
        d_bias = error.sum(1, keepdim=True) + pull * (head.bias - anchor.bias)
        first = head.first
        if rates.first is not None:
            rate = rates.first
            if isinstance(rate, Tensor):
                rate = rate.expand_as(head.last)[:, None]  # (B, 1, H)
            on = where_on((rate * head.last[:, None]).expand_as(hidden), hidden)
            moved = error[:, :, None] * on
            first = -moved if first is None else first * (1 - pull * rate) - moved
            hidden = None
        head = Head(first, head.last - rates.last * d_last, head.bias - rates.bias * d_bias)
    return head


def _compiled(
    start: Head, anchor: Head, rows: SupportRows, schedule: Sequence[Rates], pull: float
) -> Head:
    moves = tuple(rates.first is not None for rates in schedule)
    given = [rate for rates in schedule for rate in vars(rates).values()]
    own = any(isinstance(rate, Tensor) and rate.dim() > 1 for rate in given)
    users, units = start.last.shape if own else (1, start.last.shape[1])
    made = {id(rates): _row(rates, users, units, rows.base) for rates in schedule}
    first, last, bias = compiled.inner_loop(
        moves,
        pull,
        compiled.whole(rows.base),
        *(rows.gram, rows.offset, rows.labels, rows.weight),
        None if start.first is None else compiled.whole(start.first),
        *(compiled.whole(start.last), start.bias, compiled.whole(anchor.last), anchor.bias),
        torch.stack([made[id(rates)] for rates in schedule]),
    )
    moved = start.first is not None or any(moves)
    last = compiled.without(last, units)
    return Head(compiled.without(first, units) if moved else None, last, bias)


def _row(rates: Rates, users: int, units: int, like: Tensor) -> Tensor:
    """The rates of first layer, last layer and bias, each up to a multiple of LANES."""
    given = (rates.first, units), (rates.last, units), (rates.bias, 1)
    rows = (
        torch.as_tensor(0.0 if rate is None else rate, dtype=like.dtype).expand(users, width)
        for rate, width in given
    )
    return torch.cat([*map(compiled.whole, rows)], 1)
