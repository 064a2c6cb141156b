"""What methods share whose starting point is learnt by gradient descent over warm users' episodes.

The loss is that of the query after adapting to the support, so whatever `adapt` does, exact second
order included, is what is trained. Stops early on valid users, by the same loss, and keeps the best
weights.
"""

from abc import abstractmethod
from dataclasses import dataclass, replace
from functools import partial
from typing import ClassVar, Self, TypeVar

import torch
from torch import Tensor

from coldbench.encoder import Items
from coldbench.episode import EpisodeBatch, Episodes, Users
from coldbench.method import Params, Rated, Space
from coldbench.parameters import Count, Positive, Whole
from coldbench.seeds import Seeds

from ._early_stopping import EarlyStopping
from ._later_items import later_prior, lengthened
from ._query_loss import Loss, query_loss
from ._training_options import TrainingOptions

State = TypeVar("State")


@dataclass
class EpisodicMethod(TrainingOptions[State]):
    """A method whose `adapt` and `logits` are differentiable in `self.learned`."""

    meta_steps: Whole = 300  # batches of warm users at most
    meta_users: Count = 32  # in a batch
    meta_lr: Positive = 1e-3  # of Adam
    check_every: Count = 20  # batches between two looks at valid users
    loss: Loss = "logistic"  # of a query after its support; an inner loop's own stays as it is

    grows: ClassVar[bool] = True
    warm_starts: ClassVar[bool] = True
    space: ClassVar[Space] = {"meta_lr": (3e-4, 1e-2), **TrainingOptions.space}

    def with_items(self, items: Items, rated: Rated) -> Self:
        """Its priors are what it keeps of each item; all else it reads off their vectors."""
        known, rows = self.learned, {}
        old = known["expected"] if "expected" in known else torch.sigmoid(known["prior"])
        new = later_prior(old, items, rated)
        if "expected" in known:
            rows["expected"] = new
        if "prior" in known:
            rows["prior"] = log_odds(new)
        return lengthened(self, items, **rows)

    @abstractmethod
    def logits(self, state: State, items: Tensor) -> Tensor:
        """(B, Q) item numbers -> (B, Q) log-odds of the expected label."""

    def score(self, state: State, items: Tensor) -> Tensor:
        return torch.sigmoid(self.logits(state, items))

    def fit(
        self, weights: Params, fixed: Params, warm: Users, valid: Episodes, seeds: Seeds
    ) -> None:
        """Train `weights` from where they are; `fixed` tensors go along. Sets `self.learned`."""
        weights = {
            name: w.detach().clone().requires_grad_() for name, w in self.begun(weights).items()
        }
        self.learned = fixed | weights
        adam = torch.optim.AdamW(weights.values(), self.meta_lr, weight_decay=self.weight_decay)
        rate = torch.optim.lr_scheduler.LambdaLR(
            adam, partial(self.share_of_rate, steps=self.meta_steps)
        )
        rng = torch.Generator().manual_seed(seeds.order % 2**63)
        stopping, kept = EarlyStopping(self.patience), weights
        shots = [k for k in (0, 1, 2, 4, 8, 16, 32) if k <= valid.max_shots]
        batches = warm.sample(
            self.meta_steps, self.meta_users, shots=shots, query=valid.query_size, seed=seeds.order
        )
        for step, batch in enumerate(batches):
            if step % self.check_every == 0 and len(valid):
                if stopping.improved(self._valid_loss(valid, shots)):
                    kept = {name: w.detach().clone() for name, w in weights.items()}
                if stopping.stops:
                    break
            adam.zero_grad()
            self._training_loss(batch, rng).backward()
            torch.nn.utils.clip_grad_norm_(weights.values(), self.clip)
            adam.step()
            rate.step()
        else:
            if not len(valid) or stopping.improved(self._valid_loss(valid, shots)):
                kept = weights
        self.learned = fixed | {name: w.detach() for name, w in kept.items()}

    def begun(self, weights: Params) -> Params:
        """Those learnt before, where all are there in the same shapes; else those given."""
        before = self.learnt_before
        fits = all(name in before and before[name].shape == w.shape for name, w in weights.items())
        return {name: before[name] for name in weights} if fits else weights

    def thin(self, rng: torch.Generator) -> None:
        """Dropout for one batch: features to 0 at random, the others raised by as much. An item has
        one mask, in support and query alike (Gal & Ghahramani 2016, arXiv:1512.05287)."""
        features = self.items.features
        kept = torch.rand(features.shape, generator=rng).to(features) >= self.dropout
        self.items = replace(self.items, features=features * kept / (1 - self.dropout))

    def _training_loss(self, batch: EpisodeBatch, rng: torch.Generator) -> Tensor:
        """() the loss with what is for training alone: dropout, smoothed labels, precision."""
        whole = self.items, self.learned
        labels = torch.lerp(batch.query.labels, torch.tensor(0.5), self.label_smoothing)
        smooth = replace(batch, query=replace(batch.query, labels=labels))
        try:
            if self.dropout:
                self.thin(rng)
            with self.autocast():
                return self._loss(smooth).mean()
        finally:
            self.items, self.learned = whole

    def _loss(self, batch: EpisodeBatch) -> Tensor:
        """(B,) `loss` on the query of each user."""
        batch = batch.to(self.items.device)
        logits = self.logits(self.adapt(batch.support), batch.query.items)
        return query_loss(self.loss, logits.float(), batch.query)

    @torch.no_grad()
    def _valid_loss(self, valid: Episodes, shots: list[int]) -> float:
        """Mean over valid users and over every number of shots."""
        losses = [self._loss(batch) for k in shots for batch in valid.batches(k)]
        return float(torch.cat(losses).mean())


@dataclass
class NetOnItems(EpisodicMethod[State]):
    """A small net on frozen item vectors: its batches are cheap, so they are larger, its rate is
    higher and it waits longer for a gain."""

    meta_users: Count = 64
    meta_lr: Positive = 3e-3
    patience: Whole = 8

    family = "meta-learning"


def log_odds(expected: Tensor) -> Tensor:
    """Expected labels as logits; 0 and 1 are kept off their infinities."""
    return torch.logit(expected.clamp(0.02, 0.98))
