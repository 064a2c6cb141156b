"""MAML's inner loop as the paper writes it: each user gets a copy of all weights, and autograd the
rest. It is what the fast loop in `_inner_loop` must equal, forwards and backwards
(tests/methods/test_descend.py), and it is here to be read.

Finn, Abbeel & Levine (2017), arXiv:1703.03400: theta' = theta - alpha grad L_S(theta), and the
outer gradient is that of L_Q(theta'), through the steps.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

Weights = list[Tensor]  # of one user: W (D, H), b (H,), v (H,), c (1,)
Rates = Sequence[Tensor | float | None]  # alpha of W, b, v, c; None: it does not move


def predict(theta: Weights, x: Tensor) -> Tensor:
    """(N, D) items -> (N,) log-odds of a like: v' relu(W'x + b) + c."""
    w, b, v, c = theta
    return torch.relu(x @ w + b) @ v + c


def descend(  # noqa: PLR0913
    start: Weights,
    x: Tensor,
    labels: Tensor,
    rates: Rates,
    steps: int,
    *,
    weight: Tensor,
    offset: Tensor | float = 0.0,
    pull: float = 0.0,
) -> Weights:
    """One user's weights after `steps` gradient steps on the support.

    x: (K, D) support items; labels: (K,) in 0..1; weight: (K,) share in the loss; offset: (K,)
    log-odds of the prior. pull: of pull / 2 |theta - start|^2, which is added to the loss.
    """
    theta = start
    for _ in range(steps):
        z = offset + predict(theta, x)
        loss = binary_cross_entropy_with_logits(z, labels, weight, reduction="sum")
        for now, begin in zip(theta, start, strict=True):
            loss = loss + pull / 2 * (now - begin).square().sum()
        slopes = torch.autograd.grad(loss, theta, create_graph=True)  # the second order is kept
        theta = [
            now if alpha is None else now - alpha * slope
            for now, alpha, slope in zip(theta, rates, slopes, strict=True)
        ]
    return theta
