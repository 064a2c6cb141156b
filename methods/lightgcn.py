"""LightGCN: items' vectors smoothed over the graph of who liked what; a new user joins the graph.

He et al., "LightGCN: Simplifying and Powering Graph Convolution Network for Recommendation" (2020),
arXiv:2002.02126: vectors of users and items go along the likes, each divided by the root of both
ends' numbers of likes, and a vector is the mean over so many layers; no weights in between. The
loss is BPR's. A new user has likes and no vector of their own: it is what their likes' items say,
layer by layer, as LightGCN's own users would have it with a vector of 0 (inductive).

What is ours: pairs are two ratings of one user where a log has ratings (methods/bpr.py), so a
dislike counts in training; the product of vectors, times a gain chosen on valid users, is added to
the item prior's log-odds.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from scipy.sparse import csr_matrix
from torch import Tensor
from torch.nn.functional import logsigmoid

from coldbench.encoder import Items
from coldbench.episode import Episodes, Feedback, Users
from coldbench.method import Method, Space
from coldbench.parameters import Count, NotNegative, Positive
from coldbench.seeds import Seeds

from ._grid_search import choose, grid
from ._item_prior import item_prior
from ._meta_learner import log_odds
from ._pairs import sampled_pairs

LIKE = 0.5  # a label above it is a like


@dataclass(frozen=True)
class Graph:
    """Likes as N edges, each with 1 / root of (its user's likes times its item's)."""

    users: Tensor  # (N,)
    items: Tensor  # (N,)
    weights: Tensor  # (N, 1)

    @classmethod
    def of(cls, likes: csr_matrix) -> "Graph":
        """Of (U, n_items) likes."""
        users = np.repeat(np.arange(likes.shape[0]), np.diff(likes.indptr))
        items = likes.indices.astype(np.int64)
        ends = np.bincount(users)[users] * np.bincount(items)[items]
        weights = torch.from_numpy((1 / np.sqrt(ends)).astype(np.float32))[:, None]
        return cls(torch.from_numpy(users), torch.from_numpy(items), weights)


@dataclass
class Lightgcn(Method[Tensor]):
    """Its state is a user's vector, (B, width)."""

    width: Count = 32
    layers: Count = 2
    meta_steps: Count = 200  # of Adam
    pairs: Count = 8192  # in a step
    rate: Positive = 0.02
    decay: NotNegative = 1e-3  # of vectors, a step's mean loss
    gain: NotNegative | None = None  # log-odds that a product is worth; None: chosen on valid users

    family = "graph"
    paper = "arXiv:2002.02126"
    space: ClassVar[Space] = {
        "width": (16, 128),
        "layers": (1, 4),
        "decay": (1e-5, 1e-2),
        "gain": (0.0, 10.0),
    }
    state_size = "4 * width"

    def meta_train(self, warm: Users, valid: Episodes, items: Items, seeds: Seeds) -> None:
        self.items = items
        self.learned = {"prior": log_odds(item_prior(warm, items))}
        likes = warm.matrix().copy()  # the log stays as it is
        likes.data = (likes.data > LIKE).astype(np.float32)
        likes.eliminate_zeros()
        sums, vectors = self._fit(warm, Graph.of(likes), seeds)
        liked = np.bincount(likes.indices, minlength=len(items)).clip(1)
        sums = sums / torch.from_numpy(liked).float().sqrt()[:, None]
        tensors = {"said": sums, "vectors": vectors}
        self.learned |= {name: x.to(items.device) for name, x in tensors.items()}
        gains = (1.0, 0.3, 3.0, 10.0, 0.0) if self.gain is None else (self.gain,)
        choose(self, grid(gain=gains), valid)

    def _fit(self, warm: Users, graph: Graph, seeds: Seeds) -> tuple[Tensor, Tensor]:
        """(n_items, width) what an item's layers say to a user, summed, and items' vectors."""
        rng = torch.Generator().manual_seed(seeds.init % 2**63)
        sizes = warm.log.n_users, warm.log.n_items
        users, things = (0.1 * torch.randn(n, self.width, generator=rng) for n in sizes)
        weights = [x.requires_grad_() for x in (users, things)]
        adam = torch.optim.Adam(weights, self.rate)
        with torch.enable_grad():
            for drawn in sampled_pairs(warm, self.pairs, self.meta_steps, seeds.order):
                who, better, worse = map(torch.from_numpy, drawn)
                if not len(who):
                    continue
                w, v, _ = propagated(users, things, graph, self.layers)
                odds = (w[who] * (v[better] - v[worse])).sum(1)
                size = sum(x.square().sum(1) for x in (users[who], things[better], things[worse]))
                loss = (self.decay * size - logsigmoid(odds)).mean()
                adam.zero_grad()
                loss.backward()
                adam.step()
        _, v, sums = propagated(users.detach(), things.detach(), graph, self.layers)
        return sums, v

    def adapt(self, support: Feedback) -> Tensor:
        liked = (support.labels > LIKE) & support.mask
        summed = self.learned["said"][support.items] * liked[..., None]  # (B, K, width)
        count = liked.sum(1, keepdim=True).clamp_min(1)
        return summed.sum(1) / (count.sqrt() * (self.layers + 1))

    def score(self, state: Tensor, items: Tensor) -> Tensor:
        near = (self.learned["vectors"][items] @ state[..., None])[..., 0]  # (B, Q)
        return torch.sigmoid(self.learned["prior"][items] + self.learned["gain"] * near)


def propagated(
    users: Tensor, items: Tensor, graph: Graph, layers: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Users' and items' means over 0 to `layers` layers; and the sum of the items' layers that a
    user reads, all but the last."""
    w, v = [users], [items]
    for _ in range(layers):
        to_users, to_items = v[-1][graph.items], w[-1][graph.users]
        w.append(torch.zeros_like(users).index_add(0, graph.users, graph.weights * to_users))
        v.append(torch.zeros_like(items).index_add(0, graph.items, graph.weights * to_items))
    sums = torch.stack(v[:-1]).sum(0)
    return torch.stack(w).mean(0), torch.stack(v).mean(0), sums
