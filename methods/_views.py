"""Every item in several wordings, read by the encoder: for methods that learn from more than one.

Texts are changed by `coldbench.augment`. Where a dataset brings vectors and no encoder reads text,
entries of a vector are left out instead, a part `rate` of them.
"""

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize

from coldbench.augment.text import views
from coldbench.augment.wordnet import Synonyms
from coldbench.encoder import Items, pool
from coldbench.errors import UserError


def item_views(
    items: Items, copies: int, seed: int, *, rate: float, synonyms: bool = False
) -> Tensor:
    """(copies, n_items, D) unit vectors, the same for the same seed. Of a fused encoder the text's
    part alone is another. Raises Unavailable where synonyms are asked for and WordNet is not there.
    """
    rng = np.random.default_rng(seed)
    if items.encoder.name == "vectors":
        kept = rng.random((copies, *items.features.shape)) >= rate
        return normalize(items.features * torch.from_numpy(kept).to(items.device), dim=2)
    words = Synonyms.read() if synonyms else None
    texts = views(items.catalogue.text, copies, rng, rate=rate, words=words)
    return torch.stack([_read(items, list(view)) for view in texts])


def dropout_views(items: Items, copies: int, seed: int) -> Tensor:
    """(copies, n_items, D) unit vectors of the texts as they are, read while the encoder's own
    dropout is on (Gao, Yao & Chen 2021, arXiv:2104.08821). The same for the same seed. Raises
    UserError where nothing is read, or nothing dropped."""
    if items.encoder.name == "vectors":
        raise UserError("dropout pairs need an encoder that reads text: use 'minilm' or another")
    model, device = items.encoder.model().to(items.device).train(), items.device
    ids, mask = (part.to(device) for part in items.encoder.tokens(list(items.catalogue.text)))
    lengths = mask.sum(1)
    views = items.features.new_empty(copies, *items.features.shape)
    cuda = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(cuda), torch.no_grad():
        torch.manual_seed(seed % 2**63)
        for view in views:
            for rows in lengths.argsort(stable=True).split(64):  # of like length together
                width = int(lengths[rows].max())
                seen = mask[rows, :width]
                hidden = model(ids[rows, :width], seen.long()).last_hidden_state
                view[rows] = normalize(pool(hidden, seen, items.encoder.pooling), dim=1)
    if copies and torch.allclose(views[0], items.features, rtol=0, atol=1e-5):
        raise UserError(f"encoder {items.encoder.name!r} has no dropout: no two readings differ")
    return views


def _read(items: Items, texts: list[str]) -> Tensor:
    """(n_items, D); an item whose text is as it was keeps its vector."""
    pairs = zip(texts, items.catalogue.text, strict=True)
    changed = [number for number, (new, old) in enumerate(pairs) if new != old]
    features = items.features.clone()
    if changed:
        read = items.encoder.embed([texts[number] for number in changed]).to(features)
        share = (1 - items.encoder.fusion) ** 0.5
        rows = torch.tensor(changed, device=features.device)
        features[rows, : read.shape[1]] = share * read
    return features
