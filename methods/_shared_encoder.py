"""The encoder as token-level methods read it: a frozen trunk, read once, and its top blocks.

Users share items, and the blocks below the changed ones see each item once: their hidden states are
kept packed, in memory and on disk. Only the top blocks run per user, all users of a batch at once;
`Change` is where a method comes in between, so one pass serves LoRA, adapters, scales or biases.

A user's tokens stand one after another, without padding between items, for all that is done token
by token. Attention is within an item: there, and only there, items are padded to one length.
"""

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import normalize

from coldbench.encoder import Items
from coldbench.errors import UserError

from ._attention import attend_within_items
from ._backbone import (
    Change,
    Known,
    Leaf,
    Pass,
    blocks_of,
    model_of,
    opened,
    passing,
    unchanged,
)
from ._frozen_states import Told, mapped, read_below, told_blocks
from ._token_slots import Slots

NEAR = 1e-3  # an entry of a unit vector may differ by so much from the whole model's


@dataclass(frozen=True)
class Packed:
    """The tokens of N items for each of B users, a user's items one after another; S tokens."""

    known: Known  # (B, S, D) what enters the lowest changed block, and what it becomes unchanged
    within: Tensor  # (B, S) int64, a token's place in its item
    slots: Slots
    pooling: Tensor  # (B, N, S) weights that make one vector of an item's tokens
    longest: int  # tokens of the longest item there is

    @property
    def states(self) -> Tensor:
        return self.known.states

    def placed(self, argument: Tensor) -> Tensor:
        """What a model tells of places 0, 1, ... (1, L, ...), told of these tokens' (B, S, ...)."""
        by_place = argument.dim() < 4 and argument.shape[:2] == (1, self.longest)
        return argument[0, self.within] if by_place else argument


@dataclass(frozen=True)
class SharedEncoder:
    """The frozen part of an encoder, already read, and its top blocks, still to run."""

    states: Tensor  # (T, D) every item's tokens packed, in the type that products are made in
    starts: Tensor  # (n_items,) int64, where an item's tokens begin
    lengths: Tensor  # (n_items,) int64
    top: tuple[Any, ...]  # transformers' own blocks; None first: `states` left that block already
    leaves: tuple[dict[str, Leaf], ...]  # of each, by name: its linear layers and norms
    told: Told  # what the model tells each of them of its places
    after: tuple[Any, ...]  # norms above the last block
    pooling: str
    plain: Tensor  # (n_items, D) float32 unit vectors, read without a change

    @classmethod
    def of(
        cls, items: Items, blocks: int, *, above: bool = False, dtype: torch.dtype = torch.float32
    ) -> "SharedEncoder":
        """Read the catalogue, or take it from the cache where it is there.

        above: nothing inside the lowest changed block changes, only what leaves it. Raises
        UserError where the model has not so many blocks, or where they cannot be cut apart: read in
        two halves, some items are then not what the whole model reads.
        """
        model = model_of(items)
        _, layers, after = blocks_of(model)
        if not 1 <= blocks <= len(layers):
            raise UserError(f"blocks must be 1 to {len(layers)} for this encoder, not {blocks}")
        states, lengths = (
            part.to(items.device) for part in read_below(items, model, layers, blocks - above)
        )
        top: list[Any] = list(layers)[-blocks:]
        arguments = told_blocks(model, top, int(lengths.max()))
        attend_within_items(model)
        leaves = tuple(opened(block.to(dtype)) for block in top)
        if above:
            top[0] = None
        arguments = mapped(arguments, lambda x: x.to(dtype) if x.is_floating_point() else x)
        starts = lengths.cumsum(0) - lengths
        trunk = cls(
            states.to(dtype), starts, lengths, tuple(top), leaves, arguments,
            tuple(norm.to(dtype) for norm in after),
            items.encoder.pooling, items.features,
        )  # fmt: skip
        trunk._verify(items)
        return trunk if dtype == torch.float32 else replace(trunk, plain=trunk.every())

    def every(self, change: Change = unchanged, batch: int = 64) -> Tensor:
        """(n_items, D) the catalogue read with one change, that of a single user."""
        with torch.no_grad():
            parts = [
                self.read(self.pack(block[None], torch.ones_like(block[None]).bool()), change)[0]
                for block in torch.arange(len(self.lengths), device=self.states.device).split(batch)
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
        position = which.clamp_max(count - 1)
        within = place - (ends - lengths).gather(1, position)  # (B, S) a token's place in its item
        real = which == position
        token = torch.where(real, self.starts[items].gather(1, position) + within, 0)
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
            torch.where(real, (user * count + position) * length + within, 0).flatten(),
            real.flatten(),
            length,
        )
        known = Known(states)
        return Packed(known, torch.where(real, within, 0), slots, pooling, int(self.lengths.max()))

    def read(self, packed: Packed, change: Change = unchanged) -> Tensor:
        """(B, N, D) float32 unit vectors of the items, read with the change."""
        hidden = packed.states
        for depth, layer in enumerate(self.top):

            def block(x: Tensor, depth: int = depth, layer: Any = layer) -> Tensor:
                if layer is None:
                    return x
                args, options = mapped(self.told[depth], packed.placed)
                with passing(Pass(change, depth, packed.slots, packed.known)):
                    out = layer(x, *args, **options)
                return out[0] if isinstance(out, tuple) else out

            hidden = change(f"{depth}.block", hidden, block)
        for norm in self.after:
            hidden = norm(hidden)
        return normalize(packed.pooling @ hidden.float(), dim=2)

    def _verify(self, items: Items) -> None:
        sample = torch.linspace(0, len(items) - 1, min(8, len(items)), device=items.device).long()
        with torch.no_grad():
            read = self.read(self.pack(sample[None], torch.ones_like(sample[None]).bool()))[0]
        off = float((read - items.features[sample]).abs().max())
        if not off < (NEAR if self.states.dtype == torch.float32 else 0.1):
            raise UserError(
                f"encoder {items.encoder.name!r}: its top blocks alone do not make what the whole "
                f"model makes (off by {off:.2g}), so this method cannot change it; use another "
                "encoder (coldbench list encoders)"
            )
