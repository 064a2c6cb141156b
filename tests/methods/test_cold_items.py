"""Rows for items nobody rated: their losses by their papers' formulas, and a world in which text is
all that ranks new items."""

from dataclasses import replace
from functools import cache
from importlib import import_module
from math import exp, log
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from coldbench import registry
from coldbench.encoder import Encoder
from coldbench.protocol import Protocol
from coldbench.seeds import Seeds
from coldbench.splits.split import split
from coldbench.testing.subject import MethodUnderTest
from coldbench.testing.toy_data import ToyProblem
from tests.training import close, trained

ROWS = ("dropoutnet", "meta-embedding", "clcrec")
dropoutnet, meta_embedding, clcrec = (
    import_module(f"coldbench.methods.{name.replace('-', '_')}") for name in ROWS
)


def lot(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(len(shape)))


def test_dropoutnet_brings_products_of_towers_near_those_of_the_latent_model() -> None:
    u, v, users, items = lot(3, 5), lot(4, 5), lot(3, 2) / 2, lot(4, 2) / 3
    pairs = [(i, j) for i in range(3) for j in range(4)]
    wanted = sum((u[i] @ v[j] - users[i] @ items[j]) ** 2 for i, j in pairs) / len(pairs)
    close(dropoutnet.squared_error(u, v, users, items), torch.as_tensor(wanted))


def test_dropoutnet_reads_a_new_item_off_its_text_and_a_new_user_off_their_items() -> None:
    method = trained("dropoutnet", new_items(), meta_steps=2)
    learned, e = method.learned, method.items.features
    new = int(new_items().split.candidates[0])
    close(learned["factors"][new], learned["unrated"])
    close(learned["served"][new], method._tower("item", learned["unrated"], e[new]))
    batch = next(new_items().split.cold.batches(2, 1))
    left = (batch.support.labels - learned["prior"][batch.support.items])[0] / learned["s"]
    seen = batch.support.items[0]
    latent, content = (left @ x[seen] / (2 + method.damping) for x in (learned["factors"], e))
    close(method.adapt(batch.support)[0], method._tower("user", latent, content))


def test_meta_embedding_weighs_the_loss_before_and_after_one_gradient_step() -> None:
    start, raters, labels = lot(1, 3).requires_grad_(), lot(1, 4, 3), lot(1, 4)

    def half_square(item: Tensor, part: int) -> Tensor:
        wrong = labels[0, part::2] - raters[0, part::2] @ item
        return wrong.square().mean() / 2

    first = half_square(start[0], 0)
    (slope,) = torch.autograd.grad(first, start, create_graph=True)
    wanted = 0.3 * first + 0.7 * half_square((start - 0.2 * slope)[0], 1)
    ratings = raters, labels, torch.ones(1, 4)
    found = meta_embedding.meta_loss(start, ratings, 0.3, 0.2)[0]
    close(found, wanted)
    slopes = [torch.autograd.grad(loss, start)[0] for loss in (found, wanted)]  # second order too
    close(slopes[0], slopes[1])


def test_meta_embedding_draws_two_mini_batches_of_an_items_own_raters() -> None:
    cut = new_items().split
    method = trained("meta-embedding", new_items(), meta_steps=1, raters=40)
    labels = cut.warm.matrix()
    items, raters, drawn, real = next(method._mini_batches(labels, 0))
    for row, item in enumerate(items):
        mine, of_item = raters[row][real[row]], labels[:, int(item)]
        assert len(set(mine.tolist())) == len(mine) == min(80, of_item.nnz)
        assert np.allclose(of_item[mine.numpy()].toarray()[:, 0], drawn[row][real[row]])


def test_meta_embedding_leaves_rated_items_to_fold_in() -> None:
    method, plain = (
        trained("meta-embedding", new_items(), meta_steps=2),
        trained("fold-in", new_items()),
    )
    rated = new_items().split.warm.item_counts() > 0
    assert torch.equal(method.learned["factors"][rated], plain.learned["factors"][rated])
    assert not torch.allclose(method.learned["factors"], plain.learned["factors"])


def test_clcrec_contrasts_one_positive_with_its_negatives() -> None:
    odds, negative = lot(1, 4), torch.tensor([[True, False, True]])
    a, b, _, d = (exp(x) for x in odds[0].tolist())
    close(clcrec.info_nce(odds, negative), torch.tensor([-log(a / (a + b + d))]))


def test_clcrec_takes_ratings_of_the_same_user_that_are_lower() -> None:
    warm = new_items().split.warm
    labels = warm.matrix().toarray()
    users, items, lower = next(clcrec.contrasts(warm, 50, 6, 1, 0))
    given = labels[users[:, None], items]
    assert (lower == (given[:, 1:] < given[:, :1])).all()
    assert lower.any(1).all()


@cache
def new_items(*, shuffled: bool = False) -> ToyProblem:
    """New users and new items; an item's vector says which taste it is to. Shuffled: another's."""
    dataset = registry.find("datasets", "synthetic")(
        n_users=240, n_items=80, per_user=60, popularity=0.0
    )
    log_of_all, catalogue = dataset.load()
    protocol = Protocol.of("both-cold", {"shots": [0, 8], "query": 8})
    labels = dataset.labels(log_of_all.ratings, "rating")
    items = Encoder("vectors").items(catalogue)
    if shuffled:
        order = np.random.default_rng(0).permutation(len(items))
        items = replace(items, features=items.features[torch.from_numpy(order)])
    return ToyProblem(split(log_of_all, labels, protocol, Seeds.of(0)), items)


@cache
def auc(name: str, *, shuffled: bool = False) -> float:
    """Of new items, for new users who have rated eight others."""
    world, cls = new_items(shuffled=shuffled), registry.find("methods", name)
    return float(MethodUnderTest(cls, Path()).auc(trained(name, world), world, 8).mean())


@pytest.mark.slow
@pytest.mark.parametrize("name", ROWS)
def test_new_items_are_ranked_by_text_where_ratings_say_nothing(name: str) -> None:
    assert auc("popularity") == pytest.approx(0.5)  # nobody has rated any
    assert auc("fold-in") < 0.55
    assert auc(name) > 0.65


@pytest.mark.slow
@pytest.mark.parametrize("name", ROWS)
def test_with_the_texts_of_other_items_new_items_are_ranked_by_chance(name: str) -> None:
    assert abs(auc(name, shuffled=True) - 0.5) < 0.08  # 32 new items, shared by 48 users
