"""What methods share that change the encoder's top blocks for each user.

Inner loop: gradient steps on the support's cross-entropy, from a start learnt on warm users to the
first order (Finn, Abbeel & Levine 2017, arXiv:1703.03400, section 5.2). The head's weights are
shared and read only what a change moved, w'(e_changed - e): K = 0 is the item prior.
"""

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from coldbench.encoder import Items
from coldbench.episode import Episodes, Feedback, Users
from coldbench.method import Learned
from coldbench.protocol import Seeds

from ._prior import item_prior
from ._trained import Trained, log_odds
from ._trunk import Change, Packed, Trunk

AT_ONCE = 4096  # tokens that run through the top blocks at once: some 100 MB with their gradients


@dataclass
class TokenMethod(Trained[Learned]):
    """A small change of the top blocks for each user. Subclasses say what a change is.

    The state is the change alone: a dictionary of tensors (B, ...).
    """

    blocks: int = 1  # from the top, that are changed
    inner_steps: int = 3
    inner_lr: float = 0.1  # in steps that move an item's own logit by its error, at the start
    damping: float = 4.0  # labels of an average user that the support's loss is divided by too
    meta_steps: int = 30
    meta_users: int = 12
    meta_lr: float = 1e-2
    check_every: int = 10
    valid_users: int = 32  # whose loss decides when to stop

    family: ClassVar[str] = "adapters"
    needs_tokens: ClassVar[bool] = True
    traced: ClassVar[str] = "inner_steps"
    above: ClassVar[bool] = False  # True: only what leaves a block changes, nothing inside it

    @abstractmethod
    def start(self, width: int, generator: torch.Generator) -> Learned:
        """What every user starts from, before warm users are met. width: D. What is all 0 stays
        so, and makes the start no change at all; the rest is learnt."""

    @abstractmethod
    def change(self, state: Learned) -> Change:
        """How a state (B, ...) changes the model."""

    def meta_train(self, warm: Users, valid: Episodes, items: Items, seeds: Seeds) -> None:
        self.items, self.trunk = items, self._trunk(items)
        width = items.features.shape[1]
        generator = torch.Generator().manual_seed(seeds.init)
        weights = {"head": torch.randn(width, generator=generator) / width**0.5}
        weights |= {f"start.{k}": v for k, v in self.start(width, generator).items()}
        weights = {name: weight.to(items.device) for name, weight in weights.items()}
        fixed = {name: weight for name, weight in weights.items() if not weight.any()}
        weights = {name: weight for name, weight in weights.items() if name not in fixed}
        fixed["prior"] = log_odds(item_prior(warm, items))
        self.learned = fixed | weights
        fixed["rate"] = self.inner_lr / self._slope_squared()
        self.fit(weights, fixed, warm, valid.first(self.valid_users), seeds)

    def load(self, folder: Any, items: Items) -> None:
        super().load(folder, items)
        self.trunk = self._trunk(items)

    def adapt(self, support: Feedback) -> Learned:
        users, shots = support.items.shape
        start = self._start(users)
        if not shots:
            return {name: value.clone() for name, value in start.items()}
        parts = [
            self._adapted(
                {name: value[rows] for name, value in start.items()},
                support.map(lambda column, rows=rows: column[rows]),  # type: ignore[misc]
            )
            for rows in self._chunks(support.items)
        ]
        return {name: torch.cat([part[name] for part in parts]) for name in start}

    def logits(self, state: Learned, items: Tensor) -> Tensor:
        parts = []
        for rows in self._chunks(items[:, :16]):
            change = self.change({name: value[rows] for name, value in state.items()})
            some = []
            for asked in items[rows].split(16, 1):
                packed = self.trunk.pack(asked, torch.ones_like(asked, dtype=torch.bool))
                some.append(self._logits(packed, asked, change))
            parts.append(torch.cat(some, 1))
        return torch.cat(parts)

    def _trunk(self, items: Items) -> Trunk:
        dtype = getattr(torch, self.precision)
        return Trunk.of(items, self.blocks, above=self.above, dtype=dtype)

    def _start(self, users: int) -> Learned:
        return {
            name.removeprefix("start."): value.expand(users, *value.shape)
            for name, value in self.learned.items()
            if name.startswith("start.")
        }

    def _slope_squared(self) -> Tensor:
        """() the squared length of an item's gradient at the start, in the mean over some items:
        a step of its inverse moves an item's own logit by about its own error."""
        some = torch.arange(min(64, len(self.items)), device=self.items.device)[:, None]
        state = {k: v.detach().clone().requires_grad_() for k, v in self._start(len(some)).items()}
        packed = self.trunk.pack(some, torch.ones_like(some, dtype=torch.bool))
        with torch.enable_grad():
            logits = self._logits(packed, some, self.change(state))
            slopes = torch.autograd.grad(logits.sum(), list(state.values()))
        total = torch.stack([slope.square().sum() for slope in slopes]).sum()
        return (total / len(some)).clamp_min(1e-12)

    def _logits(self, packed: Packed, items: Tensor, change: Change) -> Tensor:
        moved = self.trunk.read(packed, change) - self.trunk.plain[items]  # (B, N, D)
        return self.learned["prior"][items] + moved @ self.learned["head"]

    def _adapted(self, state: Learned, support: Feedback) -> Learned:
        """Plain gradient descent, each user on their own; gradients of gradients are left out."""
        rate = self.learned["rate"]
        packed = self.trunk.pack(support.items, support.mask)
        for _ in range(self.inner_steps):
            here = {name: value.detach().requires_grad_() for name, value in state.items()}
            with torch.enable_grad():
                logits = self._logits(packed, support.items, self.change(here))
                loss = torch.nn.functional.binary_cross_entropy_with_logits(
                    logits, support.labels, support.mask.float(), reduction="none"
                ).sum(1) / (support.mask.sum(1) + self.damping)  # (B,)
                slopes = torch.autograd.grad(loss.sum(), list(here.values()))
            state = {
                name: value - rate * slope
                for (name, value), slope in zip(state.items(), slopes, strict=True)
            }
        return state

    def _chunks(self, items: Tensor) -> Iterator[slice]:
        """Users few enough at a time that their tokens fit in AT_ONCE."""
        longest = int(self.trunk.lengths[items].sum(1).max())
        size = max(1, AT_ONCE // max(1, longest))
        return (slice(at, at + size) for at in range(0, len(items), size))

    @torch.no_grad()
    def _valid_loss(self, valid: Episodes, shots: list[int]) -> float:
        """Mean over a few valid users at a middling number of shots: all of them cost too much."""
        middle = max(k for k in shots if k <= 8)
        losses = [self._loss(batch) for batch in valid.batches(middle)]
        return float(torch.cat(losses).mean())
