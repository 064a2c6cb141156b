"""User-kNN: the warm users who rated the same items alike say what the new user will like.

Resnick et al., "GroupLens: An Open Architecture for Collaborative Filtering of Netnews" (1994). Few
common items make a likeness worth little, n / (n + s) of it: after Herlocker et al., "An
Algorithmic Framework for Performing Collaborative Filtering" (1999). Labels are residuals over the
item prior and the user's damped level; likeness is their cosine over the items that both rated.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from coldbench.encoder import Items
from coldbench.episode import Episodes, Feedback, Users
from coldbench.errors import UserError
from coldbench.method import Method, Space, squash_to_unit
from coldbench.parameters import Count, NotNegative, Positive
from coldbench.seeds import Seeds

from ._als import residuals
from ._grid_search import choose, grid
from ._item_prior import item_prior

MOST = 100_000_000  # users x items of the table that is kept: 400 MB


@dataclass(frozen=True)
class Neighbours:
    """The user's level, and the warm users most like this one, by their columns of the table."""

    level: Tensor  # (B, 1)
    users: Tensor  # (B, N) int64
    likeness: Tensor  # (B, N) float32, 0 where there is no neighbour


@dataclass
class UserKnn(Method[Neighbours]):
    neighbours: Count = 60
    significance: NotNegative = 10.0  # s above
    doubt: Positive | None = None  # likeness of neighbours at 0, added to those who rated an item;
    # None, here and below: chosen on valid users
    damping: Positive | None = None  # labels at the prior added to a new user's level

    family = "simple"
    paper = (
        "Herlocker et al., An Algorithmic Framework for Performing Collaborative Filtering (1999)"
    )
    stochastic = False
    space: ClassVar[Space] = {
        "neighbours": (10, 200),
        "significance": (1.0, 50.0),
        "doubt": (0.1, 20.0),
        "damping": (0.5, 20.0),
    }
    state_size = "4 + 12 * neighbours"

    def meta_train(self, warm: Users, valid: Episodes, items: Items, seeds: Seeds) -> None:
        if warm.log.n_users * len(items) > MOST:
            raise UserError(
                f"user-knn keeps a table of {warm.log.n_users:,} warm users x {len(items):,} "
                f"items, more than {MOST:,} numbers: leave it out, or use fold-in"
            )
        self.items = items
        self.learned = {"prior": item_prior(warm, items)}
        left = residuals(warm, self.learned["prior"])
        level = np.asarray(left.sum(1)).ravel() / (warm.log.counts + 3)
        left.data -= level[warm.log.users]
        left.data[np.abs(left.data) < 1e-6] = 1e-6  # 0 means not rated
        table = torch.from_numpy(left.T.toarray().astype(np.float32))  # (n_items, U)
        self.learned["table"] = table.to(items.device)
        doubt = (3.0, 1.0, 10.0) if self.doubt is None else (self.doubt,)
        damping = (3.0, 10.0, 30.0) if self.damping is None else (self.damping,)
        choose(self, grid(doubt=doubt, damping=damping), valid)

    def adapt(self, support: Feedback) -> Neighbours:
        table, mask = self.learned["table"], support.mask
        left = (support.labels - self.learned["prior"][support.items]) * mask
        level = left.sum(1, keepdim=True) / (mask.sum(1, keepdim=True) + self.learned["damping"])
        mine = (left - level) * mask  # (B, K)
        count = min(self.neighbours, table.shape[1])
        users = mine.new_zeros((len(mine), self.neighbours), dtype=torch.int64)
        likeness = mine.new_zeros(users.shape)
        for at, (seen, ratings, real) in enumerate(zip(support.items, mine, mask, strict=True)):
            theirs = table[seen] * real[:, None]  # (K, U)
            rated = (theirs != 0).float()
            length = (ratings.square() @ rated * theirs.square().sum(0)).sqrt()
            common = rated.sum(0)
            alike = ratings @ theirs / length.clamp_min(1e-12)
            alike = alike * common / (common + self.significance).clamp_min(1e-12)
            best = alike.clamp_min(0).topk(count)
            users[at, :count], likeness[at, :count] = best.indices, best.values
        return Neighbours(level, users, likeness)

    def score(self, state: Neighbours, items: Tensor) -> Tensor:
        theirs = self.learned["table"][items[:, None], state.users[:, :, None]]  # (B, N, Q)
        weight = state.likeness[:, :, None] * (theirs != 0)
        weighted = (weight * theirs).sum(1) / (weight.sum(1) + self.learned["doubt"])
        return squash_to_unit(self.learned["prior"][items] + state.level + weighted)
