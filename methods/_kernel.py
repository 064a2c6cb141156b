"""Inner products between the items a user saw and others, and ridge regression in their span.

With K labels and D features everything a linear model can learn of a user lies in the span of K
items: K numbers a user are its state, and K x K systems are all there is to solve.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import embedding
from torch.utils.weak import WeakTensorKeyDictionary

SMALL = 4_000  # items of a catalogue whose products are kept, as long as its features are: 64 MB
_grams: WeakTensorKeyDictionary = WeakTensorKeyDictionary()
SLICE = 2**20  # numbers gathered at once: larger blocks leave the cache and are a third slower


@dataclass(frozen=True)
class Seen:
    """A user as a weighted sum of the items in the support."""

    items: Tensor  # (B, K) int64
    weights: Tensor  # (B, K) float32, 0 where the support is padded

    def dot(self, features: Tensor, asked: Tensor) -> Tensor:
        """(B, Q): sum_i w_i e_i'e_q for the asked items q."""
        return (self.weights[:, None] @ inner(features, self.items, asked))[:, 0]


def inner(features: Tensor, left: Tensor, right: Tensor) -> Tensor:
    """(B, N), (B, M) item numbers -> (B, N, M) inner products of their features; looked up where
    the catalogue is small."""
    n_items, width = features.shape
    if n_items <= SMALL:
        where = left[:, :, None] * n_items + right[:, None]
        return kept_products(features).view(-1).index_select(0, where.view(-1)).view(where.shape)
    if left.shape[1] * right.shape[1] == 0:
        return features.new_zeros(*left.shape, right.shape[1])
    whole = right.shape[1] > n_items // 8  # then a product with the catalogue costs less
    others = left.shape[1] * n_items if whole else right.shape[1] * width
    size = max(1, SLICE // (left.shape[1] * width + others))
    parts = []
    for block, asked in zip(left.split(size), right.split(size), strict=True):
        e = embedding(block, features)  # (b, N, D), rows copied twice as fast as by features[some]
        if left is right:
            parts.append(e @ e.mT)
        elif whole:
            index = asked[:, None].expand(-1, e.shape[1], -1)
            parts.append((e @ features.T).gather(2, index))
        else:
            parts.append(e @ embedding(asked, features).mT)
    return torch.cat(parts)


def kept_products(features: Tensor) -> Tensor:
    """(n_items, n_items), kept."""
    if features not in _grams:
        with torch.no_grad():
            _grams[features] = features @ features.T
    return _grams[features]


def inner_of_same(features: Tensor, support: Tensor, row: slice | Tensor) -> Tensor:
    """(B, K) item numbers, one row (Q,) for all users -> (B, K, Q) inner products."""
    seen, place = support.unique(return_inverse=True)
    if len(features) <= SMALL:
        products = kept_products(features).T[row][:, seen].T
    else:
        products = features[seen] @ features[row].T  # (S, Q)
    return products.contiguous()[place]


def gram(features: Tensor, items: Tensor, mask: Tensor) -> Tensor:
    """(B, K, K) inner products of a support with itself; rows and columns of padding are 0."""
    return inner(features, items, items) * (mask[:, :, None] & mask[:, None])


def ridge(products: Tensor, residuals: Tensor, strength: Tensor) -> Tensor:
    """(B, K): (G + strength I)^-1 r, one batched Cholesky; strength above 0."""
    eye = torch.eye(products.shape[1], device=products.device)
    factor = torch.linalg.cholesky(products + strength * eye)
    return torch.cholesky_solve(residuals[..., None], factor)[..., 0]
