"""All users asked for the same items, as a service asks for its whole catalogue.

A row that was expanded over the users says so by its stride of 0: then one product serves them all,
and no user needs a copy of an item's vector. What a product of the catalogue with what was learnt
costs is paid once, not for each batch. Scores stay within 1e-6.
"""

import torch
from torch import Tensor
from torch.utils.weak import WeakTensorKeyDictionary

_products: WeakTensorKeyDictionary = WeakTensorKeyDictionary()  # features -> weight -> product


def same_items(items: Tensor) -> slice | Tensor | None:
    """The one row (Q,) of (B, Q) items, where it was expanded; None where users have their own.
    Items that follow each other are a slice: rows of a table are then no copy."""
    if not items.numel() or items.stride(0) != 0:
        return None
    row, first = items[0], int(items[0, 0])
    along = slice(first, first + len(row))
    return along if torch.equal(row, torch.arange(first, along.stop, out=row.new_empty(0))) else row


def product_of(features: Tensor, weight: Tensor) -> Tensor:
    """(n, H) features @ weight of a whole catalogue, made once for weights that are learnt: it is
    kept as long as both are."""
    if weight.requires_grad:
        return features @ weight
    kept = _products.setdefault(features, WeakTensorKeyDictionary())
    if weight not in kept:
        kept[weight] = features @ weight
    return kept[weight]
