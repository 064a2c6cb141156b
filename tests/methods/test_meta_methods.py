"""The meta-learners: the fast form is the plain one, and no user is another's neighbour."""

from dataclasses import replace
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from coldbench import registry
from coldbench.encoder import Encoder, Items
from coldbench.episode import EpisodeBatch, Feedback
from coldbench.interactions import Catalogue
from coldbench.method import Method, soft_cross_entropy
from coldbench.protocol import Protocol
from coldbench.seeds import Seeds
from coldbench.split import Split, split

METHODS = [
    "maml",
    "fomaml",
    "anil",
    "protonet",
    "simpleshot",
    "adversarial-fgm",
    "l2-dropout",
    "adaptive-finetune",
    "maml-learn2learn",
    "protonet-learn2learn",
]
LOOPS = ["maml", "fomaml", "anil", "maml-learn2learn"]  # the same head, trained by the same rule
no_peer = pytest.mark.skipif(
    not find_spec("learn2learn"), reason="learn2learn is not installed: it needs a C compiler"
)
N_ITEMS, WIDTH, HIDDEN = 12, 5, 8


def peers(names: list[str]) -> list[Any]:
    return [pytest.param(n, marks=no_peer) if n.endswith("learn2learn") else n for n in names]


@pytest.fixture(scope="module")
def trained(world: tuple[Split, Items]) -> dict[str, Method[Any]]:
    """Every method after a few steps, by name; trained on first use."""

    class Lazily(dict[str, Method[Any]]):
        def __missing__(self, name: str) -> Method[Any]:
            cls = registry.find("methods", name)
            brief = {"meta_steps": 4, "meta_users": 8} if hasattr(cls, "meta_steps") else {}
            self[name] = cls(**brief)
            self[name].meta_train(world[0].warm, world[0].valid, world[1], Seeds.of(0))
            return self[name]

    return Lazily()


def scores(method: Method[Any], support: Feedback, items: Tensor) -> Tensor:
    with torch.no_grad():
        return method.score(method.adapt(support), items)


def cold(world: tuple[Split, Items], shots: int) -> EpisodeBatch:
    return next(world[0].cold.batches(shots))


def untrained(name: str, **params: Any) -> tuple[Any, EpisodeBatch]:
    """A method whose start is random, in float64, and three users with 4, 3 and 1 labels."""
    rng = torch.Generator().manual_seed(0)
    features = torch.nn.functional.normalize(
        torch.randn(N_ITEMS, WIDTH, generator=rng, dtype=torch.float64)
    )
    blank = ("",) * N_ITEMS
    method = registry.find("methods", name)(**params)
    method.items = Items(
        features, Catalogue(tuple(map(str, range(N_ITEMS))), blank, ((),) * N_ITEMS)
    )
    learned = {
        "weight": torch.randn(WIDTH, HIDDEN, generator=rng, dtype=torch.float64),
        "shift": torch.randn(HIDDEN, generator=rng, dtype=torch.float64),
        "last": torch.randn(HIDDEN, generator=rng, dtype=torch.float64),
        "bias": torch.randn(1, generator=rng, dtype=torch.float64),
    }
    learned = {key: w.requires_grad_() for key, w in learned.items()}
    prior = torch.randn(N_ITEMS, generator=rng, dtype=torch.float64)
    method.learned = {"prior": prior} | learned

    def feedback(mask: Tensor) -> Feedback:
        items = torch.randint(N_ITEMS, mask.shape, generator=rng) * mask
        labels = torch.rand(mask.shape, generator=rng, dtype=torch.float64) * mask
        return Feedback(items, labels, torch.zeros_like(labels), mask)

    support = feedback(torch.tensor([[1, 1, 1, 1], [0, 1, 1, 1], [0, 0, 0, 1]]).bool())
    query = feedback(torch.ones(3, 6).bool())
    return method, EpisodeBatch(torch.arange(3), support, query)


