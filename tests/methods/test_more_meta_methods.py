"""The other meta-learners and adversaries: each is its formula, worked out by another road."""

from importlib import import_module
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits as cross_entropy
from torch.nn.functional import layer_norm

from coldbench.method import squash_to_unit
from coldbench.seeds import Seeds
from tests import heads
from tests.heads import EPISODE, HEAD, HIDDEN, Weights, head_of, lot, made_up, says
from tests.training import World, agree, close, cold, predict, trained, trained_briefly


def test_metasgd_is_a_copy_of_the_head_with_a_rate_a_weight() -> None:
    method = made_up("metasgd", {"rates": 0.5 * lot(2 * HIDDEN + 1, seed=7)}, inner_steps=3)
    first, last, bias = method.learned["rates"].split([HIDDEN, HIDDEN, 1])
    assert bool((method.learned["rates"] < 0).any()), "rates may be negative"

    def step(weights: Weights, x: Tensor, prior: Tensor, labels: Tensor) -> Weights:
        loss = cross_entropy(says(weights, x, prior), labels)
        return heads.descended(weights, loss, [first, first, last, bias])

    heads.assert_same(method, heads.loss_by_copies(method, step), (*HEAD, "rates"))


@heads.no_peer
def test_metasgd_equals_learn2learns_where_its_rates_are_tied() -> None:
    """Theirs has a rate for each weight of the first layer: those of a unit are set alike, and what
    our one rate moves is the sum of what theirs move."""
    method = made_up("metasgd", {"rates": 0.5 * lot(2 * HIDDEN + 1, seed=7)}, inner_steps=3)
    support, query = EPISODE.support, EPISODE.query
    w, b, v, c = head_of(method)
    module = nn.Sequential(nn.Linear(heads.WIDTH, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, 1)).double()
    starts = (w.T, b, v[None], c)
    first, last, bias = method.learned["rates"].detach().split([HIDDEN, HIDDEN, 1])
    tied = (first[:, None].expand(HIDDEN, heads.WIDTH), first, last[None], bias)
    with torch.no_grad():
        for parameter, value in zip(module.parameters(), starts, strict=True):
            parameter.copy_(value)
    rates = nn.ParameterList(nn.Parameter(rate.clone()) for rate in tied)
    source = import_module("coldbench.methods._learn2learn")
    theirs = source.learn2learn("algorithms.meta_sgd").MetaSGD(module, lrs=rates)
    losses = []
    for user in range(3):
        clone = theirs.clone()
        x, prior, labels = heads.support_of(method, support, user)
        for _ in range(3):
            clone.adapt(cross_entropy(prior + clone(x)[:, 0], labels))
        asked = query.items[user]
        logits = method.learned["prior"][asked] + clone(method.items.features[asked])[:, 0]
        losses.append(cross_entropy(logits, query.labels[user]))
    wanted, loss = torch.stack(losses).mean(), heads.outer_loss(method)
    torch.testing.assert_close(loss, wanted, rtol=1e-10, atol=1e-12)
    to_head = torch.autograd.grad(wanted, [*module.parameters(), *rates])
    sums = (to_head[4].sum(1) + to_head[5], to_head[6][0], to_head[7])
    expected = (to_head[0].T, to_head[1], to_head[2][0], to_head[3], torch.cat(sums))
    ours = torch.autograd.grad(loss, [method.learned[name] for name in (*HEAD, "rates")])
    for got, want in zip(ours, expected, strict=True):
        torch.testing.assert_close(got, want, rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize("name", ["metasgd", "alfa"])
def test_it_begins_as_maml(name: str, world: World) -> None:
    begun, maml = (trained_briefly(row, world, meta_steps=0) for row in (name, "maml"))
    agree(begun, maml, cold(world), 1e-6)


def test_metasgds_rates_begin_alike_and_are_learnt(world: World) -> None:
    begun = trained_briefly("metasgd", world, meta_steps=0)
    assert bool((begun.learned["rates"] == begun.alpha).all())
    ended = trained_briefly("metasgd", world, meta_steps=60, meta_users=64)
    assert len(ended.learned["rates"].unique()) > HIDDEN


def test_reptiles_mean_change_is_that_of_a_copy_of_the_head_for_each_user() -> None:
    method = made_up("reptile", alpha=0.3, warm_steps=4)
    both = import_module(type(method).__module__).all_of(EPISODE)
    assert both.items.shape == (3, 4 + 6), "it learns from support and query alike"
    start = head_of(method)
    moved: list[Weights] = []
    for user in range(3):
        weights, (x, prior, labels) = start, heads.support_of(method, both, user)
        for _ in range(4):
            weights = heads.descended(weights, cross_entropy(says(weights, x, prior), labels), 0.3)
        moved.append([w - s for w, s in zip(weights, start, strict=True)])
    change = method.change(both)
    for name, *each in zip(HEAD, *moved, strict=True):
        torch.testing.assert_close(change[name], torch.stack(each).mean(0), rtol=1e-9, atol=1e-12)


def test_reptile_takes_ever_smaller_shares_of_the_change(world: World) -> None:
    """Without valid users the start is where it began, plus eps times the change and less eps times
    the decay, batch by batch; over two batches eps is 1 and then a half."""

    def start_after(steps: int) -> Any:
        brief: dict[str, Any] = {"meta_steps": steps, "meta_users": 8, "weight_decay": 0.1}
        return trained("reptile", world, valid=0, **brief)

    method, cut = start_after(0), world[0]
    all_of = import_module(type(method).__module__).all_of
    sizes: dict[str, Any] = {"shots": (0, 1, 2, 4), "query": cut.valid.query_size}
    batches = cut.warm.sample(2, 8, **sizes, seed=Seeds.of(0).order)
    for eps, batch in zip((1.0, 0.5), batches, strict=True):
        change = method.change(all_of(batch))
        before = method.learned
        method.learned = before | {
            name: (1 - 0.1 * eps) * before[name] + eps * change[name] for name in HEAD
        }
    ended = start_after(2)
    for name in HEAD:
        torch.testing.assert_close(ended.learned[name], method.learned[name])


def test_reptile_keeps_the_start_that_is_best_for_valid_users(world: World) -> None:
    shots = [0, 1, 2, 4]
    far = {"meta_steps": 40, "alpha": 1.0, "check_every": 5}  # so large a rate does harm
    begun = trained_briefly("reptile", world, meta_steps=0, alpha=1.0)
    ended = trained_briefly("reptile", world, **far)
    losses = [method._valid_loss(world[0].valid, shots) for method in (begun, ended)]
    assert losses[1] <= losses[0]


def net_by_lot(steps: int) -> dict[str, Tensor]:
    return {
        "see": lot(4, 4, seed=20),
        "see_shift": lot(4, seed=21),
        "set": 0.2 * lot(4, 4, seed=22),
        "set_shift": 0.2 * lot(4, seed=23),
        "rates": 0.3 + 0.1 * lot(steps, 2, seed=24),
    }


def test_alfa_is_a_copy_of_the_head_whose_layers_are_shrunk_and_moved() -> None:
    method = made_up("alfa", net_by_lot(3), inner_steps=3)
    net, at = method.learned, iter(range(9))

    def step(weights: Weights, x: Tensor, prior: Tensor, labels: Tensor) -> Weights:
        rates = net["rates"][next(at) % 3]
        loss = cross_entropy(says(weights, x, prior), labels)
        slopes = torch.autograd.grad(loss, weights, create_graph=True)
        means = [
            torch.cat([part.flatten() for part in layer]).mean()
            * sum(map(torch.numel, layer)) ** 0.5
            for layer in (slopes[:2], slopes[2:], weights[:2], weights[2:])
        ]
        units = torch.relu(torch.stack(means) @ net["see"] + net["see_shift"])
        decay, faster = (units @ net["set"] + net["set_shift"]).split(2)
        beta, alpha = (1 - decay)[[0, 0, 1, 1]], (rates * (1 + faster))[[0, 0, 1, 1]]
        moved = zip(beta, weights, alpha, slopes, strict=True)
        return [keep * w - rate * slope for keep, w, rate, slope in moved]

    names = (*HEAD, "see", "see_shift", "set", "set_shift", "rates")
    heads.assert_same(method, heads.loss_by_copies(method, step), names)
    assert (method.adapt(EPISODE.support).scale - 1).abs().min() > 0.01, "the start did shrink"


# --- Metric learners and the transformer


def test_matching_is_a_weighted_mean_of_what_the_labels_leave(world: World) -> None:
    method, batch = trained_briefly("matching", world), cold(world)
    w, features = method.learned, world[1].features
    got = predict(method, batch)
    for user in range(3):
        for place, asked in enumerate(batch.query.items[user].tolist()):
            near, left = [w["nearness"]], [torch.tensor(0.0)]
            for item, label in zip(
                batch.support.items[user].tolist(), batch.support.labels[user], strict=True
            ):
                eye = features[[asked, item]] @ w["projection"]
                near.append(torch.cosine_similarity(eye[0], eye[1], dim=0))
                left.append(label - w["expected"][item])
            share = torch.softmax(torch.stack(near) * w["sharpness"].exp(), 0)
            wanted = squash_to_unit(w["expected"][asked] + share @ torch.stack(left))
            close(got[user, place], wanted)


def test_matching_without_a_label_says_what_the_item_prior_says(world: World) -> None:
    method, batch = trained_briefly("matching", world), cold(world, 0)
    wanted = squash_to_unit(method.learned["expected"][batch.query.items])
    close(predict(method, batch), wanted, 1e-6)


def test_relation_compares_an_item_with_what_was_liked_and_with_what_was_not(world: World) -> None:
    method, batch = trained_briefly("relation", world), cold(world)
    w, places = method.learned, world[1].features @ method.learned["projection"]
    net = torch.cat([w["of_class"], w["of_item"]])  # the paper's: one layer on the pair
    logits = method.logits(method.adapt(batch.support), batch.query.items)
    for user in range(3):
        seen, labels = places[batch.support.items[user]], batch.support.labels[user]
        related = []
        for c, weight in enumerate((labels, 1 - labels)):
            total = method.kappa * w["prototypes"][c] + (weight[:, None] * seen).sum(0)
            mean = total / (method.kappa + weight.sum())
            pairs = [torch.cat([mean, places[item]]) for item in batch.query.items[user]]
            related.append(torch.relu(torch.stack(pairs) @ net + w["shift"]) @ w["last"])
        wanted = w["prior"][batch.query.items[user]] + related[0] - related[1]
        close(logits[user], wanted, 1e-4)


def test_in_context_is_one_transformer_over_labels_and_items_under_a_mask(world: World) -> None:
    """All tokens in one row, and a mask by which each sees the labels: no cache of keys."""
    method, batch = trained_briefly("in-context", world, meta_steps=20), cold(world)
    w, features = method.learned, world[1].features
    logits = method.logits(method.adapt(batch.support), batch.query.items)
    size, shots = method.width // method.heads, 4
    for user in range(3):
        seen, asked = batch.support.items[user], batch.query.items[user]
        labels = batch.support.labels[user]
        given = torch.stack([labels, labels - w["expected"][seen]], 1) @ w["label"]
        tokens = features[seen] @ w["item"] + given, features[asked] @ w["item"] + w["asked"]
        row = torch.cat([w["alone"][None], *tokens])
        for n in range(method.layers):
            read = layer_norm(row, (method.width,))
            heads = []
            for h in range(method.heads):
                part = slice(h * size, (h + 1) * size)
                ask, key, value = (read @ w[name][n][:, part] for name in ("query", "key", "value"))
                near = ask @ key.T / size**0.5
                near[:, 1 + shots :] = -torch.inf  # no token sees an asked item
                heads.append(torch.softmax(near, 1) @ value)
            row = row + torch.cat(heads, 1) @ w["out"][n]
            row = row + torch.relu(layer_norm(row, (method.width,)) @ w["up"][n]) @ w["down"][n]
        last = layer_norm(row[1 + shots :], (method.width,)) @ w["last"] + w["bias"]
        close(logits[user], w["prior"][asked] + last)
