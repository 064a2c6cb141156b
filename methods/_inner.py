"""A two-layer head adapted to each of many users by gradient steps, all at once and exactly.

The head is z(x) = v' relu(W'x + b) + c. A step moves W by the outer products of the support's rows
with their errors, so a user's first layer stays W + X'A with A of the support's size: rows and
queries need (X X' + 1) A and (C X' + 1) A, the + 1 being the bias b, and no user needs a copy of W.
Gradients are written out, not asked of autograd: as ordinary operations they carry second order.
"""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from coldbench.encoder import Items
from coldbench.episode import Episodes, Feedback, Users
from coldbench.method import Learned
from coldbench.protocol import Seeds

from ._kernel import inner
from ._prior import item_prior
from ._trained import Trained, log_odds


@dataclass(frozen=True)
class Head:
    """The heads of B users, as changes to the shared start. R rows were learnt from."""

    first: Tensor | None  # (B, R, H) A; None: the first layer is still the start's
    last: Tensor  # (B, H) v
    bias: Tensor  # (B, 1) c


@dataclass(frozen=True)
class Rows:
    """What an inner loop sees of the support: R rows a user, padding at weight 0."""

    base: Tensor  # (B, R, H) x'W + b where the loop starts
    gram: Tensor  # (B, R, R) x'x + 1
    offset: Tensor  # (B, R) log-odds of the prior
    labels: Tensor  # (B, R) in 0..1
    weight: Tensor  # (B, R) share in the user's loss


@dataclass(frozen=True)
class Rates:
    """Learning rates of one step: numbers, or tensors that broadcast (learned, or a user's own).

    A rate of the first layer may differ by hidden unit, not by weight: that would leave the span.
    """

    first: float | Tensor | None  # to (B, H); None: the first layer is frozen
    last: float | Tensor  # to (B, H)
    bias: float | Tensor  # to (B, 1)


def descend(
    start: Head,
    rows: Rows,
    schedule: Sequence[Rates],
    *,
    first_order: bool = False,
    pull: float = 0,
    anchor: Head | None = None,
) -> Head:
    """One gradient step of the support's cross-entropy + pull / 2 |head - anchor|^2 a `Rates`.

    first_order: the outer gradient takes the steps as constants.
    anchor: the shared start, where `start` is a user on the way from it; None: `start`.
    """
    head, anchor = start, anchor or start
    with torch.set_grad_enabled(torch.is_grad_enabled() and not first_order):
        for rates in schedule:
            head = _step(head, rows, rates, anchor, pull)
    if first_order:
        last = start.last + (head.last - start.last).detach()
        return Head(head.first, last, start.bias + (head.bias - start.bias).detach())
    return head


def _step(head: Head, rows: Rows, rates: Rates, anchor: Head, pull: float) -> Head:
    hidden = hidden_units(head, rows.base, rows.gram)  # (B, R, H)
    logits = rows.offset + read(head, hidden)  # (B, R)
    error = ((torch.sigmoid(logits) - rows.labels) * rows.weight)[..., None]  # dL/dz
    d_last = (hidden * error).sum(1)
    d_bias = error.sum(1)
    first = head.first
    if rates.first is not None:
        rate = (rates.first * torch.ones_like(head.last))[:, None]  # (B, 1, H)
        moved = where_on(error * (-rate * head.last[:, None]), hidden)  # -rate dL/d(x'W + b)
        if first is not None and pull:
            moved = moved - pull * rate * first  # A is all that W has moved
        first = moved if first is None else first + moved
    if pull:
        d_last = d_last + pull * (head.last - anchor.last)
        d_bias = d_bias + pull * (head.bias - anchor.bias)
    return Head(first, head.last - rates.last * d_last, head.bias - rates.bias * d_bias)


def where_on(values: Tensor, hidden: Tensor) -> Tensor:
    """(B, N, H) values where a unit of `hidden` is on, else 0. On a CPU several times as fast as
    torch.where, and it carries gradients to `values` alike."""
    return torch.ops.aten.threshold_backward(values, hidden.detach(), 0)


def hidden_units(head: Head, base: Tensor, gram: Tensor) -> Tensor:
    """(B, N, H) of N rows, from their (B, N, H) base and (B, N, R) products with the support."""
    if head.first is None:
        return torch.relu(base)
    return torch.baddbmm(base, gram, head.first).relu_()


def read(head: Head, hidden: Tensor) -> Tensor:
    """(B, N) what the last layer makes of (B, N, H)."""
    return (hidden * head.last[:, None]).sum(2) + head.bias


def gram(features: Tensor, left: Tensor, right: Tensor) -> Tensor:
    """(B, N, M) e'e + 1 between (B, N) and (B, M) items; the 1 is the bias."""
    return 1 + inner(features, left, right)


