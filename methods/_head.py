"""Two-layer heads of many users at once, and what they make of the catalogue's items.

The head is z(x) = v' relu(W'x + b) + c. A user's own first layer is W + X'A, with X the items it
was learnt from (see `_inner_loop`): no user needs a copy of W.
"""

from contextlib import AbstractContextManager
from dataclasses import dataclass

import torch
from torch import Tensor

from . import _compiled as compiled


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
        if compiled.functions(table) is None:
            rows = table.index_select(0, items.reshape(-1)).view(*items.shape, table.shape[1])
            return read(head, hidden_units(head, rows, gram))
        first, learnt = head.first, gram
        if first is None:
            first, learnt = head.last.new_empty(len(items), 0, table.shape[1]), gram[..., :0]
        units = map(compiled.whole, (first, head.last))
        return compiled.logits(compiled.whole(table), items, learnt, *units, head.bias)


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


def weighted_sum(weights: Tensor, values: Tensor) -> Tensor:
    """(b, R), (b, R, H) -> (b, H)"""
    return torch.bmm(weights[:, None], values)[:, 0]
