"""Adaptive fine-tuning: each user gets its own learning rate, number of steps and depth.

Fine-tuning held to its start, as Li, Grandvalet & Davoine, "Explicit Inductive Bias for Transfer
Learning" (L2-SP, 2018), arXiv:1802.01483. Of a small grid of settings a user gets the one with the
lowest (n l + trust l0) / (n + trust): l the leave-one-out loss on the user's n labels, l0 the loss
that setting had on warm users with as many labels of about the same mean. The query is never used.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise, product
from typing import Annotated, Literal

import torch
from torch import Tensor

from coldbench.encoder import Items
from coldbench.episode import EpisodeBatch, Episodes, Feedback, Users
from coldbench.errors import UserError
from coldbench.method import soft_cross_entropy
from coldbench.parameters import Count, MinLen, NotNegative, Positive
from coldbench.seeds import Seeds

from ._gradient_head import Adapted, GradientHead
from ._head import Head, hidden_units, read
from ._inner_loop import Rates, SupportRows, descend

SHOTS = (1, 2, 4, 8, 16, 32)  # groups of the rule: K up to
MEANS = (0.5, 0.75)  # groups of the rule: mean label below the first, between, above
COPIES = 1024  # users with one label left out that are held at once


@dataclass
class AdaptiveFinetune(GradientHead):
    """`alpha` and `inner_steps` are the setting that the shared start is trained with."""

    rates: Annotated[tuple[Positive, ...], MinLen(1)] = (0.02, 0.1)
    depths: Annotated[tuple[Literal["last", "both"], ...], MinLen(1)] = ("last", "both")
    steps: Annotated[tuple[Count, ...], MinLen(1)] = (1, 3, 8)  # rising
    pull: NotNegative = 0.1  # L2 to the start
    trust: Positive = 16.0  # labels that the rule of warm users is worth
    rule_batches: Count = 6  # of 64 warm users, for each K

    family = "robust"
    paper = "arXiv:1802.01483"
    space = GradientHead.space | {"pull": (0.01, 1.0), "trust": (2.0, 64.0)}
    state_size = "4 * (K * hidden + hidden + 1) + 8 * K"
    steps_param = ""  # a user's own number of steps

    def __post_init__(self) -> None:
        if any(next_one <= before for before, next_one in pairwise(self.steps)):
            raise UserError(f"adaptive-finetune.steps = {self.steps}: they rise, as (1, 3, 8) do")

    def meta_train(self, warm: Users, valid: Episodes, items: Items, seeds: Seeds) -> None:
        super().meta_train(warm, valid, items, seeds)
        with torch.no_grad():
            self.learned["rule"] = self._rule(warm, valid, seeds)

    def adapt(self, support: Feedback) -> Adapted:
        start, rows, trunk = self.begin(support)
        if "rule" in self.learned:
            schedule = self._schedule(self.choose(support))
        else:  # the start is being trained
            schedule = [Rates(self.alpha, self.alpha, self.alpha)] * self.inner_steps
        return Adapted(descend(start, rows, schedule, pull=self.pull), support.items, trunk)

    @property
    def settings(self) -> list[tuple[float, str, int]]:
        return list(product(self.rates, self.depths, self.steps))

    @torch.no_grad()
    def choose(self, support: Feedback) -> Tensor:
        """(B,) index into `settings`."""
        labels = support.mask.sum(1, keepdim=True)  # (B, 1) n
        known = self.learned["rule"][_group(support)]  # (B, S)
        errors = self._left_out(support)
        return ((labels * errors + self.trust * known) / (labels + self.trust)).argmin(1)

    def _schedule(self, choice: Tensor) -> list[Rates]:
        """The rates of each step: 0 for a user whose steps are over, 0 for a layer it freezes."""
        numbers = [(rate, depth == "both", steps) for rate, depth, steps in self.settings]
        chosen = torch.tensor(numbers).to(self.items.features)[choice]  # (B, 3)
        rate, deep, steps = chosen[..., None].unbind(1)  # (B, 1)
        now = [rate * (step < steps) for step in range(max(self.steps))]
        return [Rates(r * deep, r, r) for r in now]

    def _each(self, start: Head, rows: SupportRows) -> Iterator[Head]:
        """The heads that each setting leads to."""
        for rate, depth in product(self.rates, self.depths):
            rates = Rates(rate if depth == "both" else None, rate, rate)
            head, done = start, 0
            for steps in self.steps:
                more = [rates] * (steps - done)
                head = descend(head, rows, more, pull=self.pull, anchor=start)
                done = steps
                yield head

    def _left_out(self, support: Feedback) -> Tensor:
        """(B, S) mean loss on each label after learning from the others. In float64: a choice must
        not hang on how a sum was rounded, which changes with the batch."""
        start, rows, _ = self.begin(support)
        users, shots = support.items.shape
        if not shots:
            return start.last.new_zeros(users, len(self.settings))
        weight, shift = self.learned["weight"].double(), self.learned["shift"].double()
        rows = replace(rows, base=self.items.features[support.items].double() @ weight + shift)
        size = max(1, COPIES // shots)
        tensors = [x.double().split(size) for x in (start.last, start.bias, *vars(rows).values())]
        parts = [
            self._left_out_of(Head(None, last, bias), SupportRows(*columns))
            for last, bias, *columns in zip(*tensors, strict=True)
        ]
        return torch.cat(parts).to(start.last)

    def _left_out_of(self, start: Head, rows: SupportRows) -> Tensor:
        """As many copies of a user as labels, each with one label out of its loss."""
        real = rows.weight > 0  # (B, K)
        shots = real.shape[1]
        others = real[:, None] & ~torch.eye(shots, dtype=torch.bool, device=real.device)
        weight = (others / others.sum(2, keepdim=True).clamp_min(1)).to(rows.weight)  # (B, K, K)
        copies = SupportRows(*(x.repeat_interleave(shots, 0) for x in vars(rows).values()))
        copies = replace(copies, weight=weight.flatten(0, 1))  # (B * K, K)
        first = Head(None, *(x.repeat_interleave(shots, 0) for x in (start.last, start.bias)))
        base, products = rows.base.flatten(0, 1)[:, None], rows.gram.flatten(0, 1)[:, None]
        losses = []
        for head in self._each(first, copies):
            logits = rows.offset + read(head, hidden_units(head, base, products)).view_as(real)
            losses.append(soft_cross_entropy(logits, rows.labels, real))
        return torch.stack(losses, 1)

    def _rule(self, warm: Users, valid: Episodes, seeds: Seeds) -> Tensor:
        """(groups of K, groups of mean label, S) loss on warm users' queries; a group of few users
        is drawn towards all users with as many labels."""
        sums = torch.zeros(len(SHOTS) * (len(MEANS) + 1), 1 + len(self.settings))
        sums = sums.to(self.items.features)
        for k in (k for k in SHOTS if k <= max(1, valid.max_shots)):
            batches = warm.sample(
                self.rule_batches, 64, shots=(k,), query=valid.query_size, seed=seeds.order + k
            )
            for batch in (batch.to(self.items.device) for batch in batches):
                losses = torch.stack(self._query_losses(batch), 1)  # (B, S)
                counted = torch.cat([torch.ones_like(losses[:, :1]), losses], 1)
                by_k, by_mean = _group(batch.support)
                sums.index_add_(0, by_k * (len(MEANS) + 1) + by_mean, counted)
        sums = sums.unflatten(0, (len(SHOTS), len(MEANS) + 1))
        overall = sums.sum(1, keepdim=True) + sums.sum((0, 1), keepdim=True) * 1e-3
        overall = overall[..., 1:] / overall[..., :1]
        return (sums[..., 1:] + 50 * overall) / (sums[..., :1] + 50)

    def _query_losses(self, batch: EpisodeBatch) -> list[Tensor]:
        """(B,) for each setting."""
        start, rows, trunk = self.begin(batch.support)
        query = batch.query
        states = (Adapted(head, batch.support.items, trunk) for head in self._each(start, rows))
        logits = (self.logits(state, query.items) for state in states)
        return [soft_cross_entropy(z, query.labels, query.mask) for z in logits]


def _group(support: Feedback) -> tuple[Tensor, Tensor]:
    """Which group of K and which of the mean label: (B,) each."""
    count = support.mask.sum(1)
    mean = (support.labels * support.mask).sum(1) / count.clamp_min(1)
    edges = (torch.tensor(SHOTS[:-1]).to(count), torch.tensor(MEANS).to(mean))
    return torch.bucketize(count, edges[0]), torch.bucketize(mean, edges[1])
