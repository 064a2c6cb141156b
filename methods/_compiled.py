"""The door to the C files of this folder, on a CPU: the inner loop, what heads make of items, and
the look-up of items' products.

One user's numbers stay in a core's first cache, forwards and backwards, where torch's operations
read and write blocks of all users a thousand times a step. Equal to `_inner_loop`, `_head` and
`_kernel`, in float32 up to its rounding.
"""

import ctypes
from collections.abc import Sequence
from ctypes import Structure, byref, c_double, c_int, c_void_p
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from coldbench import compiled

LANES = 16  # units are worked on so many at a time
REALS = {torch.float32: "float", torch.float64: "double"}


def functions(like: Tensor) -> ctypes.CDLL | None:
    """The functions for such numbers; None where torch's operations do their work."""
    real = REALS.get(like.dtype) if like.device.type == "cpu" else None
    return compiled.library(Path(__file__).parent, real) if real else None


def whole(tensor: Tensor) -> Tensor:
    """Units (last dimension) up to a multiple of `LANES`: those that are added are off."""
    lacking = -tensor.shape[-1] % LANES
    return torch.nn.functional.pad(tensor, (0, lacking)) if lacking else tensor


def without(tensor: Tensor, units: int) -> Tensor:
    """The units that `whole` was given."""
    return tensor if tensor.shape[-1] == units else tensor[..., :units]


def inner_loop(moves: tuple[bool, ...], pull: float, *given: Tensor | None) -> tuple[Tensor, ...]:
    """A (B, R, H), v and c after the steps. moves: (T,) whether a step moves the first layer.

    given: base (B, R, H), gram, offset, labels, weight; the start's A or None, v and c; the
    anchor's v and c; rates (T, B or 1, 2 H + LANES) of first layer, last and bias. Gradients reach
    all but gram, offset, labels and weight.
    """
    return _Descent.apply(moves, pull, *given)  # type: ignore[no-untyped-call]


def logits(*given: Tensor) -> Tensor:
    """(B, Q) log-odds. given: a table (n, H), its rows that are asked (B, Q) and their products
    (B, Q, R) with what was learnt from; A (B, R, H), v and c."""
    return _Logits.apply(*given)  # type: ignore[no-untyped-call]


def looked_up(products: Tensor, left: Tensor, right: Tensor, plus: float) -> Tensor:
    """(B, N, M) `plus` and the products (n, n) at rows (B, N) and columns (B, M)."""
    left, right = left.long().contiguous(), right.long().contiguous()
    out = products.new_empty(*left.shape, right.shape[1])
    sizes = map(c_int, (*out.shape, len(products)))
    given = map(_pointer, (products, left, right))
    _within(_functions(products).looked_up(*sizes, *given, c_double(plus), _pointer(out)))
    return out


class _Problem(Structure):
    _fields_ = [
        *((name, c_int) for name in ("users", "rows", "units", "steps", "own_rates")),
        ("moves", c_void_p),
        ("pull", c_double),
        *((f"given_{at}", c_void_p) for at in range(11)),
        *((f"room_{at}", c_void_p) for at in range(10)),
    ]


class _Slopes(Structure):
    _fields_ = [(f"to_{at}", c_void_p) for at in range(10)]


class _Asked(Structure):
    _fields_ = [
        *((name, c_int) for name in ("users", "asked", "rows", "units", "items")),
        *((f"given_{at}", c_void_p) for at in range(6)),
        *((f"room_{at}", c_void_p) for at in range(2)),
    ]


