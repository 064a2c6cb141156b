"""Policy gradient: prototypes trained for the order of a user's items, by trying out orders.

A ranker that draws its order from Plackett & Luce's distribution, pi(o) = prod_j exp(z_oj) / sum of
exp(z) over those not placed before, is trained by REINFORCE (Williams 1992) on NDCG@10, as a list
policy in Singh & Joachims, "Policy Learning for Fairness in Ranking" (2019), arXiv:1902.04056:
grad = 1 / M sum_m (R_m - b_m) grad log pi(o_m), b_m the mean reward of the other samples, so that
it is unbiased (Kool, van Hoof & Welling, "Buy 4 REINFORCE Samples, Get a Baseline for Free!").

An item's gain is the one that NDCG is judged by, `coldbench.metrics.predictions.gain`.

The user's state is `protonet`'s, z a multiple of its logits: a policy that draws gains by logits
far apart, whatever their order. An order leaves open at which level a user's scores lie and on
which scale, so L, the cross-entropy unless `loss` is another, stays in what is trained: mix L +
(1 - mix) (1 - NDCG). Lots belong to the batch, so two trainings on the same batches see the same.
"""

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import torch
from torch import Tensor

from coldbench.episode import EpisodeBatch, Episodes, Users
from coldbench.method import Method, Params
from coldbench.metrics.predictions import gain
from coldbench.parameters import Count, Ge, Positive, Share, Whole
from coldbench.seeds import Seeds

from ._query_loss import query_loss
from .protonet import Protonet

FAR = -1e4  # a logit that is never drawn before a real one


@dataclass
class PolicyGradient(Protonet):
    samples: Annotated[int, Ge(2)] = 16  # M, orders of a user's query
    mix: Share = 0.5  # share of `loss` in what is trained
    meta_users: Count = 64
    patience: Whole = 8
    sharpness: Positive = 10.0  # z is so many times the logits; at 1 the reward would stretch them
    cut: Count = 10  # places that NDCG looks at

    family = "reinforcement"
    paper = "arXiv:1902.04056"
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "pure": {"mix": 0.0},
        "entropy": {"mix": 1.0},  # the same training without the reward
    }
    space = Protonet.space | {"samples": (4, 16), "mix": (0.1, 0.9), "sharpness": (2.0, 30.0)}
    state_size = "8 * width"

    explains = False  # `protonet` explains the same scores
    explain = Method.explain

    def fit(
        self, weights: Params, fixed: Params, warm: Users, valid: Episodes, seeds: Seeds
    ) -> None:
        between = ((warm.labels > 0) & (warm.labels < 1)).any()  # likes only have no middle
        graded = torch.tensor(bool(between), device=self.items.device)
        super().fit(weights, fixed | {"graded": graded}, warm, valid, seeds)

    def _loss(self, batch: EpisodeBatch) -> Tensor:
        """(B,) while it learns, a value whose slope is that of the expected loss; else the loss of
        the best order."""
        batch = batch.to(self.items.device)
        query = batch.query
        logits = self.logits(self.adapt(batch.support), query.items).float()
        plain = query_loss(self.loss, logits, query)
        graded = bool(self.learned["graded"])
        gains = gain(query.labels, graded=graded) * query.mask
        if torch.is_grad_enabled():
            seed = int(batch.users.sum() * 31 + query.items.sum())
            policy = self.sharpness * logits
            orders = draw_orders(policy, query.mask, self.samples, seed)
            lost = -reinforce(policy, query.mask, gains, orders, self.cut)
        else:
            order = logits.masked_fill(~query.mask, FAR).argsort(1, descending=True)
            lost = 1 - ndcg(gains, order[None], self.cut)[0]
        return self.mix * plain + (1 - self.mix) * lost


def draw_orders(logits: Tensor, mask: Tensor, samples: int, seed: int) -> Tensor:
    """(M, B, Q) orders by Plackett & Luce: logits with Gumbel noise, the highest first."""
    rng = torch.Generator().manual_seed(seed % 2**63)
    uniform = torch.rand(samples, *logits.shape, generator=rng).to(logits)
    noise = -torch.log(-torch.log(uniform.clamp(1e-20, 1 - 1e-7)))
    return (logits.detach() + noise).masked_fill(~mask, FAR).argsort(2, descending=True)


def log_chance(logits: Tensor, mask: Tensor, orders: Tensor) -> Tensor:
    """(M, B) log pi of each order, padding left out; padding stands last in an order."""
    placed = logits.masked_fill(~mask, FAR).expand(orders.shape).gather(2, orders)
    left = torch.logcumsumexp(placed.flip(2), 2).flip(2)  # of those not placed before
    return ((placed - left) * mask.expand(orders.shape).gather(2, orders)).sum(2)


def ndcg(gains: Tensor, orders: Tensor, cut: int) -> Tensor:
    """(M, B) of each order; 0 for a user without gain. gains: (B, Q), 0 where padded."""
    places = torch.arange(gains.shape[1], device=gains.device) + 2.0
    discounts = torch.where(places < cut + 2, 1 / torch.log2(places), 0)
    best = (gains.sort(1, descending=True).values * discounts).sum(1)
    gain = (gains.expand(orders.shape).gather(2, orders) * discounts).sum(2)
    return gain / best.clamp_min(1e-9)


def reinforce(logits: Tensor, mask: Tensor, gains: Tensor, orders: Tensor, cut: int) -> Tensor:
    """(B,) whose gradient in the logits is an unbiased estimate of the expected NDCG's."""
    rewards = ndcg(gains, orders, cut)  # (M, B)
    samples = max(2, len(rewards))
    advantage = (rewards - rewards.mean(0)) * samples / (samples - 1)  # less the others' mean
    return (advantage * log_chance(logits, mask, orders)).mean(0)
