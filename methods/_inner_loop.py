"""Gradient steps of a two-layer head for many users at once, and the exact way back through them.

The head is z(x) = v' relu(W'x + b) + c. A step moves W by the outer products of the support's rows
with their errors, so a user's first layer stays W + X'A with A of the support's size: rows and
queries need (X X' + 1) A and (C X' + 1) A, the + 1 being the bias b, and no user needs a copy of W.

Forward and backward are written out and run over users few enough to stay in a core's cache: the
same arithmetic as autograd's, exact second order included; layers that stay go back once. The loop
that they must equal, in twelve plain lines, is `_inner_loop_plain`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from ._head import (
    Head,
    cached_slices,
    dot,
    hidden_units,
    joined,
    weighted_sum,
    where_on,
    where_on_,
    without_autocast,
)

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
    given: list[Rate | None] = [start.first, start.last, start.bias]
    given += [anchor.last, anchor.bias, base]
    for rates in schedule:
        given += [_each(rates.first, start.last), _each(rates.last, start.last)]
        given += [_each(rates.bias, start.bias)]
    with (
        torch.set_grad_enabled(torch.is_grad_enabled() and not first_order),
        without_autocast(base),
    ):
        first, last, bias = _Descent.apply(rows, pull, *given)  # type: ignore[no-untyped-call]
    if first_order:
        last = start.last + (last - start.last).detach()
        bias = start.bias + (bias - start.bias).detach()
    return Head(first if first.numel() or start.first is not None else None, last, bias)


def _each(rate: Rate | None, like: Tensor) -> Rate | None:
    """A tensor of rates in the shape of what it moves."""
    return rate.expand(like.shape) if isinstance(rate, Tensor) else rate


@dataclass(frozen=True)
class _Step:
    """What the way back needs of one step of b users."""

    head: Head  # before the step
    hidden: Tensor  # (b, R, H)
    error: Tensor  # (b, R) dL/dz
    chance: Tensor  # (b, R) sigmoid(z), z with the offset


class _Descent(torch.autograd.Function):
    """`given`: the start's A, v and c, the anchor's v and c, the base, then three rates a step."""

    @staticmethod
    def forward(ctx: Any, rows: SupportRows, pull: float, *given: Any) -> tuple[Tensor, ...]:
        ctx.parts, ends = [], []
        for part in cached_slices(*rows.base.shape):
            block = SupportRows(*(column[part] for column in vars(rows).values()))
            start = [tensor[part] if isinstance(tensor, Tensor) else tensor for tensor in given]
            steps: list[_Step] = []
            ends.append(_forward(block, pull, start, steps))
            if any(ctx.needs_input_grad):
                ctx.parts.append((part, block, pull, start, steps))
        return tuple(map(joined, zip(*ends, strict=True)))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *slopes: Tensor) -> tuple[Tensor | None, ...]:
        slopes_by_part = [
            _backward(block, pull, start, steps, [slope[part] for slope in slopes])
            for part, block, pull, start, steps in ctx.parts
        ]
        columns = zip(*slopes_by_part, strict=True)
        return None, None, *(None if c[0] is None else joined(c) for c in columns)


def _forward(
    rows: SupportRows, pull: float, given: list[Any], steps: list[_Step]
) -> tuple[Tensor, ...]:
    """A, v, c after the steps, which are noted; A is empty where the first layer never moved."""
    first, last, bias, anchor_last, anchor_bias, base = given[:6]
    hidden: Tensor | None = None
    for at in range(6, len(given), 3):
        first_rate, last_rate, bias_rate = given[at : at + 3]
        head = Head(first, last, bias)
        if hidden is None:
            hidden = hidden_units(head, base, rows.gram)
        chance = (dot(hidden, last).add_(rows.offset).add_(bias)).sigmoid_()  # (b, R)
        error = (chance - rows.labels).mul_(rows.weight)
        steps.append(_Step(head, hidden, error, chance))
        d_last, d_bias = weighted_sum(error, hidden), error.sum(1, keepdim=True)
        if pull:
            d_last = d_last + pull * (last - anchor_last)
            d_bias = d_bias + pull * (bias - anchor_bias)
        if first_rate is not None:
            moved = where_on((first_rate * last)[:, None].expand_as(hidden), hidden)
            if first is None:
                first = moved.mul_(-error[:, :, None])
            else:
                first = first * (1 - pull * _row(first_rate)) if pull else first
                first = first.clone() if first is given[0] else first
                first.addcmul_(moved, error[:, :, None], value=-1)
            hidden = None
        last, bias = last - last_rate * d_last, bias - bias_rate * d_bias
    return base[:, :, :0] if first is None else first, last, bias


def _backward(
    rows: SupportRows, pull: float, given: list[Any], steps: list[_Step], slopes: list[Tensor]
) -> list[Tensor | None]:
    """The slopes of the outer loss in everything given, from those in A, v and c at the end."""
    to_first, to_last, to_bias = slopes[0].clone(), *slopes[1:]
    anchor_last, anchor_bias = given[3:5]
    to_anchor_last, to_anchor_bias = torch.zeros_like(to_last), torch.zeros_like(to_bias)
    to_base: Tensor | None = None
    to_rates: list[Tensor | None] = []
    left, right = [], []  # the slope in units that steps of a frozen layer share, as a product
    earlier = [None, *(step.hidden for step in steps[:-1])]
    for at, step in zip(range(len(given) - 3, 5, -3), reversed(steps), strict=True):
        first_rate, last_rate, bias_rate = given[at : at + 3]
        head, hidden, error = step.head, step.hidden, step.error
        to_rate: list[Tensor | None] = [None, None, None]
        on: Tensor | None = None
        if isinstance(last_rate, Tensor):
            to_rate[1] = -to_last * (weighted_sum(error, hidden) + pull * (head.last - anchor_last))
        if isinstance(bias_rate, Tensor):
            d_bias = error.sum(1, keepdim=True) + pull * (head.bias - anchor_bias)
            to_rate[2] = -to_bias * d_bias
        by_last, by_bias = last_rate * to_last, bias_rate * to_bias
        to_error = -dot(hidden, by_last) - by_bias  # (b, R)
        if pull:
            to_anchor_last += pull * by_last
            to_anchor_bias += pull * by_bias
            to_last, to_bias = to_last - pull * by_last, to_bias - pull * by_bias
        if first_rate is not None:
            on = where_on(to_first, hidden)
            across = weighted_sum(error, on)  # (b, H)
            by_rate = -head.last * across
            to_error = to_error - dot(on, first_rate * head.last)
            to_last = to_last - first_rate * across
            if head.first is not None and pull:
                by_rate = by_rate - pull * (head.first * to_first).sum(1)
                to_first = to_first - pull * _row(first_rate) * to_first
            to_rate[0] = by_rate if isinstance(first_rate, Tensor) else None
        to_logit = torch.ops.aten.sigmoid_backward(to_error * rows.weight, step.chance)
        left += [-error, to_logit]
        right += [by_last, head.last]
        if earlier.pop() is not hidden:
            product = torch.bmm(torch.stack(left, 2), torch.stack(right, 1), out=on)
            to_hidden = where_on_(product, hidden)  # (b, R, H)
            to_base = to_hidden if to_base is None else to_base.add_(to_hidden)
            if head.first is not None:
                to_first.baddbmm_(rows.gram, to_hidden)  # a gram is its own transpose
            left, right = [], []
        to_last = to_last + weighted_sum(to_logit, hidden)
        to_bias = to_bias + to_logit.sum(1, keepdim=True)
        to_rates = [*to_rate, *to_rates]
    begin = None if given[0] is None else to_first
    anchors = [to_anchor_last, to_anchor_bias] if pull else [None, None]
    return [begin, to_last, to_bias, *anchors, to_base, *to_rates]


def _row(rate: Rate) -> Rate:
    return rate[:, None] if isinstance(rate, Tensor) else rate
