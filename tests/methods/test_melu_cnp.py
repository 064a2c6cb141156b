"""MeLU's decision layers: what they do for many users, and for one."""

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from coldbench import registry
from coldbench.encoder import Items
from coldbench.episode import Feedback
from tests.training import World, cold, of_user, predict, trained_briefly

PRESETS: dict[str, dict[str, Any]] = registry.find("methods", "melu").presets


def test_at_the_papers_rate_no_prediction_moves_by_a_thousandth_of_a_star(world: World) -> None:
    paper = trained_briefly("melu", world, meta_steps=40, **PRESETS["paper"])
    usable = trained_briefly("melu", world, meta_steps=40, raw=True, **PRESETS["usable"])
    none, four = cold(world, 0), cold(world)
    stars = [4 * (predict(m, four) - predict(m, none)).abs().max() for m in (paper, usable)]
    assert 0 < float(stars[0]) < 1e-3
    assert float(stars[1]) > 0.1


def test_melu_predicts_from_the_mean_where_raw_and_else_from_the_item_prior(world: World) -> None:
    batch = cold(world, 0)
    raw, over = (trained_briefly("melu", world, raw=raw, meta_steps=0) for raw in (True, False))
    spread = [float(predict(m, batch).std()) for m in (raw, over)]
    assert spread[0] < 0.1 * spread[1]
    assert len(raw.learned["prior"].unique()) == 1


def test_melus_steps_are_those_of_a_copy_of_its_layers_by_autograd(world: World) -> None:
    """One user, exact second order: the gradient of the query's loss in the start."""
    method: Any = trained_briefly("melu", world, alpha=0.5)
    method.learned = {name: w.double() for name, w in method.learned.items()}
    method.items = Items(method.items.features.double(), method.items.catalogue)
    names = ("w1", "b1", "w2", "b2", "w3", "b3")
    start = [method.learned[name].requires_grad_() for name in names]
    batch = of_user(cold(world), 0)
    s, q, prior = batch.support, batch.query, method.learned["prior"]

    def loss(layers: list[Tensor], asked: Feedback) -> Tensor:
        w1, b1, w2, b2, w3, b3 = layers
        x = torch.relu(method.embed(asked.items)[0] @ w1 + b1)
        x = torch.relu(x @ w2 + b2) @ w3 + b3
        logits = prior[asked.items[0]] + x[:, 0]
        return binary_cross_entropy_with_logits(logits, asked.labels[0].double())

    layers = start
    for _ in range(method.inner_steps):
        slopes = torch.autograd.grad(loss(layers, s), layers, create_graph=True)
        layers = [w - 0.5 * g for w, g in zip(layers, slopes, strict=True)]
    want = torch.autograd.grad(loss(layers, q), start)
    logits = method.logits(method.adapt(s), q.items)
    got = torch.autograd.grad(binary_cross_entropy_with_logits(logits, q.labels.double()), start)
    for mine, theirs in zip(got, want, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-9, atol=1e-12)
