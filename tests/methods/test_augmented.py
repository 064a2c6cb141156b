"""Multi-copy and augmented: what they make of an item's wordings, by plain computation."""

from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from coldbench import registry
from coldbench.augment.text import views
from coldbench.encoder import Encoder
from coldbench.errors import Unavailable, UserError
from coldbench.testing import ToyProblem, toy_problem
from tests.training import World, agree, close, cold, ratings, scores, trained


def test_one_head_for_all_wordings_is_the_minimum_of_the_loss_it_states(world: World) -> None:
    method = trained("multi-copy", world, copies=3, consistency=2.5, tau=0.7)
    support = ratings([3, 5, 9, 20], [1.0, 0.25, 0.0, 0.75])
    w = method.adapt(support)[0].double().requires_grad_()
    every = torch.cat([world[1].features[None], method.learned["views"]]).double()
    e = every[:, support.items[0]]  # (M, K, D)
    r = (support.labels[0] - method.learned["prior"][support.items[0]]).double()
    f = e @ w
    loss = ((f - r) ** 2).mean(0).sum() + 0.7 * w.square().sum()
    loss = loss + 2.5 * ((f - f.mean(0)) ** 2).mean(0).sum()
    (slope,) = torch.autograd.grad(loss, w)
    assert float(slope.abs().max()) < 1e-5
    assert float(w.detach().abs().max()) > 0.05


def test_a_bag_is_ridge_on_as_many_copies_of_an_item_as_its_lot_says(world: World) -> None:
    method = trained("multi-copy", world, copies=1, bags=5, tau=1.0)
    ridge = trained("ridge", world, tau=1.0)
    items, labels = [3, 5, 9, 20], [1.0, 0.25, 0.0, 0.75]
    heads = []
    for counts in method.learned["counts"].int():
        again = [i for i in items for _ in range(int(counts[i]))]
        given = [y for i, y in zip(items, labels, strict=True) for _ in range(int(counts[i]))]
        state = ridge.adapt(ratings(again, given))
        heads.append(state.dot(world[1].features, torch.arange(40)[None])[0])
    got = world[1].features @ method.adapt(ratings(items, labels))[0]
    close(got, torch.stack(heads).mean(0))
    assert len(method.learned["counts"].unique()) > 2


@pytest.fixture(scope="module")
def read(tmp_path_factory: pytest.TempPathFactory) -> ToyProblem:
    """A world whose items are read from text."""
    return toy_problem(tmp_path_factory.mktemp("tiny"))


copies_of: Any = import_module("coldbench.methods._views")
item_views, dropout_views = copies_of.item_views, copies_of.dropout_views


def test_views_are_the_encoders_reading_of_changed_texts(read: ToyProblem) -> None:
    vectors = item_views(read.items, 2, 5, rate=0.3)
    texts = views(read.items.catalogue.text, 2, np.random.default_rng(5), rate=0.3)
    for view, want in zip(vectors, texts, strict=True):
        close(view, read.items.encoder.embed(list(want)))
    assert torch.equal(
        item_views(read.items, 2, 5, rate=0.0), torch.stack([read.items.features] * 2)
    )
    assert not torch.equal(vectors, item_views(read.items, 2, 6, rate=0.3))


def test_without_text_a_part_of_a_vector_is_left_out(world: World) -> None:
    vectors = item_views(world[1], 3, 0, rate=0.25)
    torch.testing.assert_close(vectors.norm(dim=2), torch.ones(3, 40))
    assert float((vectors == 0).float().mean()) == pytest.approx(0.25, abs=0.05)


def test_only_the_text_of_a_fused_item_is_another(read: ToyProblem) -> None:
    fused = replace(read.items.encoder, fusion=0.4).items(read.items.catalogue)
    vectors, width = item_views(fused, 1, 0, rate=0.3)[0], read.items.features.shape[1]
    torch.testing.assert_close(vectors[:, width:], fused.features[:, width:])
    torch.testing.assert_close(vectors.norm(dim=1), torch.ones(len(vectors)))
    assert float((vectors[:, :width] - fused.features[:, :width]).abs().max()) > 0.01