def loss_and_gradients(method: Any, batch: EpisodeBatch) -> list[Tensor]:
    logits = method.logits(method.adapt(batch.support), batch.query.items)
    loss = soft_cross_entropy(logits, batch.query.labels, batch.query.mask).mean()
    weights = [method.learned[key] for key in ("weight", "shift", "last", "bias")]
    return [loss, *torch.autograd.grad(loss, weights)]


def copied_loss_and_gradients(
    method: Any, batch: EpisodeBatch, *, first_order: bool = False, last_only: bool = False
) -> list[Tensor]:
    """The same by the book: a copy of every weight for each user, gradients by autograd."""
    start = [method.learned[key] for key in ("weight", "shift", "last", "bias")]
    prior, features = method.learned["prior"], method.items.features

    def loss(weights: list[Tensor], items: Tensor, labels: Tensor) -> Tensor:
        w, b, v, c = weights
        logits = prior[items] + torch.relu(features[items] @ w + b) @ v + c
        return binary_cross_entropy_with_logits(logits, labels)

    losses = []
    s, q = batch.support, batch.query
    for i, mask in enumerate(s.mask):
        weights = start
        for _ in range(method.inner_steps):
            inner = loss(weights, s.items[i][mask], s.labels[i][mask])
            slopes = torch.autograd.grad(inner, weights, create_graph=not first_order)
            moved = [w - method.alpha * g for w, g in zip(weights, slopes, strict=True)]
            weights = weights[:2] + moved[2:] if last_only else moved
        losses.append(loss(weights, q.items[i], q.labels[i]))
    total = torch.stack(losses).mean()
    return [total, *torch.autograd.grad(total, start)]


@pytest.mark.parametrize(
    ("name", "kind"),
    [("maml", {}), ("fomaml", {"first_order": True}), ("anil", {"last_only": True})],
)
def test_the_span_of_the_support_equals_a_copy_of_the_head_for_each_user(
    name: str, kind: dict[str, bool]
) -> None:
    method, batch = untrained(name, alpha=0.5)
    wanted = copied_loss_and_gradients(method, batch, **kind)
    for got, want in zip(loss_and_gradients(method, batch), wanted, strict=True):
        torch.testing.assert_close(got, want, rtol=1e-10, atol=1e-12)


def test_second_order_is_not_first_order() -> None:
    maml, batch = untrained("maml", alpha=0.5)
    fomaml, _ = untrained("fomaml", alpha=0.5)
    exact, rough = loss_and_gradients(maml, batch), loss_and_gradients(fomaml, batch)
    assert torch.equal(exact[0], rough[0])
    assert (exact[1] - rough[1]).abs().max() > 1e-3


@no_peer
@pytest.mark.parametrize("name", ["maml", "fomaml"])
def test_loss_and_meta_gradients_equal_learn2learns(name: str) -> None:
    ours, batch = untrained(name, alpha=0.5)
    theirs, _ = untrained("maml-learn2learn", alpha=0.5, first_order=name == "fomaml")
    pairs = zip(loss_and_gradients(ours, batch), loss_and_gradients(theirs, batch), strict=True)
    for got, want in pairs:
        torch.testing.assert_close(got, want, rtol=1e-9, atol=1e-12)


@no_peer
def test_prototypes_of_hard_labels_equal_learn2learns(
    world: tuple[Split, Items], trained: dict[str, Method[Any]]
) -> None:
    ours, theirs = registry.find("methods", "protonet")(), trained["protonet-learn2learn"]
    ours.items, ours.learned = theirs.items, theirs.learned
    batch = cold(world, 4)
    support = replace(batch.support, labels=(batch.support.labels > 0.5).float())
    got, want = (scores(m, support, batch.query.items) for m in (ours, theirs))
    torch.testing.assert_close(got, want, rtol=0, atol=1e-5)


