"""The encoder as token-level methods read it: a frozen trunk, read once, and its top blocks.

Users share items, and the blocks below the changed ones see each item once: their hidden states are
kept packed, in memory and on disk. Only the top blocks run per user, all users of a batch at once;
`Change` is where a method comes in between, so one pass serves LoRA, adapters, scales or biases.

A user's tokens stand one after another, without padding between items, for all that is done token
by token. Attention is within an item: there, and only there, items are padded to one length.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.nn.functional import normalize, pad, scaled_dot_product_attention

from coldbench.encoder import Items
from coldbench.errors import UserError

from ._frozen_states import bert_like, read_below
from ._token_slots import Slots

Part = Callable[[Tensor], Tensor]


class Change(Protocol):
    """What a method makes of one part of the model: `part(x)` where it changes nothing.

    x: (B, S, ...) the part's input. Names: "0.query", "0.key", "0.value", "0.attention" (its dense
    layer), "0.attention_norm", "0.intermediate", "0.activation", "0.output" (of the feed-forward
    net), "0.output_norm" and "0.block" (the whole); 0 is the lowest changed block. "0.keys" and
    "0.values" (B, P, D) are seen by every token beside its item's own: here `part` gives P = 0.
    """

    def __call__(self, name: str, x: Tensor, part: Part) -> Tensor: ...


def unchanged(name: str, x: Tensor, part: Part) -> Tensor:
    return part(x)


@dataclass(frozen=True)
class Packed:
    """The tokens of N items for each of B users, a user's items one after another; S tokens."""

    states: Tensor  # (B, S, D) what enters the lowest changed block
    projected: tuple[Part, ...]  # (B, S, D) its query, key and value before any change: known
    slots: Slots
    pooling: Tensor  # (B, N, S) weights that make one vector of an item's tokens


