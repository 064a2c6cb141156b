"""The blocks of any transformers model, found by their structure and open to a change.

A block is a member of the model's outermost list of like modules; its linear layers and norms are
the leaves that have weights. Each leaf is wrapped, so the model's own code runs and a method comes
in between. Attention is replaced by that within an item, by transformers' own interface for it.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.nn.functional import pad, scaled_dot_product_attention

from coldbench.encoder import Items
from coldbench.errors import UserError

from ._token_slots import Slots

Part = Callable[[Tensor], Tensor]
ATTENTION = "coldbench-within-items"
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


class Leaf(torch.nn.Module):
    """A linear layer or norm of a block, open to a change."""

    def __init__(self, name: str, inner: Any) -> None:
        super().__init__()
        self.name, self.inner = name, inner

    def forward(self, x: Tensor) -> Tensor:
        now = _PASS.get()
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
        shape = tuple(self.inner.weight.shape)
        if not self.linear:
            return shape[0], shape[0]
        return (shape[0], shape[1]) if self.turned else (shape[1], shape[0])


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


def within_items(
    module: Any, query: Tensor, key: Tensor, value: Tensor, mask: Any, **options: Any
) -> tuple[Tensor, None]:
    """(B, heads, S, d) each -> (B, S, heads, d): a token sees those of its item, and a prefix."""
    now = _PASS.get()
    slots, heads = now.slots, query.shape[1]
    flat = [x.transpose(1, 2).flatten(2) for x in (query, key, value)]  # (B, S, heads d)
    q, k, v = map(slots.spread, flat)  # (B N, L, heads d)
    more = [
        now.change(f"{now.depth}.{name}", x, lambda x: x[:, :0])
        for name, x in zip(("keys", "values"), flat[1:], strict=True)
    ]  # (B, P, D)
    place = torch.arange(slots.length, device=q.device)
    seen = slots.filled.view(-1, 1, 1, slots.length)
    seen = seen | (place == 0)  # not nothing at all
    apart = place[:, None] - place
    causal, window = getattr(module, "is_causal", False), options.get("sliding_window")
    if causal:
        seen = seen & (apart >= 0)
    if window is not None:  # transformers' own of encoders is wider by the token itself
        seen = seen & (apart.abs() < window)
    bias = options.get("position_bias")
    bias = None if bias is None else bias[:, :, : slots.length, : slots.length]
    extra = more[0].shape[1]
    if extra:
        seen = pad(seen, (extra, 0), value=True)
        bias = None if bias is None else pad(bias, (extra, 0))
        k, v = (
            torch.cat([added.repeat_interleave(len(k) // len(query), 0), x], 1)
            for added, x in zip(more, (k, v), strict=True)
        )
    q, k, v = (
        y.unflatten(2, (-1, x.shape[3])).transpose(1, 2)
        for x, y in ((query, q), (key, k), (value, v))
    )
    if heads > k.shape[1]:
        k, v = (x.repeat_interleave(heads // k.shape[1], 1) for x in (k, v))
    mixed = _mix(q, k, v, (seen, bias), (options.get("scaling"), options.get("softcap")))
    mixed = slots.gather(mixed.transpose(1, 2).flatten(2), len(query))
    return mixed.unflatten(2, (heads, -1)), None


def attend_within_items(model: Any) -> None:
    """From now on the model's attention is `within_items`."""
    from transformers import AttentionInterface

    AttentionInterface.register(ATTENTION, within_items)
    model.set_attn_implementation(ATTENTION)


def _mix(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    over: tuple[Tensor, Tensor | None],
    scores_by: tuple[float | None, float | None],
) -> Tensor:
    """(B N, heads, L, d): softmax(q k' scale + bias) v over what is seen."""
    (seen, bias), (scale, cap) = over, scores_by
    scale = q.shape[3] ** -0.5 if scale is None else scale
    slow = q.device.type == "cpu" and q.dtype == torch.bfloat16 and torch.is_grad_enabled()
    if slow or cap is not None:
        # torch's own way back from bfloat16 attention takes ten times as long on a CPU
        scores = (q * scale) @ k.mT
        scores = scores if cap is None else cap * torch.tanh(scores / cap)
        scores = scores if bias is None else scores + bias
        return scores.masked_fill(~seen, torch.finfo(scores.dtype).min).softmax(3) @ v
    if bias is not None:
        seen = bias.masked_fill(~seen, torch.finfo(bias.dtype).min)
    return scaled_dot_product_attention(q, k, v, seen, scale=scale)
