"""What warm users say of an item before a new user says anything: its bias, and a guess from text.

Items nobody rated fall back on a ridge regression from their text features to the biases of rated
items; items with few ratings are drawn towards it.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from coldbench.encoder import Items
from coldbench.episode import Users
from coldbench.item_sums import residuals


@dataclass(frozen=True)
class Warm:
    """Sums over warm users' labels, from which every item prior is made."""

    mean: float  # of all labels
    counts: Tensor  # (n_items,) float32, how many warm users rated the item, or left it unseen
    sums: Tensor  # (n_items,) float32, their labels less each user's own damped mean

    @classmethod
    def of(cls, warm: Users, device: torch.device, user_damping: float = 3) -> "Warm":
        if warm.negatives_per_positive:
            return cls._of_likes(warm, device)
        mean, counts, sums = residuals(warm, user_damping)
        as_tensor = [torch.from_numpy(x.astype(np.float32)).to(device) for x in (counts, sums)]
        return cls(mean, *as_tensor)

    @classmethod
    def _of_likes(cls, warm: Users, device: torch.device) -> "Warm":
        """Unseen items in their expected numbers, the same for every item: so the prior is the
        item's popularity, without the noise of the lot."""
        liked = torch.from_numpy(warm.item_counts()).float().to(device)
        unseen = liked.mean()
        return cls(0.5, liked + unseen, (liked - unseen) / 2)


def item_bias(warm: Warm, damping: float = 5) -> Tensor:
    """(n_items,) b_i = sum_u (r_ui - mu_u) / (n_i + damping); 0 for an item nobody rated."""
    return warm.sums / (warm.counts + damping)


def content_bias(warm: Warm, features: Tensor, ridge: float = 20, damping: float = 5) -> Tensor:
    """(n_items,) item biases drawn towards w'e_i, where w = (E'CE + ridge I)^-1 E'C b.

    features: (n_items, D) unit vectors e; C: the counts on a diagonal; b: the mean residuals.
    """
    e = features.double()
    counts, sums = warm.counts.double(), warm.sums.double()
    eye = torch.eye(e.shape[1], dtype=e.dtype, device=e.device)
    w = torch.linalg.solve((e.T * counts) @ e + ridge * eye, e.T @ sums)  # (D,): C b = sums
    return ((sums + damping * (e @ w)) / (counts + damping)).float()


def item_prior(warm: Users, items: Items) -> Tensor:
    """(n_items,) p(x): the expected label of an item for a user of whom nothing is known."""
    sums = Warm.of(warm, items.device)
    return sums.mean + content_bias(sums, items.features)