@dataclass(frozen=True)
class SharedEncoder:
    """The frozen part of an encoder, already read, and its top blocks, still to run."""

    states: Tensor  # (T, D) every item's tokens packed, in the type that products are made in
    starts: Tensor  # (n_items,) int64, where an item's tokens begin
    lengths: Tensor  # (n_items,) int64
    top: tuple[Any, ...]  # transformers' own blocks; None first: `states` left that block already
    heads: int
    pooling: str
    plain: Tensor  # (n_items, D) float32 unit vectors, read without a change

    @classmethod
    def of(
        cls, items: Items, blocks: int, *, above: bool = False, dtype: torch.dtype = torch.float32
    ) -> "SharedEncoder":
        """Read the catalogue, or take it from the cache where it is there.

        above: nothing inside the lowest changed block changes, only what leaves it.
        """
        model = bert_like(items).to(items.device)
        layers = list(model.encoder.layer)
        if not 1 <= blocks <= len(layers):
            raise UserError(f"blocks must be 1 to {len(layers)} for this encoder, not {blocks}")
        states, lengths = (
            part.to(items.device) for part in read_below(items, model, blocks - above)
        )
        top = [layer.to(dtype) for layer in layers[-blocks:]]
        if above:
            top[0] = None
        heads, pooling = model.config.num_attention_heads, items.encoder.pooling
        starts = lengths.cumsum(0) - lengths
        trunk = cls(states.to(dtype), starts, lengths, tuple(top), heads, pooling, items.features)
        return trunk if dtype == torch.float32 else replace(trunk, plain=trunk.every())

    def every(self, change: Change = unchanged, batch: int = 64) -> Tensor:
        """(n_items, D) the catalogue read with one change, that of a single user."""
        with torch.no_grad():
            parts = [
                self.read(self.pack(some[None], torch.ones_like(some[None]).bool()), change)[0]
                for some in torch.arange(len(self.lengths), device=self.states.device).split(batch)
            ]
        return torch.cat(parts)

    def pack(self, items: Tensor, mask: Tensor) -> Packed:
        """(B, N) item numbers; a masked one has no tokens and the vector 0."""
        users, count = items.shape
        lengths = self.lengths[items] * mask  # (B, N)
        ends = lengths.cumsum(1)
        size, length = max(1, int(ends[:, -1].max())), max(1, int(lengths.max()))  # S, L
        place = torch.arange(size, device=items.device).expand(users, -1)
        which = torch.searchsorted(ends, place.contiguous(), right=True)  # (B, S); N: padding
        own = which.clamp_max(count - 1)
        within = place - (ends - lengths).gather(1, own)  # (B, S) a token's place in its item
        real = which == own
        token = torch.where(real, self.starts[items].gather(1, own) + within, 0)
        states = self.states[token]
        belongs = which[:, None, :] == torch.arange(count, device=items.device)[:, None]
        if self.pooling == "cls":
            belongs = belongs & (place[:, None, :] == (ends - lengths)[:, :, None])
        if self.pooling == "last":
            belongs = belongs & (place[:, None, :] == ends[:, :, None] - 1)
        pooling = belongs.float() / belongs.sum(2, keepdim=True).clamp_min(1)
        user = torch.arange(users, device=items.device)[:, None]
        inside = torch.arange(length, device=items.device)
        first = user * size + (ends - lengths).clamp_max(size - 1)  # (B, N)
        filled = inside < lengths[:, :, None]  # (B, N, L)
        slots = Slots(
            torch.where(filled, first[:, :, None] + inside, 0).flatten(),
            filled.flatten(),
            torch.where(real, (user * count + own) * length + within, 0).flatten(),
            real.flatten(),
            length,
        )
        projected = tuple(_known(part(states)) for part in _projections(self.top[0]))
        return Packed(states, projected, slots, pooling)

    def read(self, packed: Packed, change: Change = unchanged) -> Tensor:
        """(B, N, D) float32 unit vectors of the items, read with the change."""
        hidden = packed.states
        for depth, layer in enumerate(self.top):

            def block(x: Tensor, depth: int = depth, layer: Any = layer) -> Tensor:
                if layer is None:
                    return x
                parts = packed.projected if depth == 0 else _projections(layer)
                return self._block(layer, x, parts, packed.slots, _within(depth, change))

            hidden = change(f"{depth}.block", hidden, block)
        return normalize(packed.pooling @ hidden.float(), dim=2)

    def _block(
        self, layer: Any, x: Tensor, parts: tuple[Part, ...], slots: Slots, change: Change
    ) -> Tensor:
        """One block of BERT as transformers computes it without dropout, with the change inside."""
        self_output, output = layer.attention.output, layer.output
        mixed = self._attend(x, parts, slots, change)
        mixed = change("attention", mixed, self_output.dense)
        middle = change("attention_norm", mixed + x, self_output.LayerNorm)
        wide = change("intermediate", middle, layer.intermediate.dense)
        wide = change("activation", wide, layer.intermediate.intermediate_act_fn)
        out = change("output", wide, output.dense)
        return change("output_norm", out + middle, output.LayerNorm)

    def _attend(self, x: Tensor, parts: tuple[Part, ...], slots: Slots, change: Change) -> Tensor:
        """(B, S, D): each token's values, mixed by how its query meets the keys of its item."""
        names = ("query", "key", "value")
        q, k, v = (
            slots.spread(change(name, x, part)) for name, part in zip(names, parts, strict=True)
        )  # (B N, L, D)
        seen = slots.filled.view(-1, 1, 1, slots.length)
        seen = seen | (torch.arange(slots.length, device=x.device) == 0)  # not nothing at all
        more = [change(name, x, _none) for name in ("keys", "values")]  # (B, P, D)
        if more[0].shape[1]:
            seen = pad(seen, (more[0].shape[1], 0), value=True)
            k, v = (
                torch.cat([extra.repeat_interleave(len(k) // len(x), 0), own], 1)
                for extra, own in zip(more, (k, v), strict=True)
            )
        q, k, v = (y.unflatten(2, (self.heads, -1)).transpose(1, 2) for y in (q, k, v))
        mixed = _mix(q, k, v, seen).transpose(1, 2).flatten(2)
        return slots.gather(mixed, len(x))


def _mix(q: Tensor, k: Tensor, v: Tensor, seen: Tensor) -> Tensor:
    """(B N, heads, L, D / heads): softmax(q k' / sqrt) v over what is seen."""
    if q.device.type == "cpu" and q.dtype == torch.bfloat16 and torch.is_grad_enabled():
        # torch's own way back from bfloat16 attention takes ten times as long on a CPU
        scores = (q * q.shape[3] ** -0.5) @ k.mT
        return scores.masked_fill(~seen, torch.finfo(scores.dtype).min).softmax(3) @ v
    return scaled_dot_product_attention(q, k, v, seen)


def _known(y: Tensor) -> Part:
    return lambda x: y


def _none(x: Tensor) -> Tensor:
    return x[:, :0]


def _projections(layer: Any) -> tuple[Part, ...]:
    if layer is None:
        return ()
    attend = layer.attention.self
    return attend.query, attend.key, attend.value


def _within(depth: int, change: Change) -> Change:
    return lambda name, x, part: change(f"{depth}.{name}", x, part)


def hidden_units(trunk: SharedEncoder, depth: int) -> int:
    """Of the feed-forward net of a changed block."""
    return int(trunk.top[depth].intermediate.dense.out_features)
