"""The meta-learners: the fast form is the plain one, by a copy of the head for each user."""

from dataclasses import replace
from importlib import import_module
from importlib.util import find_spec

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits as cross_entropy

from coldbench import registry
from coldbench.testing.toy_data import ToyProblem
from tests.heads import (
    EPISODE,
    HEAD,
    WIDTH,
    Weights,
    assert_same,
    descended,
    loss_by_copies,
    made_up,
    outer_loss,
    says,
    support_of,
)
from tests.training import World, close, cold, predict, scores, trained_briefly

no_peer = pytest.mark.skipif(
    not find_spec("learn2learn"), reason="learn2learn is not installed: it needs a C compiler"
)
LEARNT = ("maml", "fomaml", "anil", "protonet", "simpleshot", "adversarial-fgm", "l2-dropout",
          "adaptive-finetune")  # fmt: skip


@pytest.mark.parametrize("name", ["maml", "fomaml", "anil"])
def test_the_span_of_the_support_equals_a_copy_of_the_head_for_each_user(name: str) -> None:
    method = made_up(name, alpha=0.5)

    def step(weights: Weights, x: Tensor, prior: Tensor, labels: Tensor) -> Weights:
        loss = cross_entropy(says(weights, x, prior), labels)
        moved = descended(weights, loss, 0.5, first_order=name == "fomaml")
        return weights[:2] + moved[2:] if name == "anil" else moved

    wanted = loss_by_copies(method, EPISODE, step, method.inner_steps)
    assert_same(method, outer_loss(method, EPISODE), wanted, rtol=1e-10)


def test_second_order_is_not_first_order() -> None:
    methods = [made_up(name, alpha=0.5) for name in ("maml", "fomaml")]
    losses = [outer_loss(method, EPISODE) for method in methods]
    assert torch.equal(*losses)
    exact, rough = (
        torch.autograd.grad(loss, method.learned["weight"])[0]
        for loss, method in zip(losses, methods, strict=True)
    )
    assert (exact - rough).abs().max() > 1e-3


@no_peer
@pytest.mark.parametrize("name", ["maml", "fomaml"])
def test_loss_and_meta_gradients_equal_learn2learns(name: str) -> None:
    ours = made_up(name, alpha=0.5)
    theirs = made_up("maml-learn2learn", alpha=0.5, first_order=name == "fomaml")
    theirs.learned = ours.learned
    assert_same(ours, outer_loss(ours, EPISODE), outer_loss(theirs, EPISODE), rtol=1e-9)


def test_a_pull_to_the_start_is_that_of_its_own_loss() -> None:
    """One user, one weight moved far: the span's A must feel the L2 that a copy of W would."""
    method = made_up("adaptive-finetune", alpha=0.5, inner_steps=3, pull=0.7)
    weights = start = [method.learned[name] for name in HEAD]
    x, prior, labels = support_of(method, EPISODE.support, 0)
    for _ in range(3):
        apart = sum((w - o).square().sum() for w, o in zip(weights, start, strict=True))
        loss = cross_entropy(says(weights, x, prior), labels) + 0.35 * apart
        weights = descended(weights, loss, 0.5)
    asked = EPISODE.query.items
    wanted = says(weights, method.items.features[asked[0]], method.learned["prior"][asked[0]])
    found = method.logits(method.adapt(EPISODE.support), asked)[0]
    torch.testing.assert_close(found, wanted, rtol=1e-10, atol=0)


def test_an_adversary_moves_an_item_by_epsilon_to_where_the_loss_is_higher() -> None:
    method, support = made_up("adversarial-fgm", epsilon=0.01), EPISODE.support
    harmed = method.adapt(support).support[:, 4:]  # (B, K, D) after the K clean ones
    clean, prior = method.items.features[support.items], method.learned["prior"][support.items]
    length = (harmed - clean).norm(dim=2)[support.mask]
    torch.testing.assert_close(length, torch.full_like(length, 0.01 / WIDTH**0.5))
    start = [method.learned[name] for name in HEAD]
    calm, worse = (
        cross_entropy(says(start, x, prior), support.labels, reduction="none")[support.mask]
        for x in (clean, harmed)
    )
    assert bool((worse >= calm).all())


@no_peer
def test_prototypes_of_hard_labels_equal_learn2learns(world: World) -> None:
    ours = registry.find("methods", "protonet")()
    theirs = trained_briefly("protonet-learn2learn", world)
    ours.items, ours.learned = theirs.items, theirs.learned
    batch = cold(world)
    support = replace(batch.support, labels=(batch.support.labels > 0.5).float())
    got, want = (scores(m, support, batch.query.items) for m in (ours, theirs))
    close(got, want)


def test_a_catalogue_too_large_for_its_gram_matrix_scores_the_same(
    monkeypatch: pytest.MonkeyPatch, world: World
) -> None:
    batch, maml = cold(world), trained_briefly("maml", world)
    looked_up = predict(maml, batch)
    monkeypatch.setattr(import_module("coldbench.methods._kernel"), "SMALL", 0)
    close(predict(maml, batch), looked_up, 1e-6)


def test_each_user_gets_a_setting_of_its_own(world: World) -> None:
    method = trained_briefly("adaptive-finetune", world)
    chosen = method.choose(cold(world).support)
    assert len(chosen.unique()) > 1
    assert int(chosen.max()) < len(method.settings)


@pytest.mark.parametrize("name", LEARNT)
def test_without_a_label_it_already_ranks_better_than_popularity(
    name: str, planted: ToyProblem
) -> None:
    """What labels add to it is the contract's to say."""
    batch = cold(planted, 0)
    warm, asked, liked = planted.split.warm.log, batch.query.items, batch.query.labels
    popular = torch.from_numpy(np.bincount(warm.items, minlength=len(planted.items)))[asked]

    def fit(scores: Tensor) -> float:
        """Mean over users of the correlation of scores with labels."""
        users = map(torch.stack, zip(scores, liked, strict=True))
        return float(torch.stack([torch.corrcoef(both)[0, 1] for both in users]).mean())

    assert fit(predict(trained_briefly(name, planted), batch)) > fit(popular.float()) + 0.1