def test_a_pull_to_the_start_is_that_of_its_own_loss() -> None:
    """One user, one weight moved far: the span's A must feel the L2 that a copy of W would."""
    method, batch = untrained("adaptive-finetune", alpha=0.5, inner_steps=3, pull=0.7)
    s, start = batch.support, [method.learned[k] for k in ("weight", "shift", "last", "bias")]
    user, weights = s.mask[0], start
    x, prior = method.items.features[s.items[0]], method.learned["prior"][s.items[0]]
    for _ in range(3):
        w, b, v, c = weights
        loss = binary_cross_entropy_with_logits(prior + torch.relu(x @ w + b) @ v + c, s.labels[0])
        loss = loss + 0.35 * sum(
            (a - o).square().sum() for a, o in zip(weights, start, strict=True)
        )
        slopes = torch.autograd.grad(loss, weights, create_graph=True)
        weights = [w - 0.5 * g for w, g in zip(weights, slopes, strict=True)]
    w, b, v, c = weights
    asked = batch.query.items
    want = (
        method.learned["prior"][asked[0]]
        + torch.relu(method.items.features[asked[0]] @ w + b) @ v
        + c
    )
    assert user.all()
    torch.testing.assert_close(method.logits(method.adapt(s), asked)[0], want, rtol=1e-10, atol=0)


