"""What methods share that change the encoder's top blocks for each user.

Inner loop: gradient steps on the support's cross-entropy, from a start learnt on warm users to the
first order (Finn, Abbeel & Levine 2017, arXiv:1703.03400, section 5.2). The head's weights are
shared and read only what a change moved, w'(e_changed - e): K = 0 is the item prior. A method with
`own_head` adds the user's change of them, (w + d)'e_changed - w'e.
"""

from abc import abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from coldbench.encoder import Items
from coldbench.episode import Episodes, Feedback, Users
from coldbench.method import Params, Rated, Space
from coldbench.parameters import Count, Positive, Whole
from coldbench.seeds import Seeds

from ._backbone import Change
from ._item_prior import item_prior
from ._meta_learner import EpisodicMethod, log_odds
from ._shared_encoder import Packed, SharedEncoder

AT_ONCE = 1024  # tokens that run through the top blocks at once: some 25 MB with their gradients


@dataclass
class TokenMethod(EpisodicMethod[Params]):
    """A small change of the top blocks for each user. Subclasses say what a change is.

    The state is the change alone: a dictionary of float32 tensors (B, ...), whatever `precision`.
    """

    blocks: Count = 1  # from the top, that are changed
    inner_steps: Whole = 3
    inner_lr: Positive = 0.1  # in steps that move an item's own logit by its error, at the start
    damping: Positive = 4.0  # labels of an average user that the support's loss is divided by too
    meta_steps: Whole = 30
    meta_users: Count = 12
    meta_lr: Positive = 1e-2
    check_every: Count = 10
    valid_users: Count = 32  # whose loss decides when to stop

    family: ClassVar[str] = "adapters"
    fine_tunes_encoder: ClassVar[bool] = True
    steps_param: ClassVar[str] = "inner_steps"
    above: ClassVar[bool] = False  # True: only what leaves a block changes, nothing inside it
    own_head: ClassVar[bool] = False  # True: each user changes the head's weights too
    users_at_once: ClassVar[int] = 2**20  # where a change is so large that tokens do not bound it
    presets: ClassVar[dict[str, dict[str, Any]]] = {"fast": {"precision": "bfloat16"}}
    space: ClassVar[Space] = EpisodicMethod.space | {
        "inner_lr": (0.02, 0.5),
        "inner_steps": (1, 6),
        "damping": (1.0, 16.0),
        "blocks": (1, 2),
    }

    @abstractmethod
    def start(self, width: int, generator: torch.Generator) -> Params:
        """What every user starts from, before warm users are met. width: D. What is all 0 stays
        so, and makes the start no change at all; the rest is learnt."""

    @abstractmethod
    def change(self, state: Params) -> Change:
        """How a state (B, ...) changes the model."""

    def settle(self) -> None:
        """Called once `learned` has the start, after training and after loading."""

    def meta_train(self, warm: Users, valid: Episodes, items: Items, seeds: Seeds) -> None:
        self.items, self.trunk = items, self._read(items)
        width = items.features.shape[1]
        generator = torch.Generator().manual_seed(seeds.init)
        weights = {"head": torch.randn(width, generator=generator) / width**0.5}
        weights |= {f"start.{k}": v for k, v in self.start(width, generator).items()}
        if self.own_head:
            weights["start.head"] = torch.zeros(width)
        weights = {name: weight.to(items.device) for name, weight in weights.items()}
        fixed = {name: weight for name, weight in weights.items() if self.stays(weight)}
        weights = {name: weight for name, weight in weights.items() if name not in fixed}
        fixed["prior"] = log_odds(item_prior(warm, items))
        self.learned = fixed | weights
        self.settle()
        fixed |= {name: self.inner_lr / squared for name, squared in self._slopes_squared().items()}
        self.fit(weights, fixed, warm, valid.first(self.valid_users), seeds)

    def stays(self, weight: Tensor) -> bool:
        """Whether a part of the start is not learnt."""
        return not weight.any()

    def load(self, folder: Any, items: Items) -> None:
        super().load(folder, items)
        self.trunk = self._read(items)
        self.settle()

    def with_items(self, items: Items, rated: Rated) -> Self:
        longer = super().with_items(items, rated)
        longer.trunk = self._read(items)
        longer.settle()
        return longer

    def adapt(self, support: Feedback) -> Params:
        start = self.begin(len(support.items))
        if not support.items.numel() or not self.inner_steps:
            return {name: value.clone() for name, value in start.items()}
        first, chunks = self._first_step(support), self._chunks(support.items)
        parts = [
            self._adapted(
                {name: (value - first[name])[rows] for name, value in start.items()}
                if first
                else {name: value[rows] for name, value in start.items()},
                support.map(lambda column, rows=rows: column[rows]),  # type: ignore[misc]
                self.inner_steps - bool(first),
            )
            for rows in chunks
        ]
        back = torch.cat(chunks).argsort()
        return {name: torch.cat([part.pop(name) for part in parts])[back] for name in start}

    def logits(self, state: Params, items: Tensor) -> Tensor:
        if not items.numel():
            return torch.zeros(items.shape, device=items.device)
        parts, chunks = [], self._chunks(items[:, :32])
        for rows in chunks:
            of_users = {name: value[rows] for name, value in state.items()}
            blocks = []
            for asked in items[rows].split(32, 1):
                packed = self.trunk.pack(asked, torch.ones_like(asked, dtype=torch.bool))
                blocks.append(self._logits(packed, asked, of_users))
            parts.append(torch.cat(blocks, 1))
        return torch.cat(parts)[torch.cat(chunks).argsort()]

    def thin(self, rng: torch.Generator) -> None:
        """Dropout where BERT's own classifier has it, on what its head reads; one mask a batch."""
        head = self.learned["head"]
        kept = torch.rand(head.shape, generator=rng).to(head) >= self.dropout
        self.learned = self.learned | {"head": head * kept / (1 - self.dropout)}

    def autocast(self) -> AbstractContextManager[object]:
        """Nothing to do: the trunk is of the type that `precision` says, in `adapt` as well."""
        return nullcontext()

    def begin(self, users: int) -> Params:
        return {
            name.removeprefix("start."): value.expand(users, *value.shape)
            for name, value in self.learned.items()
            if name.startswith("start.")
        }

    def _read(self, items: Items) -> SharedEncoder:
        dtype = getattr(torch, self.precision)
        return SharedEncoder.of(items, self.blocks, above=self.above, dtype=dtype)

    def _slopes(self, items: Tensor) -> Iterator[tuple[Tensor, Params]]:
        """For (M,) items, some at a time: (m,), and the slopes (m, ...) of each one's logit at the
        start, where no user differs from another."""
        for rows in self._chunks(items[:, None]):
            block = items[rows, None]
            state = {k: v.detach().clone() for k, v in self.begin(len(block)).items()}
            state = {name: value.requires_grad_() for name, value in state.items()}
            packed = self.trunk.pack(block, torch.ones_like(block, dtype=torch.bool))
            with torch.enable_grad():
                total = self._logits(packed, block, state).sum()
                slopes = torch.autograd.grad(total, list(state.values()))
            yield block[:, 0], dict(zip(state, slopes, strict=True))

    def _slopes_squared(self) -> Params:
        """() the squared length of an item's slopes at the start, in the mean over some items: a
        step of its inverse moves an item's own logit by about its own error. "rate": of the change
        of the encoder; "head_rate": of the user's own head."""
        sample = torch.arange(min(64, len(self.items)), device=self.items.device)
        squares = {name: torch.zeros((), device=sample.device) for name in ("rate", "head_rate")}
        for _, slopes in self._slopes(sample):
            for name, slope in slopes.items():
                squares[_rate(name)] += slope.square().sum()
        return {name: (total / len(sample)).clamp_min(1e-12) for name, total in squares.items()}

    @torch.no_grad()
    def _first_step(self, support: Feedback) -> Params:
        """What the first step takes off the start. There a logit is the prior's and its slope the
        same for all users, so an item that many have seen is read once. {}: few are shared."""
        distinct = support.items[support.mask].unique()
        if self.users_at_once < len(support.items) or 2 * len(distinct) >= support.mask.sum():
            return {}
        error = torch.sigmoid(self.learned["prior"][support.items]) - support.labels
        error = error * support.mask / self._labels(support)[:, None]
        step: Params = {}
        for items, slopes in self._slopes(distinct):
            share = (support.items[:, :, None] == items).to(error)  # (B, K, m)
            weight = (error[:, None] @ share)[:, 0]  # (B, m)
            for name, slope in slopes.items():
                moved = self.learned[_rate(name)] * torch.einsum("bm,m...->b...", weight, slope)
                step[name] = step[name] + moved if name in step else moved
        return step

    def _labels(self, support: Feedback) -> Tensor:
        """(B,) what the sum of a support's losses is divided by."""
        return support.mask.sum(1) + self.damping

    def _logits(self, packed: Packed, items: Tensor, state: Params) -> Tensor:
        vectors = self.trunk.read(packed, self.change(state))  # (B, N, D)
        moved = (vectors - self.trunk.plain[items]) @ self.learned["head"]
        if self.own_head:
            centred = vectors - self.trunk.plain.mean(0)  # what all items share says no taste
            moved = moved + (centred @ state["head"][:, :, None])[:, :, 0]
        return self.learned["prior"][items] + moved

    def _adapted(self, state: Params, support: Feedback, steps: int) -> Params:
        """Plain gradient descent, each user on their own; gradients of gradients are left out."""
        packed = self.trunk.pack(support.items, support.mask)
        for _ in range(steps):
            leaves = {name: value.detach().requires_grad_() for name, value in state.items()}
            with torch.enable_grad():
                logits = self._logits(packed, support.items, leaves)
                losses = binary_cross_entropy_with_logits(
                    logits, support.labels, support.mask.float(), reduction="none"
                )
                loss = (losses.sum(1) / self._labels(support)).sum()
                slopes = torch.autograd.grad(loss, list(leaves.values()))
            state = {
                name: value - self.learned[_rate(name)] * slope
                for (name, value), slope in zip(state.items(), slopes, strict=True)
            }
        return state

    def _chunks(self, items: Tensor) -> list[Tensor]:
        """(b,) rows of users of like length, so few that their tokens, padded, fit in AT_ONCE."""
        tokens = self.trunk.lengths[items].sum(1)
        order, chunks = tokens.argsort(descending=True, stable=True), list[Tensor]()
        while len(order):
            size = min(self.users_at_once, max(1, AT_ONCE // max(1, int(tokens[order[0]]))))
            chunks, order = [*chunks, order[:size]], order[size:]
        return chunks

    @torch.no_grad()
    def _valid_loss(self, valid: Episodes, shots: list[int]) -> float:
        """Mean over a few valid users at a middling number of shots: all of them cost too much."""
        middle = max(k for k in shots if k <= 8)
        losses = [self._loss(batch) for batch in valid.batches(middle)]
        return float(torch.cat(losses).mean())


def _rate(name: str) -> str:
    return "head_rate" if name == "head" else "rate"
