"""An encoder's hidden states below its top blocks: every item read once, kept packed on disk."""

from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from coldbench import store
from coldbench.cache import home
from coldbench.encoder import Items
from coldbench.errors import UserError

BERT_LIKE = ("bert", "roberta", "xlm-roberta", "camembert")


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


def read_below(items: Items, model: Any, blocks: int, batch: int = 64) -> tuple[Tensor, Tensor]:
    """((T, D) packed states below the top blocks, (n_items,) tokens an item)."""
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
    tensors = {"states": states.clone(), "lengths": lengths}
    kept.parent.mkdir(parents=True, exist_ok=True)
    store.write_by(kept, lambda partial: save_file(tensors, partial))
    return states.clone(), lengths