@pytest.mark.parametrize("name", peers(METHODS))
def test_a_batch_scores_as_its_users_do_alone(
    name: str, world: tuple[Split, Items], trained: dict[str, Method[Any]]
) -> None:
    batch = cold(world, 4)
    together = scores(trained[name], batch.support, batch.query.items)
    for i in range(len(together)):
        one = slice(i, i + 1)
        support = Feedback(*(column[one] for column in vars(batch.support).values()))
        alone = scores(trained[name], support, batch.query.items[one, 2:3])
        torch.testing.assert_close(alone[0, 0], together[i, 2], rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", peers(METHODS))
def test_padding_says_nothing(
    name: str, world: tuple[Split, Items], trained: dict[str, Method[Any]]
) -> None:
    batch = cold(world, 2)
    padded = batch.support.map(
        lambda x: torch.cat([torch.zeros_like(x), x, torch.zeros_like(x)], 1)
    )
    plain = scores(trained[name], batch.support, batch.query.items)
    wide = scores(trained[name], padded, batch.query.items)
    torch.testing.assert_close(wide, plain, rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", peers(METHODS))
def test_adapting_leaves_no_trace(
    name: str, world: tuple[Split, Items], trained: dict[str, Method[Any]]
) -> None:
    method, one, other = trained[name], cold(world, 4), cold(world, 2)
    kept = {key: w.clone() for key, w in method.learned.items()}
    before = scores(method, one.support, one.query.items)
    scores(method, other.support, other.query.items)
    assert torch.equal(scores(method, one.support, one.query.items), before)
    assert method.learned.keys() == kept.keys()
    assert all(torch.equal(w, kept[key]) for key, w in method.learned.items())
    assert not any(w.requires_grad for w in method.learned.values())


@pytest.mark.parametrize("name", peers(METHODS))
def test_no_label_gives_finite_scores_and_four_move_them(
    name: str, world: tuple[Split, Items], trained: dict[str, Method[Any]]
) -> None:
    items = cold(world, 0).query.items
    none, some = (scores(trained[name], cold(world, k).support, items) for k in (0, 4))
    assert none.shape == items.shape
    assert bool(((none >= 0) & (none <= 1)).all())
    assert (some - none).abs().mean() > 1e-3


@pytest.mark.parametrize("name", peers(METHODS))
def test_supports_of_one_class_of_copies_and_of_padding_alone_are_lived_with(
    name: str, world: tuple[Split, Items], trained: dict[str, Method[Any]]
) -> None:
    items = torch.tensor([[3, 3, 3], [1, 2, 3], [0, 0, 0]])
    labels = torch.tensor([[1.0, 1, 1], [0, 0, 0], [0, 0, 0]])
    mask = torch.tensor([[True] * 3, [True] * 3, [False] * 3])
    support = Feedback(items, labels, torch.zeros_like(labels), mask)
    asked = torch.arange(40).expand(3, -1)
    got = scores(trained[name], support, asked)
    assert got.isfinite().all()
    nothing = support.map(lambda column: column[2:, :0])
    unmoved = scores(trained[name], nothing, asked[2:])
    torch.testing.assert_close(got[2:], unmoved, rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", peers(METHODS))
def test_gradients_reach_the_start_only_while_it_is_trained(
    name: str, world: tuple[Split, Items], trained: dict[str, Method[Any]]
) -> None:
    support = cold(world, 4).support
    assert not scores(trained[name], support, support.items).requires_grad


def test_a_catalogue_too_large_for_its_gram_matrix_scores_the_same(
    monkeypatch: pytest.MonkeyPatch,
    world: tuple[Split, Items],
    trained: dict[str, Method[Any]],
) -> None:
    batch = cold(world, 4)
    looked_up = scores(trained["maml"], batch.support, batch.query.items)
    monkeypatch.setattr(import_module("coldbench.methods._kernel"), "SMALL", 0)
    computed = scores(trained["maml"], batch.support, batch.query.items)
    torch.testing.assert_close(computed, looked_up, rtol=0, atol=1e-6)


def test_each_user_gets_a_setting_of_its_own(
    world: tuple[Split, Items], trained: dict[str, Method[Any]]
) -> None:
    method: Any = trained["adaptive-finetune"]
    chosen = method.choose(cold(world, 4).support)
    assert len(chosen.unique()) > 1
    assert int(chosen.max()) < len(method.settings)


def test_an_adversary_moves_an_item_by_epsilon_to_where_the_loss_is_higher() -> None:
    method, batch = untrained("adversarial-fgm", epsilon=0.01)
    support = batch.support
    harmed = method.adapt(support).support[:, 4:]  # (B, K, D) after the K clean ones
    clean = method.items.features[support.items]
    length = (harmed - clean).norm(dim=2)[support.mask]
    torch.testing.assert_close(length, torch.full_like(length, 0.01 / WIDTH**0.5))
    w, b, v, c = (method.learned[key] for key in ("weight", "shift", "last", "bias"))
    losses = [
        binary_cross_entropy_with_logits(
            method.learned["prior"][support.items] + torch.relu(x @ w + b) @ v + c,
            support.labels,
            reduction="none",
        )[support.mask]
        for x in (clean, harmed)
    ]
    assert bool((losses[1] >= losses[0]).all())


@pytest.mark.slow
@pytest.mark.parametrize("name", [n for n in METHODS if "learn2learn" not in n])
def test_a_planted_taste_is_learnt_and_more_labels_show_more_of_it(name: str) -> None:
    dataset = registry.find("datasets", "synthetic")()
    log, catalogue = dataset.load()
    protocol = Protocol.of("user-cold")
    cut = split(log, dataset.labels(log.ratings, protocol.labels), protocol, Seeds.of(0))
    method = registry.find("methods", name)()
    method.meta_train(cut.warm, cut.valid, Encoder("vectors").items(catalogue), Seeds.of(0))
    popular = torch.from_numpy(np.bincount(cut.warm.log.items, minlength=len(catalogue)))

    def agreement(by: Tensor, labels: Tensor) -> float:
        """Mean over users of the correlation between scores and labels."""
        users = (torch.stack(both) for both in zip(by, labels, strict=True))
        return float(torch.stack([torch.corrcoef(user)[0, 1] for user in users]).mean())

    batches = [next(cut.cold.batches(k)) for k in (0, 16)]
    cold_start, met = (
        agreement(scores(method, b.support, b.query.items), b.query.labels) for b in batches
    )
    query = batches[0].query
    assert cold_start > agreement(popular[query.items].float(), query.labels) + 0.1
    assert met > cold_start + 0.02
