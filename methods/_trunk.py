"""The encoder as token-level methods read it: a frozen trunk, read once, and its top blocks.

Users share items, and the blocks below the changed ones see each item once: their hidden states are
kept packed, in memory and on disk. Only the top blocks run per user, all users of a batch at once;
`Change` is where a method comes in between, so one pass serves LoRA, adapters, scales or biases.
"""

import os
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.nn.functional import normalize, scaled_dot_product_attention

from coldbench.download import home
from coldbench.encoder import Items
from coldbench.errors import UserError

BERT_LIKE = ("bert", "roberta", "xlm-roberta", "camembert")


class Change(Protocol):
    """What a method makes of the output y (B, S, E) of the part `name` of the model.

    x: (B, S, D) the part's input. Names: "0.query", "0.key", "0.value", "0.attention" (its dense
    layer), "0.intermediate", "0.output" (both of the feed-forward net) and "0.block" (the whole);
    0 is the lowest changed block.
    """

    def __call__(self, name: str, x: Tensor, y: Tensor) -> Tensor: ...


def unchanged(name: str, x: Tensor, y: Tensor) -> Tensor:
    return y


@dataclass(frozen=True)
class Packed:
    """The tokens of N items for each of B users, a user's items one after another; S tokens."""

    states: Tensor  # (B, S, D) what enters the lowest changed block
    projected: tuple[Tensor, ...]  # (B, S, D) its query, key and value before any change
    seen: Tensor  # (B, 1, S, S) bool, which tokens a token attends to: those of its own item
    pooling: Tensor  # (B, N, S) weights that make one vector of an item's tokens


@dataclass(frozen=True)
class Trunk:
    """The frozen part of an encoder, already read, and its top blocks, still to run."""

    states: Tensor  # (T, D) float32, every item's tokens packed
    starts: Tensor  # (n_items,) int64, where an item's tokens begin
    lengths: Tensor  # (n_items,) int64
    top: tuple[Any, ...]  # transformers' own blocks; None first: `states` left that block already
    heads: int
    pooling: str

    @classmethod
    def of(cls, items: Items, blocks: int, *, above: bool = False) -> "Trunk":
        """Read the catalogue, or take it from the cache where it is there.

        above: nothing inside the lowest changed block changes, only what leaves it.
        """
        model = bert_like(items).to(items.device)
        layers = list(model.encoder.layer)
        if not 1 <= blocks <= len(layers):
            raise UserError(f"blocks must be 1 to {len(layers)} for this encoder, not {blocks}")
        top = layers[-blocks:]
        if above:
            top[0] = None
        states, lengths = (part.to(items.device) for part in _read(items, model, blocks - above))
        return cls(
            states,
            lengths.cumsum(0) - lengths,
            lengths,
            tuple(top),
            model.config.num_attention_heads,
            items.encoder.pooling,
        )

    def pack(self, items: Tensor, mask: Tensor) -> Packed:
        """(B, N) item numbers; a masked one has no tokens and the vector 0."""
        lengths = self.lengths[items] * mask  # (B, N)
        ends = lengths.cumsum(1)
        place = torch.arange(int(ends[:, -1].max()), device=items.device).expand(len(items), -1)
        which = torch.searchsorted(ends, place.contiguous(), right=True)  # (B, S); N: padding
        own = which.clamp_max(items.shape[1] - 1)
        first = self.starts[items] - ends + lengths  # (B, N) of an item's tokens, less its place
        token = torch.where(which == own, first.gather(1, own) + place, 0)
        belongs = which[:, None, :] == torch.arange(items.shape[1], device=items.device)[:, None]
        if self.pooling == "last":
            belongs = belongs & (place[:, None, :] == ends[:, :, None] - 1)
        pooling = belongs.float() / belongs.sum(2, keepdim=True).clamp_min(1)
        states = self.states[token]
        seen = (which[:, :, None] == which[:, None, :]).unsqueeze(1)
        projected = _projections(self.top[0], states) if self.top[0] else ()
        return Packed(states, projected, seen, pooling)

    def read(self, packed: Packed, change: Change = unchanged) -> Tensor:
        """(B, N, D) unit vectors of the items, read with the change."""
        hidden, projected = packed.states, packed.projected
        for depth, layer in enumerate(self.top):
            out = hidden
            if layer is not None:
                projected = projected if depth == 0 else _projections(layer, hidden)
                out = self._block(layer, hidden, projected, packed.seen, _within(depth, change))
            hidden = change(f"{depth}.block", hidden, out)
        return normalize(packed.pooling @ hidden, dim=2)

    def _block(
        self, layer: Any, x: Tensor, projected: tuple[Tensor, ...], seen: Tensor, change: Change
    ) -> Tensor:
        """One block of BERT as transformers computes it without dropout, with the change inside."""
        q, k, v = (
            change(name, x, y).unflatten(2, (self.heads, -1)).transpose(1, 2)
            for name, y in zip(("query", "key", "value"), projected, strict=True)
        )  # (B, heads, S, D / heads)
        mixed = scaled_dot_product_attention(q, k, v, seen).transpose(1, 2).flatten(2)
        mixed = change("attention", mixed, layer.attention.output.dense(mixed))
        middle = layer.attention.output.LayerNorm(mixed + x)
        wide = change("intermediate", middle, layer.intermediate.dense(middle))
        wide = layer.intermediate.intermediate_act_fn(wide)
        out = change("output", wide, layer.output.dense(wide))
        return layer.output.LayerNorm(out + middle)


