"""Pairwise reward: a few rewards that people share, mixed for each user from a few preferences.

LoRe, Bose et al., "LoRe: Personalizing LLMs via Low-Rank Reward Modeling" (2025), arXiv:2504.14439:
a user's reward is a mixture w'R(x) of a basis R of a few rewards, w on the simplex; basis and warm
users' mixtures are learnt together from who preferred what (Bradley-Terry), and a new user is a
mixture alone, fitted to a few pairs. Rewards are linear in an item's vector.

What is ours: pairs are two ratings of one user; the reward adds to the item prior's log-odds, times
a gain chosen on valid users; a new user's mixture is found by exponentiated gradient steps from the
mean of warm users' mixtures (Kivinen & Warmuth 1997), so without a pair it is that mean.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from coldbench.encoder import Items
from coldbench.episode import Episodes, Feedback, Users
from coldbench.method import Space
from coldbench.parameters import Count, Positive
from coldbench.seeds import Seeds

from ._grid_search import choose, grid
from ._item_prior import item_prior
from ._meta_learner import log_odds
from ._pairs import pairs_of
from ._pairwise import Pairwise


@dataclass
class PairwiseReward(Pairwise):
    """Its state is a user's mixture, (B, rewards)."""

    rewards: Count = 8
    inner_steps: Count = 20  # of a new user's mixture
    inner_rate: Positive | None = None  # None: chosen on valid users

    family = "meta-learning"
    paper = "arXiv:2504.14439"
    space: ClassVar[Space] = {"rewards": (2, 32), "decay": (1e-5, 1e-2), "gain": (0.0, 3.0)}
    steps_param = "inner_steps"
    state_size = "4 * rewards"

    def meta_train(self, warm: Users, valid: Episodes, items: Items, seeds: Seeds) -> None:
        self.items = items
        self.learned = {"prior": log_odds(item_prior(warm, items))}
        self._fit(warm, seeds)
        rates = (0.3, 0.1, 1.0) if self.inner_rate is None else (self.inner_rate,)
        choose(self, grid(inner_rate=rates, gain=self.gains()), valid)

    def _fit(self, warm: Users, seeds: Seeds) -> None:
        """Sets the catalogue's rewards (n_items, R) and the logarithm of the mean mixture."""
        rng = torch.Generator().manual_seed(seeds.init % 2**63)
        x = self.items.features.float().cpu()
        basis = 0.1 * torch.randn(x.shape[1], self.rewards, generator=rng)
        mixtures = 0.1 * torch.randn(warm.log.n_users, self.rewards, generator=rng)
        b = torch.zeros(warm.log.n_items)  # what all prefer: no taste

        def loss(users: Tensor, better: Tensor, worse: Tensor) -> Tensor:
            apart = ((x[better] - x[worse]) @ basis * mixtures[users].softmax(1)).sum(1)
            odds = b[better] - b[worse] + apart
            return self.decay * basis.square().sum() - logsigmoid(odds).mean()

        self.descend((basis, mixtures, b), loss, warm, seeds.order)
        mean = mixtures.detach().softmax(1).mean(0).log()
        parts = {"rewards": x @ basis.detach(), "mean": mean}
        self.learned |= {name: part.to(self.items.device) for name, part in parts.items()}

    def adapt(self, support: Feedback) -> Tensor:
        left, right, sign = pairs_of(support.labels, support.mask)
        seen = self.learned["rewards"][support.items]  # (B, K, R)
        apart = (seen[:, left] - seen[:, right]) * sign[..., None]  # better less worse
        logs = self.learned["mean"].expand(len(seen), -1)
        count = sign.abs().sum(1, keepdim=True).clamp_min(1)
        for _ in range(self.inner_steps):
            mixture = logs.softmax(1)
            odds = (apart @ mixture[..., None])[..., 0]
            slope = (apart * (torch.sigmoid(-odds) * sign.abs())[..., None]).sum(1) / count
            logs = logs + self.learned["inner_rate"] * slope
        return logs.softmax(1)

    def score(self, state: Tensor, items: Tensor) -> Tensor:
        taste = state - self.learned["mean"].exp()  # what is not everybody's
        liked = (self.learned["rewards"][items] @ taste[..., None])[..., 0]  # (B, Q)
        return torch.sigmoid(self.learned["prior"][items] + self.learned["gain"] * liked)
