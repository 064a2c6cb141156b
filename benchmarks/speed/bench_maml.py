"""Users per second of a meta-training step, and of meeting users, beside learn2learn and vmap.

`pytest benchmarks/speed -o python_files='bench_*.py'`. A step is forward and backward with the
exact second order: a 384-64-1 head, K = 10 labels (MAML with 16 too), 5 inner steps, Q = 20 asked,
1,682 items, the first ones popular. learn2learn and vmap get their tensors ready made, ours gathers
its own. That all have the same loss is asserted here; for their gradients see
tests/methods/test_meta_methods.py.
"""

from functools import cache
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from coldbench import registry
from coldbench.encoder import Items
from coldbench.episode import EpisodeBatch, Feedback
from coldbench.interactions import Catalogue

USERS, SHOTS, QUERY, WIDTH, HIDDEN, N_ITEMS = 256, 10, 20, 384, 64, 1682
LOOP_USERS, VMAP_USERS = 16, 64  # a peer's call: its users/s no longer rise with more
ROUNDS = {USERS: 30, VMAP_USERS: 6, LOOP_USERS: 12}
STEPS, ALPHA, KAPPA = 5, 0.05, 3
Tasks = tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]


@cache
def items() -> Items:
    rng = torch.Generator().manual_seed(0)
    features = nn.functional.normalize(torch.randn(N_ITEMS, WIDTH, generator=rng))
    names = tuple(map(str, range(N_ITEMS)))
    return Items(features, Catalogue(names, names, ((),) * N_ITEMS))


@cache
def batch(shots: int = SHOTS) -> EpisodeBatch:
    rng = torch.Generator().manual_seed(1)
    popularity = torch.arange(1, N_ITEMS + 1) ** -0.7

    def feedback(size: int) -> Feedback:
        asked = torch.multinomial(popularity, USERS * size, True, generator=rng).view(USERS, size)
        labels = torch.rand(USERS, size, generator=rng).round()  # hard: learn2learn's have to be
        return Feedback(asked, labels, torch.zeros_like(labels), torch.ones_like(asked).bool())

    return EpisodeBatch(torch.arange(USERS), feedback(shots), feedback(QUERY))


def ready(users: int, shots: int = SHOTS) -> Tasks:
    """(users, N, D) features, offsets and labels of support, then of query."""
    tensors = []
    for feedback in (batch(shots).support, batch(shots).query):
        tensors += [items().features[feedback.items], prior()[feedback.items], feedback.labels]
    return tuple(x[:users].contiguous() for x in tensors)  # type: ignore[return-value]


@cache
def prior() -> Tensor:
    return torch.randn(N_ITEMS, generator=torch.Generator().manual_seed(2))


@cache
def start() -> dict[str, Tensor]:
    rng = torch.Generator().manual_seed(3)
    shapes = {"weight": (WIDTH, HIDDEN), "shift": (HIDDEN,), "last": (HIDDEN,), "bias": (1,)}
    return {k: torch.randn(s, generator=rng).requires_grad_() for k, s in shapes.items()}


@cache
def ours(name: str) -> Any:
    method = registry.find("methods", name)()
    method.items = items()
    method.learned = {"prior": prior()} | start() | {"rates": rates()}
    return method


@cache
def rates() -> Tensor:
    """Of metasgd: one a hidden unit, one a weight of the last layer, one of its bias."""
    return torch.full((2 * HIDDEN + 1,), ALPHA).requires_grad_()


def loss_of(weights: dict[str, Tensor], x: Tensor, offset: Tensor, labels: Tensor) -> Tensor:
    hidden = torch.relu(x @ weights["weight"] + weights["shift"])
    logits = offset + hidden @ weights["last"] + weights["bias"]
    return binary_cross_entropy_with_logits(logits, labels)


def batched_step(name: str, shots: int = SHOTS) -> Tensor:
    loss = ours(name)._loss(batch(shots)).mean()
    learnt = [*start().values(), *([rates()] if name == "metasgd" else [])]
    torch.autograd.grad(loss, learnt)
    return loss.detach()


def learn2learn_step(tasks: Tasks, kind: str = "maml") -> Tensor:
    """The same step on learn2learn's classes. ANIL there is MAML on the last layer alone."""
    inner = registry.find("methods", "maml-learn2learn")
    first, last = nn.Linear(WIDTH, HIDDEN), nn.Linear(HIDDEN, 1)
    with torch.no_grad():
        values = [start()["weight"].T, start()["shift"], start()["last"][None], start()["bias"]]
        for parameter, value in zip([*first.parameters(), *last.parameters()], values, strict=True):
            parameter.copy_(value)
    whole = nn.Sequential(first, nn.ReLU(), last)
    shared: nn.Module = nn.Identity()
    if kind == "metasgd":
        learner = library(inner, "algorithms.meta_sgd").MetaSGD(whole, lr=ALPHA)
    elif kind == "anil":
        shared = nn.Sequential(first, nn.ReLU())
        learner = library(inner, "algorithms.maml").MAML(last, lr=ALPHA)
    else:
        rough = kind == "fomaml"
        learner = library(inner, "algorithms.maml").MAML(whole, lr=ALPHA, first_order=rough)
    losses = []
    for x, offset, labels, x_asked, offset_asked, wanted in zip(*tasks, strict=True):
        clone, seen = learner.clone(), shared(x)
        for _ in range(STEPS):
            logits = offset + clone(seen)[:, 0]
            clone.adapt(binary_cross_entropy_with_logits(logits, labels))
        logits = offset_asked + clone(shared(x_asked))[:, 0]
        losses.append(binary_cross_entropy_with_logits(logits, wanted))
    loss = torch.stack(losses).mean()
    loss.backward()
    return loss.detach()


