"""DropoutNet: two towers read latent vectors and content, and are trained to do without the former.

Volkovs, Yu & Poutanen, "DropoutNet: Addressing Cold Start in Recommender Systems" (NeurIPS 2017):
given a latent model's users U and items V, towers f and g minimise
sum (U_u'V_v - f(U_u, content of u)'g(V_v, content of v))^2. In training V_v is dropped at random,
so that an item nobody rated can be served by its content alone, and U_u is replaced at random by
the mean V of what u rated (the paper's user transform), which is what a new user has.

What is ours: the latent model is fold-in's, of what labels leave over the item prior, and the mean
of V is weighted by that; a user's content is the mean text of what they rated, weighted likewise;
at K = 0 both are 0, which is the paper's dropout of users. V is dropped of all items of an episode
at once, as when all are new. A layer of tanh without batch normalisation is a tower.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from coldbench.encoder import Items
from coldbench.episode import EpisodeBatch, Episodes, Feedback, Users
from coldbench.method import Method, Params, Rated, Space, squash_to_unit
from coldbench.parameters import Count, NotNegative, Positive, Share, Whole
from coldbench.seeds import Seeds

from ._als import factorise, residuals, spread
from ._factor_em import Model
from ._item_prior import item_prior
from ._later_items import later_factors, later_prior, lengthened

RIDGE, ROUNDS, NOISE = 8.0, 10, 0.6  # fold-in's own, of the latent model


@dataclass
class Dropoutnet(Method[Tensor]):
    """Its state is the user tower's output, (B, width)."""

    factors: Count = 16  # of the latent model, and one more, the user's level
    hidden: Count = 64  # units of a tower
    width: Count = 16  # of a tower's output
    dropped: Share = 0.5  # of episodes whose items, and of those whose user, have no latent vector
    damping: Positive = 4.0  # labels of no content that every user is given
    meta_steps: Whole = 300  # batches of warm users
    meta_users: Count = 64
    meta_lr: Positive = 3e-3  # of Adam
    weight_decay: NotNegative = 0.1

    family = "cold items"
    grows = True
    paper = "Volkovs, Yu & Poutanen, DropoutNet (NeurIPS 2017)"
    space: ClassVar[Space] = {
        "factors": (4, 64),
        "hidden": (16, 256),
        "dropped": (0.2, 0.8),
        "weight_decay": (1e-3, 1.0),
        "meta_lr": (3e-4, 1e-2),
    }
    state_size = "4 * width"

    def meta_train(self, warm: Users, valid: Episodes, items: Items, seeds: Seeds) -> None:
        prior = item_prior(warm, items)
        left = residuals(warm, prior)
        s = NOISE**0.5 * spread(left) or 1.0
        v = factorise(left, self.factors, RIDGE, ROUNDS, seeds.init) / s  # in units of the noise
        one = Model(v.double().numpy(), np.ones(len(v)), np.inf)
        u = torch.from_numpy(one.posterior(left)[0] / s).float()
        v = v.to(items.device)
        self.items = items
        fixed = {"prior": prior, "s": torch.tensor(s), "factors": v, "unrated": later_factors(v)}
        weights = self._start(items.features.shape[1], seeds.init)
        self.learned = {name: x.to(items.device) for name, x in (fixed | weights).items()}
        self._fit(list(weights), u.to(items.device), warm, valid, seeds)
        self.learned["served"] = self._tower("item", self.learned["factors"], items.features)

    def _start(self, features: int, seed: int) -> Params:
        rng = torch.Generator().manual_seed(seed % 2**63)
        weights: Params = {}
        for who in ("user", "item"):
            latent = 0.3 * torch.randn(1 + self.factors, self.hidden, generator=rng)
            content = torch.randn(features, self.hidden, generator=rng)  # of unit vectors
            out = self.hidden**-0.5 * torch.randn(self.hidden, self.width, generator=rng)
            weights |= {
                f"{who}_in": torch.cat([latent, content]),
                f"{who}_in_bias": torch.zeros(self.hidden),
                f"{who}_out": out * (0.1 if who == "user" else 1.0),
                f"{who}_out_bias": torch.zeros(self.width),
            }
        return weights

    def _fit(self, names: list[str], u: Tensor, warm: Users, valid: Episodes, seeds: Seeds) -> None:
        """Train the named weights; u: (U, 1 + factors) warm users' latent vectors."""
        weights = [self.learned[name].requires_grad_() for name in names]
        adam = torch.optim.AdamW(weights, self.meta_lr, weight_decay=self.weight_decay)
        rng = np.random.default_rng(seeds.order)
        shots = [k for k in (0, 1, 2, 4, 8, 16, 32) if k <= valid.max_shots]
        batches = warm.sample(
            self.meta_steps, self.meta_users, shots=shots, query=valid.query_size, seed=seeds.order
        )
        with torch.enable_grad():
            for batch in batches:
                place = torch.from_numpy(np.searchsorted(warm.ids, batch.users.numpy()))
                new = torch.from_numpy(rng.random((2, len(place), 1)) < self.dropped)
                loss = self._loss(batch.to(u.device), u[place.to(u.device)], *new.to(u.device))
                adam.zero_grad()
                loss.backward()
                adam.step()
        self.learned |= {name: self.learned[name].detach() for name in names}

    def _loss(self, batch: EpisodeBatch, u: Tensor, new_user: Tensor, new_items: Tensor) -> Tensor:
        """u: (B, 1 + factors); new_user, new_items: (B, 1) bool, whose latent vectors to drop."""
        support, asked = batch.support, batch.query
        seen = self._latent(support.items, new_items)
        latent, content = self._means(support, seen)
        users = self._tower("user", torch.where(new_user, latent, u), content)  # (B, width)
        v = self._latent(asked.items, new_items)
        items = self._tower("item", v, self.items.features[asked.items])  # (B, Q, width)
        true = self.learned["factors"][asked.items]  # (B, Q, 1 + factors)
        return squared_error(u, true[asked.mask], users, items[asked.mask])

    def _latent(self, items: Tensor, new: Tensor) -> Tensor:
        """(B, N) items -> (B, N, 1 + factors); new: (B, 1) bool, nobody has rated them."""
        known = self.learned
        return torch.where(new[..., None], known["unrated"], known["factors"][items])

    def _means(self, support: Feedback, seen: Tensor) -> tuple[Tensor, Tensor]:
        """(B, 1 + factors) of latent vectors `seen` and (B, D) of texts, weighted by what the label
        is over the item prior."""
        left = (support.labels - self.learned["prior"][support.items]) * support.mask
        count = support.mask.sum(1, keepdim=True) + self.damping
        weight = (left / (self.learned["s"] * count))[:, None]  # (B, 1, K)
        content = weight @ self.items.features[support.items]
        return (weight @ seen)[:, 0], content[:, 0]

    def _tower(self, who: str, latent: Tensor, content: Tensor) -> Tensor:
        w = self.learned
        hidden = torch.cat([latent, content], -1) @ w[f"{who}_in"] + w[f"{who}_in_bias"]
        return torch.tanh(hidden) @ w[f"{who}_out"] + w[f"{who}_out_bias"]

    def with_items(self, items: Items, rated: Rated) -> "Dropoutnet":
        known = len(self.items)
        level = self.learned["unrated"].expand(len(items) - known, -1)
        served = self._tower("item", level, items.features[known:])
        prior = later_prior(self.learned["prior"], items, rated)
        return lengthened(self, items, prior=prior, factors=level, served=served)

    def adapt(self, support: Feedback) -> Tensor:
        seen = self.learned["factors"][support.items]  # (B, K, 1 + factors)
        return self._tower("user", *self._means(support, seen))

    def score(self, state: Tensor, items: Tensor) -> Tensor:
        liked = (self.learned["served"][items] @ state[..., None])[..., 0]  # (B, Q)
        return squash_to_unit(self.learned["prior"][items] + self.learned["s"] * liked)


def squared_error(u: Tensor, v: Tensor, users: Tensor, items: Tensor) -> Tensor:
    """() mean over all pairs of (u'v - user'item)^2, of latent (B, F), (N, F) and towers' outputs
    (B, W), (N, W)."""
    return (u @ v.T - users @ items.T).square().mean()
