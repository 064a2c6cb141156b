"""The blocks of any transformers model, found by their structure and open to a change.

A block is a member of the model's outermost list of like modules; its linear layers and norms are
the leaves that have weights. Each leaf is wrapped, so the model's own code runs and a method comes
in between. Attention is replaced by that within an item: _attention.py.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor

from coldbench.encoder import Items
from coldbench.errors import UserError

from ._token_slots import Slots

Part = Callable[[Tensor], Tensor]
NAMES = {  # the last part of a leaf's name, over the families of transformers
    "query": ("query", "q_proj", "q_lin", "q"),
    "key": ("key", "k_proj", "k_lin", "k"),
    "value": ("value", "v_proj", "v_lin", "v"),
    "all three": ("c_attn", "Wqkv", "qkv_proj", "query_key_value"),
}


class Change(Protocol):
    """What a method makes of one part of the model: `part(x)` where it changes nothing.

    x: (B, S, ...) the part's input. Names: a block's number, 0 the lowest changed one, and a linear
    layer or norm as the model calls it, as "0.attention.self.query"; "0.block" is the whole. To
    "0.keys" and "0.values", x the tokens' own (B, S, D), `part` adds none: what is returned,
    (B, P, D), is seen by every token beside its item's own.
    """

    def __call__(self, name: str, x: Tensor, part: Part) -> Tensor: ...


def unchanged(name: str, x: Tensor, part: Part) -> Tensor:
    return part(x)


@dataclass
class Known:
    """What the frozen model makes of the states that enter the lowest changed block, by leaf: the
    same at each step of a user's descent, so computed once."""

    states: Tensor
    made: dict[str, tuple[Tensor, Tensor]] = field(default_factory=dict)  # (input, output)

    def through(self, name: str, x: Tensor, part: Part) -> Tensor:
        if name in self.made and self.made[name][0] is x:
            return self.made[name][1]
        y = part(x)
        if x is self.states or any(x is output for _, output in self.made.values()):
            self.made[name] = x, y
        return y


@dataclass(frozen=True)
class Pass:
    """One pass of a block: which change comes between, and where the tokens stand."""

    change: Change
    depth: int
    slots: Slots
    known: Known


_PASS: ContextVar[Pass] = ContextVar("pass")


@contextmanager
def passing(now: Pass) -> Iterator[None]:
    token = _PASS.set(now)
    try:
        yield
    finally:
        _PASS.reset(token)


def now_passing() -> Pass:
    """The pass that runs: for code that transformers calls, which is handed none."""
    return _PASS.get()


class Leaf(torch.nn.Module):
    """A linear layer or norm of a block, open to a change."""

    def __init__(self, name: str, inner: Any) -> None:
        super().__init__()
        self.name, self.inner = name, inner

    def forward(self, x: Tensor) -> Tensor:
        now = now_passing()
        name = f"{now.depth}.{self.name}"
        return now.change(name, x, lambda z: now.known.through(name, z, self.inner))

    def __getattr__(self, name: str) -> Any:  # a block's own code may ask for a layer's weight
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(super().__getattr__("inner"), name)

    @property
    def linear(self) -> bool:
        return self.inner.weight.dim() == 2

    @property
    def turned(self) -> bool:
        """Whether the weight is (in, out), as GPT-2 has it."""
        return not isinstance(self.inner, torch.nn.Linear)

    @property
    def sizes(self) -> tuple[int, int]:
        """(in, out); of a norm twice the same."""
        if isinstance(self.inner, torch.nn.Linear):  # one that is packed has weights of no shape
            return self.inner.in_features, self.inner.out_features
        shape = tuple(self.inner.weight.shape)
        if not self.linear:
            return shape[0], shape[0]
        return shape[0], shape[1]


def model_of(items: Items) -> Any:
    """A fresh copy of the model that reads the items."""
    if items.encoder.name == "vectors":
        raise UserError(
            "this method changes the encoder itself, and encoder = 'vectors' has none; "
            "use 'minilm' or another model"
        )
    return items.encoder.model().to(items.device)


def blocks_of(model: Any) -> tuple[Any, torch.nn.ModuleList, list[Any]]:
    """The module that holds a model's blocks, these, and the norms that come after the last."""
    for parent in model.modules():
        children = list(parent.named_children())
        for at, (_, child) in enumerate(children):
            if isinstance(child, torch.nn.ModuleList) and len({type(block) for block in child}) < 2:
                after = [
                    norm
                    for name, norm in children[at + 1 :]
                    if "Norm" in type(norm).__name__ and "embed" not in name
                ]
                return parent, child, after
    raise UserError(
        f"{type(model).__name__} has no list of blocks to cut at: this method cannot change it; "
        "use another encoder (coldbench list encoders)"
    )


def leaves_of(block: Any) -> dict[str, Leaf]:
    """The linear layers and norms of a block, by name."""
    leaves = {}
    for name, module in block.named_modules():
        dims = [weight.dim() for weight in module.parameters(recurse=False)]
        if dims and max(dims) < 3 and not isinstance(module, torch.nn.Embedding):
            leaves[name] = Leaf(name, module)
    return leaves


def opened(block: Any) -> dict[str, Leaf]:
    """The same, put into the block in their place."""
    leaves = leaves_of(block)
    for name, leaf in leaves.items():
        parent, _, last = name.rpartition(".")
        setattr(block.get_submodule(parent), last, leaf)
    return leaves


def chosen(leaves: dict[str, Leaf], *parts: str) -> dict[str, Leaf]:
    """The linear layers that make a block's queries, keys or values; one that makes all three is
    each of them. Raises UserError where there are none."""
    known = {n: leaf for n, leaf in leaves.items() if leaf.linear}
    for group in (parts, ("all three",)):
        names = [name for part in group for name in NAMES[part]]
        matching = {n: leaf for n, leaf in known.items() if n.rpartition(".")[2] in names}
        if matching:
            return matching
    raise UserError(
        f"no {' or '.join(parts)} layer is known among {', '.join(known) or 'none'}: this method "
        "cannot change such a model; use another encoder (coldbench list encoders)"
    )


def last_linear(leaves: dict[str, Leaf]) -> Leaf:
    """The layer that leads out of a block's feed-forward net: it is the last in all families."""
    return [leaf for leaf in leaves.values() if leaf.linear][-1]


def per_user(values: Tensor, x: Tensor) -> Tensor:
    """(B, D) values beside x (B, S, ..., D), in its type."""
    return values.to(x).view(len(x), *[1] * (x.dim() - 2), -1)