def test_dropout_pairs_are_readings_of_one_text_that_differ(read: ToyProblem) -> None:
    state = torch.random.get_rng_state()
    vectors = dropout_views(read.items, 2, 5)
    assert torch.equal(torch.random.get_rng_state(), state)
    torch.testing.assert_close(vectors.norm(dim=2), torch.ones(vectors.shape[:2]))
    assert torch.equal(vectors, dropout_views(read.items, 2, 5))
    assert not torch.equal(vectors, dropout_views(read.items, 2, 6))
    assert float((vectors[0] - vectors[1]).abs().max()) > 1e-3
    near, features = (vectors[0] * read.items.features).sum(1), read.items.features
    far = (vectors[0] * features.roll(1, 0)).sum(1)
    assert float(near.mean()) > float(far.mean())  # nearer to its own text than to another's


def test_dropout_pairs_need_an_encoder_that_drops(
    read: ToyProblem, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UserError, match="not both"):
        registry.find("methods", "augmented")(dropout_pairs=True, synonyms=True)
    with pytest.raises(UserError, match="an encoder that reads text"):
        trained("augmented", world, dropout_pairs=True)
    model = read.items.encoder.model()
    monkeypatch.setattr(model, "train", lambda: model)  # as one without dropout reads
    monkeypatch.setattr(Encoder, "model", lambda self: model)
    with pytest.raises(UserError, match="has no dropout"):
        dropout_views(read.items, 1, 0)


@pytest.mark.parametrize("name", ["multi-copy", "augmented"])
def test_synonyms_without_wordnet_are_unavailable_not_left_out(
    name: str, read: ToyProblem, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLDBENCH_WORDNET", str(tmp_path))
    with pytest.raises(Unavailable, match="wordnet-base"):
        trained(name, read, synonyms=True)


@pytest.mark.parametrize("name", ["multi-copy", "augmented"])
def test_no_text_of_an_item_that_is_asked_for_is_changed(name: str, world: World) -> None:
    """Before a label the views say nothing, and other views of unseen items change no score."""
    brief = {"meta_steps": 4} if name == "augmented" else {}
    method, batch = trained(name, world, **brief), cold(world)
    support = batch.support.map(lambda column: column[:1])
    asked = torch.tensor([[n for n in range(40) if n not in support.items]])
    before = scores(method, support, asked)
    views = method.learned["views"].clone()
    views[:, asked[0]] = -views[:, asked[0]]
    method.learned = method.learned | {"views": views}
    assert torch.equal(scores(method, support, asked), before)
    views[:, support.items[0]] = -views[:, support.items[0]]
    assert not torch.equal(scores(method, support, asked), before)


def test_without_views_and_mixtures_the_loop_is_mamls(world: World) -> None:
    ours = trained("augmented", world, meta_steps=4, copies=0, mixture=0.0, worth=0.0)
    maml = registry.find("methods", "maml")(alpha=ours.alpha)
    maml.items, maml.learned = ours.items, ours.learned
    batch = cold(world)
    agree(ours, maml, batch, 1e-6)


def test_a_row_is_mixed_with_the_users_next_item_label_and_prior_alike(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    method = trained("augmented", world, meta_steps=4, copies=1)
    rows: Any = []
    module = import_module("coldbench.methods.augmented")
    descend = module.descend
    monkeypatch.setattr(
        module, "descend", lambda start, r, *rest: rows.append(r) or descend(start, r, *rest)
    )
    items, labels = [3, 5, 9], [1.0, 0.25, 0.0]
    vectors = method.adapt(ratings(items, labels)).support[0, 6:]
    place, share = method.learned["place"], method.learned["share"]
    ring = sorted(items, key=lambda i: int(place[i]))
    for n, (item, label) in enumerate(zip(items, labels, strict=True)):
        other = ring[(ring.index(item) + 1) % 3]
        c = float(share[item])
        for got, column in (
            (vectors[n], world[1].features),
            (rows[0].labels[0, 6 + n], dict(zip(items, labels, strict=True))),
            (rows[0].offset[0, 6 + n], method.learned["prior"]),
        ):
            want = c * torch.as_tensor(column[item]) + (1 - c) * torch.as_tensor(column[other])
            close(got, want, 1e-6)
        assert label == labels[n]
    torch.testing.assert_close(rows[0].weight.sum(), torch.tensor(3 / 7))
