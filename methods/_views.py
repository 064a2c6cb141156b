"""Every item in several wordings, read by the encoder: for methods that learn from more than one.

Texts are changed by `coldbench.augment`. Where a dataset brings vectors and no encoder reads text,
entries of a vector are left out instead, a part `rate` of them.
"""

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize

from coldbench.augment import views
from coldbench.encoder import Items
from coldbench.wordnet import Synonyms


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
