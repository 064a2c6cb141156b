"""The meta-learners: the fast form is the plain one, by a copy of the head for each user."""

from dataclasses import replace
from importlib import import_module

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits as cross_entropy

from coldbench import registry
from coldbench.testing.toy_data import ToyProblem
from tests import heads
from tests.heads import EPISODE, Weights, descended, loss_by_copies, made_up, outer_loss, says
from tests.training import World, close, cold, predict, scores, trained_briefly

LEARNT = ("maml", "fomaml", "anil", "protonet", "simpleshot", "adversarial-fgm", "l2-dropout",
          "adaptive-finetune")  # fmt: skip


@pytest.mark.parametrize("name", ["maml", "fomaml", "anil"])
def test_the_span_of_the_support_equals_a_copy_of_the_head_for_each_user(name: str) -> None:
    method = made_up(name, alpha=0.5)

    def step(weights: Weights, x: Tensor, prior: Tensor, labels: Tensor) -> Weights:
        loss = cross_entropy(says(weights, x, prior), labels)
        moved = descended(weights, loss, 0.5, first_order=name == "fomaml")
        return weights[:2] + moved[2:] if name == "anil" else moved

    heads.assert_same(method, loss_by_copies(method, step), rtol=1e-10)


def test_second_order_is_not_first_order() -> None:
    methods = [made_up(name, alpha=0.5) for name in ("maml", "fomaml")]
    losses = [outer_loss(method) for method in methods]
    assert torch.equal(*losses)
    exact, rough = (
        torch.autograd.grad(loss, method.learned["weight"])[0]
        for loss, method in zip(losses, methods, strict=True)
    )
    assert (exact - rough).abs().max() > 1e-3


@heads.no_peer
@pytest.mark.parametrize("name", ["maml", "fomaml"])
def test_loss_and_meta_gradients_equal_learn2learns(name: str) -> None:
    ours = made_up(name, alpha=0.5)
    theirs = made_up("maml-learn2learn", alpha=0.5, first_order=name == "fomaml")
    theirs.learned = ours.learned
    heads.assert_same(ours, outer_loss(theirs), rtol=1e-9)


def test_a_pull_to_the_start_is_that_of_its_own_loss() -> None:
    """One user, one weight moved far: the span's A must feel the L2 that a copy of W would."""
    method = made_up("adaptive-finetune", alpha=0.5, inner_steps=3, pull=0.7)
    weights = start = heads.head_of(method)
    x, prior, labels = heads.support_of(method, EPISODE.support, 0)
    for _ in range(3):
        apart = sum((w - o).square().sum() for w, o in zip(weights, start, strict=True))
        loss = cross_entropy(says(weights, x, prior), labels) + 0.35 * apart
        weights = descended(weights, loss, 0.5)
    asked = EPISODE.query.items[0]
    wanted = says(weights, method.items.features[asked], method.learned["prior"][asked])
    torch.testing.assert_close(heads.logits_of(method)[0], wanted, rtol=1e-10, atol=0)


@heads.no_peer
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
