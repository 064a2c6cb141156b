"""Gaussian process: tastes are drawn from one whose kernel is what others' ratings and texts say.

Rasmussen & Williams, "Gaussian Processes for Machine Learning" (2006), chapter 2. Before a user
says anything their scores are N(p, s^2 k), p the item prior, k_ij = V_i'V_j / s^2 + e_i'e_j / tau;
labels have the noise s^2. The kernel is stack's: collaborative and text. Here s^2 and tau are those
under which valid users' labels are likeliest: their evidence (section 5.4), climbed by Adam, where
stack tries some on the squared error. It also says how sure it is, takes its scores apart, and
asks.
"""

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from coldbench.encoder import Items
from coldbench.episode import EpisodeBatch, Episodes, Feedback, Users
from coldbench.method import Explanation
from coldbench.seeds import Seeds

from ._als import factorise, residuals, spread
from ._ask import variance_told
from ._item_prior import item_prior
from ._kernel import gram, inner
from .stack import Stack

STEPS, RATE = 60, 0.1  # of Adam on logarithms


@dataclass
class GaussianProcess(Stack):
    """Its state is one weight for each item of the support."""

    by: Literal["evidence", "valid"] = "evidence"  # what chooses; "valid": stack's way

    family = "simple"
    grows = True
    explains = True
    paper = "Rasmussen & Williams, Gaussian Processes for Machine Learning (2006)"
    presets: ClassVar[dict[str, dict[str, Any]]] = {"valid": {"by": "valid"}}
    state_size = "12 * K"

    def meta_train(self, warm: Users, valid: Episodes, items: Items, seeds: Seeds) -> None:
        if self.by == "valid" or not len(valid):
            super().meta_train(warm, valid, items, seeds)
            return
        self.items = items
        prior = item_prior(warm, items)
        left = residuals(warm, prior)
        text, batch = self._text(warm), _all_labels(valid).to(items.device)
        best = -float("inf")
        for ridge in (8.0, 4.0, 12.0) if self.ridge is None else (self.ridge,):
            factors = factorise(left, self.factors, ridge, self.rounds, seeds.init).to(text)
            s, tau, evidence = self._climb(batch, prior, factors, text, spread(left) or 1.0)
            if evidence > best:
                best = evidence
                features = torch.cat([factors / s, text / tau**0.5], 1)
                chosen = {"ridge": torch.tensor(ridge), "s": s, "tau": tau}
                self.learned = {"prior": prior, "features": features} | chosen

    def _climb(
        self, batch: Feedback, prior: Tensor, factors: Tensor, text: Tensor, unit: float
    ) -> tuple[Tensor, Tensor, float]:
        """s and tau at the top of the evidence, and the evidence there. Those given stay."""
        share, tau = self.noise or 0.6, self.tau or 2.0
        logs = torch.tensor([share, tau], device=text.device).log().requires_grad_()
        free = torch.tensor([self.noise is None, self.tau is None], device=text.device)
        left = (batch.labels - prior[batch.items]) * batch.mask
        products = [gram(part, batch.items, batch.mask) for part in (factors, text)]
        adam = torch.optim.Adam([logs], RATE)
        with torch.enable_grad():
            for _ in range(STEPS):
                noise, strength = logs.exp() * logs.new_tensor([unit**2, 1.0])
                kernel = products[0] / noise + products[1] / strength
                value = evidence(kernel, left, batch.mask, noise)
                adam.zero_grad()
                (-value).backward()
                assert logs.grad is not None
                logs.grad *= free
                adam.step()
        noise, strength = (logs.detach().exp() * logs.new_tensor([unit**2, 1.0])).unbind()
        kernel = products[0] / noise + products[1] / strength
        return noise.sqrt(), strength, float(evidence(kernel, left, batch.mask, noise))

    def explain(self, support: Feedback, items: Tensor) -> Explanation:
        """Weights are linear in what is left, so each label adds what its residual is worth."""
        left = (support.labels - self.learned["prior"][support.items]) * support.mask
        near = inner(self.learned["features"], items, support.items) * support.mask[:, None]
        parts = torch.cholesky_solve(near.mT, self._factor(support)).mT  # (B, Q, K)
        return Explanation(self.learned["prior"][items], parts * left[:, None], "label")

    def posterior(self, support: Feedback, items: Tensor) -> Tensor:
        """(B, Q, Q) the covariance of the items' scores after a support, in units of s^2."""
        features = self.learned["features"]
        near = inner(features, support.items, items) * support.mask[..., None]  # (B, K, Q)
        explained = near.mT @ torch.cholesky_solve(near, self._factor(support))
        return inner(features, items, items) - explained

    def ask(self, support: Feedback, pool: Tensor, still: Tensor) -> Tensor:
        """(B, P) by how much each answer would lower the variance of scores within the pool."""
        return variance_told(self.posterior(support, pool), still)

    def _factor(self, support: Feedback) -> Tensor:
        """(B, K, K) the Cholesky factor of what labels vary by, kernel and noise."""
        products = gram(self.learned["features"], support.items, support.mask)
        return torch.linalg.cholesky(products + torch.eye(products.shape[1]).to(products))


def evidence(kernel: Tensor, left: Tensor, mask: Tensor, noise: Tensor) -> Tensor:
    """() the mean over users of the log density of what is left of their labels, (B, N), under
    N(0, noise (kernel + I)), but for a constant. kernel: (B, N, N), 0 where padded."""
    factor = torch.linalg.cholesky(kernel + torch.eye(kernel.shape[1]).to(kernel))
    white = torch.cholesky_solve(left[..., None], factor)[..., 0]
    volume = 2 * factor.diagonal(dim1=1, dim2=2).log().sum(1) + mask.sum(1) * noise.log()
    return -0.5 * ((left * white).sum(1) / noise + volume).mean()


def _all_labels(valid: Episodes) -> Feedback:
    """Supports and queries of the valid users side by side."""
    batch: EpisodeBatch = next(valid.batches(valid.max_shots, len(valid)))
    columns = zip(vars(batch.support).values(), vars(batch.query).values(), strict=True)
    return Feedback(*(torch.cat(pair, 1) for pair in columns))
