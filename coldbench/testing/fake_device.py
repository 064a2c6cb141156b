"""Two places on one machine: the items' and the CPU's, told apart though both are memory.

A GPU refuses to mix its tensors with the CPU's, a CPU mixes all. Inside `two_places` a tensor that
is made without a device, or from numpy, is marked as the CPU's until `.to(...)` moves it, and what
follows from it is marked too; an operation that mixes it with an unmarked one raises as CUDA would.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode, resolve_name

from coldbench.encoder import Encoder

FACTORIES = {
    getattr(torch, name)
    for name in (
        "arange as_tensor asarray empty eye full linspace logspace ones rand randint randn "
        "randperm scalar_tensor tensor tril_indices triu_indices zeros"
    ).split()
}
MOVES = {Tensor.to, Tensor.type_as, Tensor.cuda}
READS: set[Any] = {Tensor.numpy, Tensor.__array__}  # of the CPU's tensors alone
SET_DATA = Tensor.data.__set__  # type: ignore[attr-defined]  # what nn.Module.to moves a weight by
ASKS = {torch._has_compatible_shallow_copy_type}  # of their kind alone, before it does
OWN = str(Path(torch.__file__).parent)


class OnCPU(Tensor):
    """A tensor that no one has moved to where the items are."""


@contextmanager
def strict_devices() -> Iterator[Callable[[object], bool]]:
    """Yields what says whether a tensor was left on the CPU.

    An encoder's `embed` works on the CPU and is left alone: its vectors are the CPU's.
    """
    from_numpy, embed = torch.from_numpy, Encoder.embed

    def embedded(encoder: Encoder, *given: Any, **named: Any) -> Tensor:
        with torch._C.DisableTorchFunction():
            return embed(encoder, *given, **named).as_subclass(OnCPU)

    with (
        mock.patch.object(torch, "from_numpy", lambda x: from_numpy(x).as_subclass(OnCPU)),
        mock.patch.object(Encoder, "embed", embedded),
        _Places(),
    ):
        yield lambda thing: isinstance(thing, OnCPU)


class _Places(TorchFunctionMode):
    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        if func in FACTORIES:
            result = _call(func, args, kwargs)
            placed = kwargs.get("device") is not None
            return result if placed or any(map(_is_there, _tensors(args))) else _marked(result)
        subject = args[0] if args else None
        if func is Tensor.copy_ or func in ASKS or getattr(func, "__name__", "") == "__set__":
            out = _call(func, args, kwargs)  # from any place to any
            if func == SET_DATA:
                subject.__class__ = OnCPU if isinstance(args[1], OnCPU) else Tensor
            return out
        if getattr(func, "__name__", "") == "__get__":  # .T, .data, .grad
            return (
                _marked(_call(func, args, kwargs))
                if _is_cpu(subject)
                else _call(func, args, kwargs)
            )
        given = list(_tensors((args, kwargs)))
        cpu, on_device = any(map(_is_cpu, given)), any(map(_is_there, given))
        if func in READS and on_device:
            raise AssertionError(f"{_name(func)} of a tensor of the items' device{_line()}")
        if func is Tensor.cpu:
            return _marked(_call(func, args, kwargs))
        if func in MOVES:
            moved = _call(func, args, kwargs)
            return moved.as_subclass(Tensor) if cpu and _moves(args, kwargs) else moved
        if func in (Tensor.__getitem__, Tensor.__setitem__):
            cpu = _is_cpu(subject)  # the CPU's numbers may say which of the device's are meant
            on_device = on_device and cpu
        if cpu and on_device:
            raise AssertionError(f"{_name(func)} of the items' tensors and the CPU's{_line()}")
        out = _call(func, args, kwargs)
        return _marked(out) if cpu else out


def _call(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    with torch._C.DisableTorchFunctionSubclass():
        return func(*args, **kwargs)


def _moves(args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Whether `.to` names a place (or a tensor in one), not a type alone."""
    named = [*args[1:], *kwargs.values()]
    return any(isinstance(x, torch.device | str) or _is_there(x) for x in named)


def _tensors(things: Any) -> Iterator[Tensor]:
    if isinstance(things, Tensor):
        yield things
    elif isinstance(things, list | tuple):
        for thing in things:
            yield from _tensors(thing)
    elif isinstance(things, dict):
        yield from _tensors(list(things.values()))


def _is_cpu(thing: object) -> bool:
    return isinstance(thing, OnCPU) and thing.dim() > 0


def _is_there(thing: object) -> bool:
    """A single number mixes with any place, so it counts as in none."""
    return isinstance(thing, Tensor) and not isinstance(thing, OnCPU) and thing.dim() > 0


def _marked(result: Any) -> Any:
    if isinstance(result, Tensor):
        is_plain = result.dim() > 0 and not isinstance(result, OnCPU)
        return result.as_subclass(OnCPU) if is_plain else result
    if isinstance(result, list | tuple) and any(isinstance(x, Tensor) for x in result):
        parts = [_marked(part) for part in result]
        return type(result)(*parts) if hasattr(result, "_fields") else type(result)(parts)
    return result


def _name(func: Any) -> str:
    return (resolve_name(func) or repr(func)).removeprefix("torch.").removeprefix("Tensor.")


def _line() -> str:
    """Where, outside torch and this file, it was asked for."""
    frame: Any = sys._getframe(1)
    while frame and frame.f_code.co_filename.startswith((OWN, __file__)):
        frame = frame.f_back
    return f" in {Path(frame.f_code.co_filename).name}, line {frame.f_lineno}" if frame else ""