def _projections(layer: Any, x: Tensor) -> tuple[Tensor, ...]:
    attend = layer.attention.self
    return attend.query(x), attend.key(x), attend.value(x)


def _within(depth: int, change: Change) -> Change:
    return lambda name, x, y: change(f"{depth}.{name}", x, y)


def bert_like(items: Items) -> Any:
    """A fresh copy of the encoder, if it is one whose blocks we know."""
    name = items.encoder.name
    if name == "vectors":
        raise UserError(
            "this method changes the encoder itself, and encoder = 'vectors' has none; "
            "use 'minilm' or another model of BERT's kind"
        )
    model: Any = items.encoder.model()
    if model.config.model_type not in BERT_LIKE:
        raise UserError(
            f"encoder {name!r} is a {model.config.model_type} model; token-level methods know "
            f"{', '.join(BERT_LIKE)}: use 'minilm' or another of these"
        )
    return model


def _read(items: Items, model: Any, blocks: int, batch: int = 64) -> tuple[Tensor, Tensor]:
    """((T, D) packed states below the top blocks, (n_items,) tokens an item)."""
    from safetensors.torch import load_file, save_file

    kept = home() / "tokens" / f"{items.encoder.hash}-{items.catalogue.hash()}-{blocks}.safetensors"
    if kept.is_file():
        found = load_file(kept)
        return found["states"], found["lengths"]
    ids, mask = (part.to(items.device) for part in items.encoder.tokens(list(items.catalogue.text)))
    lengths = mask.sum(1)
    parts: list[Tensor] = [torch.empty(0)] * len(ids)
    with torch.inference_mode():
        for rows in lengths.argsort(stable=True).split(batch):  # of like length together
            width = int(lengths[rows].max())
            seen = mask[rows, :width]
            read = model(ids[rows, :width], seen.long(), output_hidden_states=True)
            for row, states, real in zip(rows, read.hidden_states[-1 - blocks], seen, strict=True):
                parts[row] = states[real]
        states = torch.cat(parts)
    kept.parent.mkdir(parents=True, exist_ok=True)
    partial = kept.with_name(f".{os.getpid()}-{kept.name}")
    save_file({"states": states.clone(), "lengths": lengths}, partial)
    partial.rename(kept)
    return states.clone(), lengths
