"""Two-layer heads of many users at once, and what they make of the catalogue's items.

The head is z(x) = v' relu(W'x + b) + c. A user's own first layer is W + X'A, with X the items it
was learnt from (see `_inner_loop`): no user needs a copy of W. Work is done on users few enough to
stay in a core's cache.
"""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

CACHED = 2**17  # numbers of a layer of hidden units worked on at once, half a megabyte: of a whole
# one the C library gives every block back to the system, and each new one is cleared first.


@dataclass(frozen=True)
class Head:
    """The heads of B users, as changes to the shared start. R rows were learnt from."""

    first: Tensor | None  # (B, R, H) A; None: the first layer is still the start's
    last: Tensor  # (B, H) v
    bias: Tensor  # (B, 1) c


def where_on(values: Tensor, hidden: Tensor) -> Tensor:
    """(B, N, H) values where a unit of `hidden` is on, else 0. On a CPU several times as fast as
    torch.where, and it carries gradients to `values` alike."""
    return torch.ops.aten.threshold_backward(values, hidden.detach(), 0)


def where_on_(values: Tensor, hidden: Tensor) -> Tensor:
    """The same in place."""
    return torch.ops.aten.threshold_backward(values, hidden, 0, grad_input=values)


def hidden_units(head: Head, base: Tensor, gram: Tensor) -> Tensor:
    """(B, N, H) of N rows, from their (B, N, H) base and (B, N, R) products with the support."""
    if head.first is None:
        return torch.relu(base)
    return torch.baddbmm(base, gram, head.first).relu_()


def read(head: Head, hidden: Tensor) -> Tensor:
    """(B, N) what the last layer makes of (B, N, H)."""
    return (hidden * head.last[:, None]).sum(2) + head.bias


def logits(head: Head, table: Tensor, items: Tensor, gram: Tensor) -> Tensor:
    """(B, Q) z of the rows (B, Q) of a table (n, H) of x'W + b, from their products (B, Q, R) with
    what was learnt from."""
    table = table.float() if table.dtype == torch.bfloat16 else table
    gram = gram.to(table.dtype)
    with without_autocast(table):
        given = table, items, gram, head.first, head.last, head.bias
        return _Reading.apply(*given)  # type: ignore[no-untyped-call]


def logits_of_same(head: Head, table: Tensor, products: Tensor) -> Tensor:
    """(B, Q) z of the same Q rows for every user: (Q, H) of x'W + b, and their (B, R, Q) products
    with what was learnt from. One user after the other, so that the units stay in a core's cache.
    """
    if head.first is None:
        return head.last @ torch.relu(table).T + head.bias
    users = zip(products, head.first, head.last, strict=True)
    z = [torch.addmm(table, of_user.T, first).relu_() @ last for of_user, first, last in users]
    return torch.stack(z) + head.bias


def without_autocast(tensor: Tensor) -> AbstractContextManager[object]:
    """Steps are sums of small numbers: no autocast."""
    return torch.autocast(tensor.device.type, enabled=False)


def cached_slices(users: int, rows: int, hidden: int) -> Iterator[slice]:
    size = max(1, CACHED // max(1, rows * hidden))
    return (slice(at, at + size) for at in range(0, max(1, users), size))


def joined(parts: Sequence[Tensor]) -> Tensor:
    return parts[0] if len(parts) == 1 else torch.cat(tuple(parts))


def weighted_sum(weights: Tensor, values: Tensor) -> Tensor:
    """(b, R), (b, R, H) -> (b, H)"""
    return torch.bmm(weights[:, None], values)[:, 0]


def dot(values: Tensor, vector: Tensor) -> Tensor:
    """(b, R, H), (b, H) -> (b, R)"""
    return torch.bmm(vector[:, None], values.mT)[:, 0]


def outer(weights: Tensor, vector: Tensor) -> Tensor:
    """(b, R), (b, H) -> (b, R, H)"""
    return weights[:, :, None] * vector[:, None]


class _Reading(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, *given: Any) -> Tensor:
        table, items, gram, first, last, bias = given
        ctx.given, ctx.hidden, read_off = given, [], []
        for part in cached_slices(len(items), items.shape[1], table.shape[1]):
            block = items[part]
            hidden = table.index_select(0, block.reshape(-1)).view(*block.shape, table.shape[1])
            if first is not None:
                hidden.baddbmm_(gram[part], first[part])
            hidden.relu_()
            read_off.append(dot(hidden, last[part]) + bias[part])
            if any(ctx.needs_input_grad):
                ctx.hidden.append((part, hidden))
        return joined(read_off)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor | None, ...]:
        table, items, gram, first, last, _ = ctx.given
        to_table, gradients = torch.zeros_like(table), []
        for part, hidden in ctx.hidden:
            to_logit = slope[part]
            to_last = weighted_sum(to_logit, hidden)
            to_hidden = where_on_(outer(to_logit, last[part]), hidden)
            to_table.index_add_(0, items[part].reshape(-1), to_hidden.flatten(0, 1))
            to_first = to_last if first is None else gram[part].mT @ to_hidden
            gradients.append((to_first, to_last, to_logit.sum(1, keepdim=True)))
        to_first, to_last, to_bias = map(joined, zip(*gradients, strict=True))
        return to_table, None, None, None if first is None else to_first, to_last, to_bias