def project(features: Tensor, weight: Tensor, items: Tensor) -> Tensor:
    """(B, N) items -> (B, N, H) e'W; one product of the catalogue where it has fewer rows."""
    if items.numel() < len(features):
        return features[items] @ weight
    return pick(features @ weight, items)


def pick(table: Tensor, items: Tensor) -> Tensor:
    """(B, N) -> (B, N, H) rows of (n_items, H): indexing whose gradient is cheap."""
    return table.index_select(0, items.reshape(-1)).unflatten(0, items.shape)


class Trunk:
    """The first layer where every user starts. Support and query share one product of the
    catalogue where the support alone has as many rows."""

    def __init__(self, features: Tensor, learned: Learned, rows: int) -> None:
        self.features, self.weight, self.bias = features, learned["weight"], learned["shift"]
        self.whole = self.of(features) if rows >= len(features) else None  # (n_items, H)

    def of(self, features: Tensor) -> Tensor:
        """(..., D) -> (..., H)"""
        return features @ self.weight + self.bias

    def __call__(self, items: Tensor) -> Tensor:
        """(B, N) -> (B, N, H)"""
        if self.whole is not None:
            return pick(self.whole, items)
        return project(self.features, self.weight, items) + self.bias


@dataclass(frozen=True)
class Adapted:
    """B users after the loop."""

    head: Head
    support: Tensor  # (B, K) items; or (B, R, D) where the rows are not items
    trunk: Trunk  # shared by all users, no part of a user's state


@dataclass
class InnerLoop(Trained[Adapted]):
    """A head on frozen embeddings whose start is learnt and whose `adapt` descends from it."""

    traced = "inner_steps"

    hidden: int = 64  # units
    alpha: float = 0.05  # inner learning rate; this and meta_lr chosen on valid users of ml-100k
    inner_steps: int = 5
    meta_users: int = 64
    meta_lr: float = 3e-3
    patience: int = 8

    space = Trained.space | {"alpha": (5e-3, 0.5), "inner_steps": (1, 8), "hidden": (16, 128)}

    def meta_train(self, warm: Users, valid: Episodes, items: Items, seeds: Seeds) -> None:
        self.items = items
        prior = log_odds(item_prior(warm, items))
        weights = start_weights(items.features.shape[1], self.hidden, seeds.init)
        weights = {name: w.to(items.device) for name, w in weights.items()}
        self.fit(weights, {"prior": prior} | self.fixed(warm, seeds), warm, valid, seeds)

    def fixed(self, warm: Users, seeds: Seeds) -> Learned:
        """Tensors beside the weights that no gradient changes."""
        return {}

    @abstractmethod
    def adapt(self, support: Feedback) -> Adapted: ...

    def begin(self, support: Feedback) -> tuple[Head, Rows, Trunk]:
        """The shared start for B users, and what the loop sees of their (B, K) labels."""
        items, features = support.items, self.items.features
        trunk = Trunk(features, self.learned, items.numel())
        real = support.mask.to(features)
        rows = Rows(
            trunk(items),
            gram(features, items, items),
            self.learned["prior"].take(items),
            support.labels,
            real / real.sum(1, keepdim=True).clamp_min(1),
        )
        return self.start(len(items)), rows, trunk

    def start(self, users: int) -> Head:
        last, bias = self.learned["last"], self.learned["bias"]
        return Head(None, last.expand(users, -1), bias.expand(users, 1))

    def logits(self, state: Adapted, items: Tensor) -> Tensor:
        features = self.items.features
        if state.support.dim() == 2:
            cross = gram(features, items, state.support)  # (B, Q, K)
        else:
            cross = 1 + features[items] @ state.support.transpose(1, 2)  # (B, Q, R)
        hidden = hidden_units(state.head, state.trunk(items), cross)
        return self.learned["prior"].take(items) + read(state.head, hidden)


def beside(rows: Rows, vectors: Tensor, trunk: Trunk) -> Rows:
    """The support twice over, as L(x) + L(x'): (B, 2 K, D) vectors are x, then the changed x'."""
    twice = (torch.cat([column, column], 1) for column in (rows.offset, rows.labels, rows.weight))
    return Rows(trunk.of(vectors), 1 + vectors @ vectors.transpose(1, 2), *twice)


def start_weights(width: int, hidden: int, seed: int) -> Learned:
    """W (D, H) for unit vectors, b (H,), v (H,) and c (1,). v is small: a new head says little."""
    rng = torch.Generator().manual_seed(seed % 2**63)
    return {
        "weight": torch.randn(width, hidden, generator=rng),
        "shift": torch.zeros(hidden),
        "last": 0.01 * torch.randn(hidden, generator=rng),
        "bias": torch.zeros(1),
    }
