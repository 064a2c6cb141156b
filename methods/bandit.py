"""Bandit: ridge regression that says how sure it is, and asks for what it may learn from.

LinUCB, Li, Chu, Langford & Schapire, "A Contextual-Bandit Approach to Personalized News Article
Recommendation" (2010), arXiv:1003.0146: score = p + x'w + alpha sigma (x'A^-1x)^1/2 with
A = tau I + X'X and ridge's w. Thompson sampling, Agrawal & Goyal (2013), arXiv:1209.3352: p + x'u
with u ~ N(w, sigma^2 A^-1). sigma is the spread of warm users' residuals y - p.

A bonus is less what it is before the first label, the same for all items (vectors are of unit
length): so the order is LinUCB's, and with K = 0 a score is the item prior. A sample u is
w0 + X'(XX' + tau I)^-1 (y - p - X w0 - noise) with w0 and noise drawn beforehand as if K were 0
(Wilson et al. 2020, arXiv:2002.09309, section 3), other ones for every number of labels.
`_replay.replay` lets it choose what it sees.
"""

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from coldbench.encoder import Items
from coldbench.episode import Episodes, Feedback, Users
from coldbench.method import Method, Rated, Space, squash_to_unit
from coldbench.parameters import Count, NotNegative, Positive
from coldbench.seeds import Seeds

from ._als import residuals, spread
from ._grid_search import choose, grid
from ._item_prior import item_prior
from ._kernel import gram, inner
from ._later_items import later_prior, lengthened


@dataclass(frozen=True)
class Belief:
    """A user's posterior in the span of the K items of the support."""

    items: Tensor  # (B, K)
    weights: Tensor  # (B, K) of the mean, or of the sample beside w0; 0 where padded
    inverse: Tensor  # (B, K, K) (XX' + tau I)^-1; 0 where padded
    count: Tensor  # (B,) int64, labels: which of the draws is this user's


@dataclass
class Bandit(Method[Belief]):
    policy: Literal["linucb", "thompson", "greedy"] = "linucb"
    alpha: NotNegative = 0.5  # LinUCB's, in standard deviations
    tau: Positive | None = None  # strength of the penalty; None: chosen on valid users, by the mean
    draws: Count = 32  # Thompson's; from so many labels on they come again

    family = "reinforcement"
    grows = True
    paper = "arXiv:1003.0146"
    stochastic = False  # only Thompson draws
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "paper": {"policy": "linucb", "tau": 1.0},  # A begins as I; alpha is tuned there
        "thompson": {"policy": "thompson"},
        "greedy": {"policy": "greedy"},
    }
    space: ClassVar[Space] = {"alpha": (0.05, 2.0), "tau": (0.1, 20.0)}
    state_size = "12 * K + 4 * K * K + 8"

    def meta_train(self, warm: Users, valid: Episodes, items: Items, seeds: Seeds) -> None:
        prior = item_prior(warm, items)
        sigma = spread(residuals(warm, prior))
        width = items.features.shape[1]
        self.items, policy = items, self.policy
        self.learned = {"prior": prior, "sigma": torch.tensor(sigma, device=items.device)}
        self.policy = "greedy"
        try:
            strengths = (2.0, 0.5, 1.0, 5.0) if self.tau is None else (self.tau,)
            choose(self, grid(tau=strengths), valid)
        finally:
            self.policy = policy
        if policy == "thompson":
            lots = torch.Generator().manual_seed(seeds.init % 2**63)
            w0, noise = (
                torch.randn(self.draws, n, generator=lots).to(items.device) * sigma
                for n in (width, len(items))
            )
            self.learned |= {"w0": w0 / self.learned["tau"].sqrt(), "noise": noise}

    def with_items(self, items: Items, rated: Rated) -> "Bandit":
        return lengthened(self, items, prior=later_prior(self.learned["prior"], items, rated))

    def adapt(self, support: Feedback) -> Belief:
        items, mask, tau = support.items, support.mask, self.learned["tau"]
        count = mask.sum(1)
        left = (support.labels - self.learned["prior"][items]) * mask
        if self.policy == "thompson":
            left = left - self._drawn(count, items, self.learned["noise"]) * mask
        eye = torch.eye(items.shape[1], device=items.device)
        products = gram(self.items.features, items, mask) + tau * eye
        inverse = torch.cholesky_inverse(torch.linalg.cholesky(products))
        inverse = inverse * (mask[:, :, None] & mask[:, None])
        return Belief(items, (inverse @ left[..., None])[..., 0], inverse, count)

    def score(self, state: Belief, items: Tensor) -> Tensor:
        mean, deviation = self.posterior(state, items)
        if self.policy == "linucb":
            at_first = self.learned["sigma"] / self.learned["tau"].sqrt()
            mean = mean + self.alpha * (deviation - at_first)
        return squash_to_unit(mean)

    def ask(self, support: Feedback, pool: Tensor, still: Tensor) -> Tensor:
        """What it would recommend: its bonus is for what it may learn."""
        return self.score(self.adapt(support), pool)

    def posterior(self, state: Belief, items: Tensor) -> tuple[Tensor, Tensor]:
        """(B, Q) the mean (Thompson: what the sample says) and the standard deviation of what is
        expected of each item, the noise of a label left out."""
        near = inner(self.items.features, state.items, items)  # (B, K, Q)
        mean = self.learned["prior"][items] + (state.weights[:, None] @ near)[:, 0]
        if self.policy == "thompson":
            mean = mean + self._w0(state.count, items)
        known = (near * (state.inverse @ near)).sum(1)  # (B, Q) x'X'(XX' + tau I)^-1 X x
        variances = (
            self.items.features[items].square().sum(2)
        )  # (B, Q) 1, or 0: of these nothing is known
        variance = (variances - known).clamp_min(0) / self.learned["tau"]
        return mean, self.learned["sigma"] * variance.sqrt()

    def _drawn(self, count: Tensor, items: Tensor, noise: Tensor) -> Tensor:
        """(B, N) a label's noise and what w0 says of the item, that is all a draw is moved by."""
        return noise[(count % self.draws)[:, None], items] + self._w0(count, items)

    def _w0(self, count: Tensor, items: Tensor) -> Tensor:
        """(B, N) x'w0"""
        w0 = self.learned["w0"][count % self.draws]  # (B, D)
        return (self.items.features[items] @ w0[..., None])[..., 0]
