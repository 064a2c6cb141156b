"""MeLU's decision layers and the neural process: what they do for many users, and for one."""

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from coldbench import registry
from coldbench.encoder import Items
from coldbench.episode import EpisodeBatch, Feedback
from coldbench.method import Method, from_params
from coldbench.seeds import Seeds
from coldbench.split import Split

PRESETS: dict[str, dict[str, Any]] = registry.find("methods", "melu").presets


def trained(world: tuple[Split, Items], name: str, **params: Any) -> Method[Any]:
    cut, items = world
    brief = {"meta_steps": 4, "meta_users": 8} | params
    method = from_params(registry.find("methods", name), name, brief)
    method.meta_train(cut.warm, cut.valid, items, Seeds.of(0))
    return method


def scores(method: Method[Any], batch: EpisodeBatch) -> Tensor:
    with torch.no_grad():
        return method.score(method.adapt(batch.support), batch.query.items)


def cold(world: tuple[Split, Items], shots: int) -> EpisodeBatch:
    return next(world[0].cold.batches(shots))


def of_user(batch: EpisodeBatch, at: int) -> EpisodeBatch:
    one = slice(at, at + 1)
    support, query = (x.map(lambda column: column[one]) for x in (batch.support, batch.query))
    return EpisodeBatch(batch.users[one], support, query)


def test_at_the_papers_rate_no_prediction_moves_by_a_thousandth_of_a_star(
    world: tuple[Split, Items],
) -> None:
    paper = trained(world, "melu", meta_steps=40, **PRESETS["paper"])
    usable = trained(world, "melu", meta_steps=40, raw=True, **PRESETS["usable"])
    none, some = cold(world, 0), cold(world, 4)
    stars = [4 * (scores(m, some) - scores(m, none)).abs().max() for m in (paper, usable)]
    assert 0 < float(stars[0]) < 1e-3
    assert float(stars[1]) > 0.1


def test_melu_predicts_from_the_mean_where_raw_and_else_from_the_item_prior(
    world: tuple[Split, Items],
) -> None:
    batch = cold(world, 0)
    raw, over = (trained(world, "melu", raw=raw, meta_steps=0) for raw in (True, False))
    spread = [float(scores(m, batch).std()) for m in (raw, over)]
    assert spread[0] < 0.1 * spread[1]
    assert len(raw.learned["prior"].unique()) == 1


def test_melus_steps_are_those_of_a_copy_of_its_layers_by_autograd(
    world: tuple[Split, Items],
) -> None:
    """One user, exact second order: the gradient of the query's loss in the start."""
    method: Any = trained(world, "melu", alpha=0.5)
    method.learned = {name: w.double() for name, w in method.learned.items()}
    method.items = Items(method.items.features.double(), method.items.catalogue)
    names = ("w1", "b1", "w2", "b2", "w3", "b3")
    start = [method.learned[name].requires_grad_() for name in names]
    batch = of_user(cold(world, 4), 0)
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


def test_the_order_of_its_context_is_nothing_to_a_neural_process(
    world: tuple[Split, Items],
) -> None:
    method, batch = trained(world, "cnp"), cold(world, 4)
    backwards = batch.support.map(lambda column: column.flip(1))
    turned = scores(method, EpisodeBatch(batch.users, backwards, batch.query))
    torch.testing.assert_close(turned, scores(method, batch), rtol=0, atol=1e-6)


def test_a_neural_process_keeps_as_much_of_a_user_whatever_the_shots(
    world: tuple[Split, Items],
) -> None:
    method = trained(world, "cnp", width=16)
    for shots in (0, 1, 4):
        batch = cold(world, shots)
        assert tuple(method.adapt(batch.support).shape) == (len(batch.users), 16)