def library(method: Any, part: str) -> Any:
    """learn2learn, by the door that the method goes through."""
    from sys import modules

    return modules[method.__module__].learn2learn(part)


def vmap_step(tasks: Tasks) -> Tensor:
    def one(weights: dict[str, Tensor], *task: Tensor) -> Tensor:
        for _ in range(STEPS):
            slopes = torch.func.grad(loss_of)(weights, *task[:3])
            weights = {name: w - ALPHA * slopes[name] for name, w in weights.items()}
        return loss_of(weights, *task[3:])

    def mean(weights: dict[str, Tensor]) -> Tensor:
        return torch.func.vmap(one, in_dims=(None, *[0] * 6))(weights, *tasks).mean()

    _, loss = torch.func.grad_and_value(mean)({k: w.detach() for k, w in start().items()})
    return loss


def learn2learn_prototypes(tasks: Tasks) -> Tensor:
    peer = registry.find("methods", "protonet-learn2learn")
    classifier = library(peer, "nn.protonet").PrototypicalClassifier
    projection, warm = start()["weight"].detach(), prototypes()
    classes = torch.tensor([1, 0]).repeat_interleave(KAPPA)
    scores = []
    for x, _, labels, x_asked, offset, _ in zip(*tasks, strict=True):
        places = torch.cat([warm.repeat_interleave(KAPPA, 0), x @ projection])
        fitted = classifier(places, torch.cat([classes, labels.long()]))
        disliked, liked = fitted(x_asked @ projection).unbind(1)
        scores.append(torch.sigmoid(offset + liked - disliked))
    return torch.stack(scores)


def prototypes() -> Tensor:
    return torch.stack([prior()[:HIDDEN], prior()[HIDDEN : 2 * HIDDEN]])


def batched_prototypes() -> Tensor:
    method = registry.find("methods", "protonet")(kappa=KAPPA)
    method.items = items()
    method.learned = {
        "prior": prior(),
        "projection": start()["weight"].detach(),
        "prototypes": prototypes(),
        "scale": torch.ones(()),
    }
    scored: Tensor = method.score(method.adapt(batch().support), batch().query.items)
    return scored


SUITES: dict[str, tuple[str, str, int, Any]] = {  # name: suite, role, users in a call, the call
    "maml": ("maml", "subject", USERS, lambda _: batched_step("maml")),
    "maml on learn2learn": ("maml", "peer", LOOP_USERS, learn2learn_step),
    "maml on torch.func.vmap": ("maml", "peer", VMAP_USERS, vmap_step),
    "maml, K = 16": ("maml-16", "subject", USERS, lambda _: batched_step("maml", 16)),
    "maml on learn2learn, K = 16": ("maml-16", "peer", LOOP_USERS, learn2learn_step),
    **{
        row: pair
        for name in ("fomaml", "anil", "metasgd")
        for row, pair in (
            (name, (name, "subject", USERS, lambda _, name=name: batched_step(name))),
            (
                f"{name} on learn2learn",
                (name, "peer", LOOP_USERS, lambda tasks, name=name: learn2learn_step(tasks, name)),
            ),
        )
    },
    "protonet": ("protonet", "subject", USERS, lambda _: batched_prototypes()),
    "protonet on learn2learn": ("protonet", "peer", LOOP_USERS, learn2learn_prototypes),
}


@pytest.mark.parametrize("name", SUITES)
def test_users_per_second(benchmark: Any, name: str) -> None:
    suite, role, users, call = SUITES[name]
    benchmark.group = suite
    benchmark.extra_info = {"role": role, "name": name, "items": users, "unit": "users/s"}
    tasks = ready(users, 16 if suite == "maml-16" else SHOTS)
    with torch.set_grad_enabled(suite != "protonet"):
        benchmark.pedantic(call, args=(tasks,), rounds=ROUNDS[users], warmup_rounds=2)


def test_all_compute_the_same() -> None:
    tasks = ready(USERS)
    for kind in ("maml", "fomaml", "anil", "metasgd"):
        same(batched_step(kind), learn2learn_step(tasks, kind))
    same(batched_step("maml"), vmap_step(tasks))
    same(batched_step("maml", 16), learn2learn_step(ready(USERS, 16)))
    with torch.no_grad():
        together, one_by_one = batched_prototypes(), learn2learn_prototypes(tasks)
    torch.testing.assert_close(together, one_by_one, rtol=0, atol=1e-5)


def same(ours: Tensor, theirs: Tensor) -> None:
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=0)
