"""The head that gradient-based meta-learners share, by the book: a copy of it for each user."""

from collections.abc import Callable, Sequence
from importlib.util import find_spec
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits as cross_entropy
from torch.nn.functional import normalize

from coldbench import registry
from coldbench.encoder import Items
from coldbench.episode import EpisodeBatch, Feedback
from coldbench.interactions import Catalogue
from coldbench.method import soft_cross_entropy

no_peer = pytest.mark.skipif(
    not find_spec("learn2learn"), reason="learn2learn is not installed: it needs a C compiler"
)
N_ITEMS, WIDTH, HIDDEN = 12, 5, 8
HEAD = ("weight", "shift", "last", "bias")
Weights = list[Tensor]  # W (D, H), b (H,), v (H,), c (1,) of one user
Step = Callable[[Weights, Tensor, Tensor, Tensor], Weights]  # weights, vectors, prior, labels


def lot(*shape: int, seed: int = 0) -> Tensor:
    rng = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=rng, dtype=torch.float64)


def made_up(name: str, extra: dict[str, Tensor] | None = None, **params: Any) -> Any:
    """A method in float64 whose head is by lot, and which nobody trained."""
    method = registry.find("methods", name)(**params)
    blank = ("",) * N_ITEMS
    catalogue = Catalogue(tuple(map(str, range(N_ITEMS))), blank, ((),) * N_ITEMS)
    method.items = Items(normalize(lot(N_ITEMS, WIDTH)), catalogue)
    shapes = ((WIDTH, HIDDEN), (HIDDEN,), (HIDDEN,), (1,))
    weights = {k: lot(*s, seed=n + 1) for n, (k, s) in enumerate(zip(HEAD, shapes, strict=True))}
    weights |= extra or {}
    method.learned = {name: w.requires_grad_() for name, w in weights.items()}
    method.learned["prior"] = lot(N_ITEMS, seed=9)
    if hasattr(method, "hidden"):
        method.hidden = HIDDEN
    return method


def three_users() -> EpisodeBatch:
    """Three users with 4, 3 and 1 labels, and six items to ask for."""

    def feedback(mask: Tensor, seed: int) -> Feedback:
        rng = torch.Generator().manual_seed(seed)
        items = torch.randint(N_ITEMS, mask.shape, generator=rng) * mask
        labels = torch.rand(mask.shape, generator=rng, dtype=torch.float64) * mask
        return Feedback(items, labels, torch.zeros_like(labels), mask)

    mask = torch.tensor([[1, 1, 1, 1], [0, 1, 1, 1], [0, 0, 0, 1]]).bool()
    return EpisodeBatch(torch.arange(3), feedback(mask, 0), feedback(torch.ones(3, 6).bool(), 1))


EPISODE = three_users()


def head_of(method: Any) -> Weights:
    """Where every user's own copy begins."""
    return [method.learned[name] for name in HEAD]


def says(weights: Weights, vectors: Tensor, prior: Tensor) -> Tensor:
    """(N,) logits of one user's own copy of the head."""
    w, b, v, c = weights
    return prior + torch.relu(vectors @ w + b) @ v + c


def support_of(method: Any, support: Feedback, user: int) -> tuple[Tensor, Tensor, Tensor]:
    """One user's vectors, priors and labels, padding left out."""
    items, labels = (x[user][support.mask[user]] for x in (support.items, support.labels))
    return method.items.features[items], method.learned["prior"][items], labels


def loss_by_copies(method: Any, step: Step) -> Tensor:
    """The outer loss by the book: a copy of the head for each user, one step after another."""
    losses = []
    for user in range(len(EPISODE.users)):
        weights = head_of(method)
        seen = support_of(method, EPISODE.support, user)
        for _ in range(method.inner_steps):
            weights = step(weights, *seen)
        asked, labels = EPISODE.query.items[user], EPISODE.query.labels[user]
        logits = says(weights, method.items.features[asked], method.learned["prior"][asked])
        losses.append(cross_entropy(logits, labels))
    return torch.stack(losses).mean()


def logits_of(method: Any) -> Tensor:
    """(B, Q) what the three users are told after their labels."""
    logits: Tensor = method.logits(method.adapt(EPISODE.support), EPISODE.query.items)
    return logits


def outer_loss(method: Any) -> Tensor:
    query = EPISODE.query
    return soft_cross_entropy(logits_of(method), query.labels, query.mask).mean()


def assert_same(
    method: Any, wanted: Tensor, names: tuple[str, ...] = HEAD, rtol: float = 1e-8
) -> None:
    """A loss is the method's outer loss, and has its gradient in the learnt weights."""
    loss = outer_loss(method)
    torch.testing.assert_close(loss, wanted, rtol=1e-10, atol=1e-12)
    leaves = [method.learned[name] for name in names]
    slopes = (torch.autograd.grad(each, leaves) for each in (loss, wanted))
    for name, got, want in zip(names, *slopes, strict=True):
        assert want.abs().max() > 1e-9, f"a gradient of nothing in {name} would prove nothing"
        torch.testing.assert_close(got, want, rtol=rtol, atol=1e-12)


def descended(
    weights: Weights,
    loss: Tensor,
    rates: Sequence[Tensor | float] | float,
    *,
    first_order: bool = False,
) -> Weights:
    slopes = torch.autograd.grad(loss, weights, create_graph=not first_order)
    each = [rates] * len(weights) if isinstance(rates, float) else rates
    return [w - r * s for w, r, s in zip(weights, each, slopes, strict=True)]
