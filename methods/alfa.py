"""ALFA: MAML whose steps are set by a small net that sees how a user's learning goes.

Baik, Choi, Choi, Kim & Lee, "Meta-Learning with Adaptive Hyperparameters" (2020), arXiv:2011.00209.
theta' = beta * theta - alpha * grad L_S(theta), inner_steps times, a beta and an alpha for each
user, step and layer: beta = 1 - d, alpha = a (1 + r), (d, r) = net(mean of grad, mean of theta) of
each layer. The net and a, one a step and layer, are learnt with theta, exact second order.

What is ours: a layer's weights and bias are one layer of two; means are times the square root of
their number, else the first layer's are too small to be seen; the net's last layer starts at 0, so
that beta starts at 1 and alpha at `alpha`; the paper's learnt decay, one a step
and layer, is left out. A user's first layer is s W + X'A: s shrinks the start.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from coldbench.episode import Episodes, Feedback, Users
from coldbench.method import Params
from coldbench.parameters import Count
from coldbench.seeds import Seeds

from ._gradient_head import Adapted, GradientHead, gram
from ._head import Head, read, where_on


@dataclass(frozen=True)
class Shrunk(Adapted):
    scale: Tensor  # (B, 1, 1) s


@dataclass
class Alfa(GradientHead):
    width: Count = 4  # units of the net

    family = "meta-learning"
    paper = "arXiv:2011.00209"
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "paper": {"alpha": 0.01, "inner_steps": 5, "meta_users": 2, "meta_lr": 1e-3}
    }  # as the authors' code has it for mini-ImageNet, 5 shots
    space = GradientHead.space | {"width": (2, 16)}
    state_size = "4 * (K * hidden + hidden + 2) + 8 * K"

    def fit(
        self, weights: Params, fixed: Params, warm: Users, valid: Episodes, seeds: Seeds
    ) -> None:
        rng = torch.Generator().manual_seed((seeds.init + 1) % 2**63)
        net = {
            "see": torch.randn(4, self.width, generator=rng) / 2,
            "see_shift": torch.zeros(self.width),
            "set": torch.zeros(self.width, 4),
            "set_shift": torch.zeros(4),
            "rates": torch.full((self.inner_steps, 2), self.alpha),
        }
        net = {name: w.to(weights["last"]) for name, w in net.items()}
        super().fit(weights | net, fixed, warm, valid, seeds)

    def adapt(self, support: Feedback) -> Shrunk:
        start, rows, trunk = self.begin(support)
        seen = self.items.features[support.items]
        lengths = 1 + seen.sum(2)  # (B, K): what A counts in the sum of s W + X'A
        sizes = trunk.weight.numel() + trunk.bias.numel(), self.hidden + 1
        whole = trunk.weight.sum() + trunk.bias.sum()
        first, last, bias = torch.zeros_like(rows.base), start.last, start.bias
        scale = torch.ones_like(bias)  # (B, 1)
        for step in range(self.inner_steps):
            hidden = torch.relu(scale[..., None] * rows.base + rows.gram @ first)
            logits = rows.offset + read(Head(first, last, bias), hidden)
            error = (torch.sigmoid(logits) - rows.labels) * rows.weight  # (B, K) dL/dz
            slope = where_on(error[..., None] * last[:, None], hidden)  # (B, K, H): dL/d(X'A)
            d_last = (error[..., None] * hidden).sum(1)  # (B, H)
            d_bias = error.sum(1, keepdim=True)
            sums = [
                (slope.sum(2) * lengths).sum(1),
                d_last.sum(1) + d_bias[:, 0],
                scale[:, 0] * whole + (first.sum(2) * lengths).sum(1),
                last.sum(1) + bias[:, 0],
            ]
            means = torch.stack(sums, 1) / torch.tensor(sizes * 2).to(last).sqrt()  # (B, 4)
            keep, rate = self._set(means, step)
            first = keep[:, :1, None] * first - rate[:, :1, None] * slope
            scale = keep[:, :1] * scale
            last = keep[:, 1:] * last - rate[:, 1:] * d_last
            bias = keep[:, 1:] * bias - rate[:, 1:] * d_bias
        return Shrunk(Head(first, last, bias), support.items, trunk, scale[..., None])

    def _set(self, means: Tensor, step: int) -> tuple[Tensor, Tensor]:
        """beta and alpha of both layers, (B, 2) each."""
        w = self.learned
        units = torch.relu(means @ w["see"] + w["see_shift"])
        decay, faster = (units @ w["set"] + w["set_shift"]).chunk(2, 1)
        return 1 - decay, w["rates"][step] * (1 + faster)

    def logits(self, state: Adapted, items: Tensor) -> Tensor:
        assert isinstance(state, Shrunk) and state.head.first is not None
        cross = gram(self.items.features, items, state.support)  # (B, Q, K)
        hidden = torch.relu(state.scale * state.trunk(items) + cross @ state.head.first)
        return self.learned["prior"].take(items) + read(state.head, hidden)
