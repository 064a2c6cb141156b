"""Expected labels squashed into 0..1: by the two tails as they are written down, in order."""

import math

import torch

from coldbench.explanation import squash_to_unit


def test_squashing_leaves_the_middle_and_bends_both_ends_by_an_exponential() -> None:
    middle = torch.tensor([0.05, 0.5, 0.95])
    assert torch.equal(squash_to_unit(middle), middle)
    tails = squash_to_unit(torch.tensor([-0.2, 0.01, 0.99, 1.2], dtype=torch.float64))
    low, high = 0.05 * math.exp(-0.25 / 0.05), 0.05 * math.exp(-0.04 / 0.05)
    assert torch.allclose(tails, torch.tensor([low, high, 1 - high, 1 - low]).double())


def test_squashing_keeps_the_order_and_has_a_slope_everywhere() -> None:
    x = torch.linspace(-1, 2, 30_001, requires_grad=True)
    squashed = squash_to_unit(x)
    squashed.sum().backward()
    assert (squashed.diff() >= 0).all() and squashed.min() > 0
    assert x.grad is not None and (x.grad >= 0).all() and (x.grad <= 1 + 1e-6).all()
    assert (x.grad[(x > 0.06) & (x < 0.94)] == 1).all()
