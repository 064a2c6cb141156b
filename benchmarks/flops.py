"""What a call computes: torch's counter of floating-point operations, and the formulas it lacks.

A multiplication and an addition are two operations. Counted are products of matrices and vectors,
attention (the masked half too), convolutions, factorisations and solves; what is done element by
element is not, nor is anything outside torch.
"""

from collections import Counter
from collections.abc import Callable
from math import prod
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry, sdpa_flop

aten = torch.ops.aten
Shape = tuple[int, ...]


def _vector(matrix: Shape, _: Shape) -> int:
    return 2 * prod(matrix)


def _added_vector(_: Shape, matrix: Shape, __: Shape) -> int:
    return 2 * prod(matrix)


def _cholesky(a: Shape, *_: object) -> int:
    return prod(a) * a[-1] // 3  # Golub & Van Loan, Matrix Computations, 4.2


def _triangular(a: Shape, b: Shape) -> int:
    return prod(b) * a[-1]


def _cholesky_solve(b: Shape, a: Shape, *_: object) -> int:
    return 2 * prod(b) * a[-1]


def _solve(a: Shape, b: Shape, *_: object) -> int:
    return 2 * prod(a) * a[-1] // 3 + 2 * prod(b) * a[-1]  # by LU


LACKING: dict[Any, Callable[..., int]] = {
    aten.dot: _vector,
    aten.mv: _vector,
    aten.addmv: _added_vector,
    aten.linalg_cholesky_ex: _cholesky,
    aten.linalg_solve_triangular: _triangular,
    aten.cholesky_solve: _cholesky_solve,
    aten._linalg_solve_ex: _solve,
}
KNOWN = flop_registry | {aten._scaled_dot_product_flash_attention_for_cpu: sdpa_flop}


class _Counter(TorchDispatchMode):
    """Hears of every operation, those of a gradient too."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.flops = 0
        self.looked_up: Counter[int] = Counter()  # rows read of an embedding table, by its size

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # nothing is compiled here, and to say so imports for a second

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs, packet = kwargs or {}, func._overloadpacket
        if packet not in KNOWN and packet not in LACKING:
            with self:  # in inference mode one may come that is made of several
                parts = func.decompose(*args, **kwargs)
                if parts is not NotImplemented:
                    return parts
        out = func(*args, **kwargs)
        if packet in KNOWN:
            self.flops += KNOWN[packet](*args, **kwargs, out_val=out)
        elif packet in LACKING:
            shapes = (tuple(a.shape) if isinstance(a, Tensor) else a for a in args)
            self.flops += LACKING[packet](*shapes)
        elif packet is aten.embedding:
            self.looked_up[len(args[0])] += args[1].numel()
        return out


def count(call: Callable[[], object]) -> tuple[int, int] | None:
    """Operations of the call, and its tokens: the rows it reads of its largest embedding table,
    which is a language model's vocabulary (positions and kinds have smaller ones). None where what
    it does cannot be heard, as torch says of some operations: a row is not lost for it."""
    try:
        with _Counter() as counter:
            call()
    except Exception:
        return None
    largest = max(counter.looked_up, default=0)
    return counter.flops, counter.looked_up[largest]