class _Descent(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, moves: tuple[bool, ...], pull: float, *given: Tensor | None) -> Any:
        base, rates = _there(given[0]), _there(given[-1])
        users, rows, units = base.shape
        steps = len(moves)
        support, layer, end = (users, rows), (users, units), (users, 1)
        shapes = [base.shape, (*support, rows), support, support, support, base.shape, layer, end]
        own = rates.shape[1] if rates.shape[1] in (1, users) else users
        shapes += [layer, end, (steps, own, 2 * units + LANES)]
        read = _fitting(given, shapes)
        layers = steps + 1 if pull else 1
        sizes = [(steps, rows, units), (layers, rows, units), (steps + 1, units), (steps, rows)]
        sizes += [(steps, rows), (steps + 1,), (rows, units), (rows, units), (units,), (rows,)]
        room = [base.new_empty(size) for size in sizes]
        flags = (c_int * steps)(*moves)
        shape = users, rows, units, steps, own > 1, ctypes.addressof(flags), pull
        ctx.problem = _Problem(*shape, *map(_address, read), *map(_address, room))
        ctx.read, ctx.room, ctx.flags = read, room, flags  # C reads them as long as they live
        ended = base.new_empty(base.shape), base.new_empty(layer), base.new_empty(end)
        _functions(base).inner_loop(byref(ctx.problem), *map(_pointer, ended))
        return ended

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *slopes: Tensor) -> tuple[Tensor | None, ...]:
        begun, rates = ctx.read[5], _there(ctx.read[-1])
        given = [slope.contiguous() for slope in slopes]
        first = None if begun is None else torch.empty_like(begun)
        base, *ends = (torch.empty_like(ctx.read[at]) for at in (0, 6, 7, 8, 9))
        to_rates = None
        if ctx.needs_input_grad[-1]:
            to_rates = base.new_zeros(len(rates), len(base), rates.shape[2])
        slots = _Slopes(*map(_address, [*given, base, first, *ends, to_rates]))
        _functions(base).inner_loop_back(byref(ctx.problem), byref(slots))
        if to_rates is not None:
            to_rates = to_rates.sum_to_size(rates.shape)
        return None, None, base, *[None] * 4, first, *ends, to_rates


class _Logits(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, *given: Tensor) -> Tensor:
        table, items, *heads = given
        users, asked, rows = heads[0].shape
        units = table.shape[1]
        shapes = [(users, asked, rows), (users, rows, units), (users, units), (users, 1)]
        read = _fitting([table, *heads], [table.shape, *shapes])
        read[1:1] = _fitting([items.long()], [(users, asked)])
        room = [table.new_empty(asked, units) for _ in range(2)]
        shape = users, asked, rows, units, len(table)
        ctx.problem = _Asked(*shape, *map(_address, read), *map(_address, room))
        ctx.read, ctx.room = read, room  # C reads them as long as they live
        out = table.new_empty(users, asked)
        _within(_functions(table).logits(byref(ctx.problem), _pointer(out)))
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor | None, ...]:
        table, _, _, first, last, _ = ctx.read
        slope = slope.contiguous()
        ends = torch.zeros_like(table), torch.empty_like(first), torch.empty_like(last)
        _functions(table).logits_back(byref(ctx.problem), *map(_pointer, [slope, *ends]))
        return ends[0], None, None, *ends[1:], slope.sum(1, keepdim=True)


def _within(found: int) -> None:
    if not found:
        raise IndexError("an item that the catalogue does not have")


def _fitting(
    given: Sequence[Tensor | None], shapes: Sequence[tuple[int, ...]]
) -> list[Tensor | None]:
    """As C reads them, which asks nothing: of one type, of these shapes, without gaps."""
    kinds = {tensor.dtype for tensor in given if tensor is not None}
    found = [None if tensor is None else tuple(tensor.shape) for tensor in given]
    wanted = [here and tuple(shape) for here, shape in zip(found, shapes, strict=True)]
    if len(kinds) > 1 or found != wanted:
        raise ValueError(f"tensors of {kinds} and shapes {found} where {wanted} go together")
    return [tensor if tensor is None else tensor.contiguous() for tensor in given]


def _there(tensor: Tensor | None) -> Tensor:
    assert tensor is not None
    return tensor


def _address(tensor: Tensor | None) -> int | None:
    return None if tensor is None else tensor.data_ptr()


def _pointer(tensor: Tensor) -> c_void_p:
    return c_void_p(tensor.data_ptr())


def _functions(like: Tensor) -> ctypes.CDLL:
    library = functions(like)
    assert library is not None
    return library
