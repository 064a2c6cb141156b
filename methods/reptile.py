"""Reptile: move the start towards where each warm user's own training ends.

Nichol, Achiam & Schulman, "On First-Order Meta-Learning Algorithms" (2018), arXiv:1803.02999.
theta += eps mean(theta_k - theta), theta_k a warm user's head after k = `warm_steps` gradient steps
on all labels of an episode, support and query alike; eps falls from `meta_lr` to 0. No gradient
goes through a step. A new user's head descends from where that ends.

What is ours: the start loses eps `weight_decay` theta a batch. Reptile sees many labels of a user
at a time and does not learn to take one label calmly: a smaller start does.
theta_k - theta lies in the span of what a user rated: only its mean over users is written out.
"""

from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

import torch

from coldbench.episode import EpisodeBatch, Episodes, Feedback, Users
from coldbench.method import Params
from coldbench.parameters import Count, NotNegative, Positive, Whole
from coldbench.seeds import Seeds

from ._early_stopping import EarlyStopping
from ._gradient_head import Adapted, GradientHead
from ._inner_loop import Rates, descend


@dataclass
class Reptile(GradientHead):
    warm_steps: Count = 10  # k; `inner_steps` are a new user's
    alpha: Positive = 0.05
    meta_lr: Positive = 1.0  # eps where it begins
    weight_decay: NotNegative = (
        6e-3  # its share of theta goes too: without, one label moves too much
    )
    schedule: Literal["constant", "linear", "cosine"] = "linear"
    loss: Literal["logistic"] = "logistic"  # a warm user's steps are the inner loop's
    meta_steps: Whole = 600  # a step is cheap: nothing goes back through it

    family = "meta-learning"
    paper = "arXiv:1803.02999"
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "paper": {"warm_steps": 8, "inner_steps": 88, "meta_users": 5}
    }  # mini-ImageNet, 5 shots, by the authors' code, whose inner Adam has a rate of its own
    space = GradientHead.space | {
        "meta_lr": (0.1, 1.0),
        "alpha": (3e-3, 0.3),
        "warm_steps": (2, 16),
        "schedule": ["linear", "cosine"],
    }
    state_size = "4 * (K * hidden + hidden + 1) + 8 * K"

    @torch.no_grad()
    def fit(
        self, weights: Params, fixed: Params, warm: Users, valid: Episodes, seeds: Seeds
    ) -> None:
        rng = torch.Generator().manual_seed(seeds.order % 2**63)
        shots = [k for k in (0, 1, 2, 4, 8, 16, 32) if k <= valid.max_shots]
        batches = warm.sample(
            self.meta_steps, self.meta_users, shots=shots, query=valid.query_size, seed=seeds.order
        )
        weights = self.begun(weights)
        stopping, kept = EarlyStopping(self.patience), weights
        for step in range(self.meta_steps + 1):
            self.learned = fixed | weights
            if len(valid) and (step % self.check_every == 0 or step == self.meta_steps):
                if stopping.improved(self._valid_loss(valid, shots)):
                    kept = weights
                if stopping.stops:
                    break
            if step < self.meta_steps:
                eps = self.meta_lr * self.share_of_rate(step, self.meta_steps)
                change = self._way(next(batches), rng)
                weights = {
                    name: w + eps * (change[name] - self.weight_decay * w)
                    for name, w in weights.items()
                }
        self.learned = fixed | (kept if len(valid) else weights)

    def adapt(self, support: Feedback) -> Adapted:
        start, rows, trunk = self.begin(support)
        rates = Rates(self.alpha, self.alpha, self.alpha)
        head = descend(start, rows, [rates] * self.inner_steps)
        return Adapted(head, support.items, trunk)

    def change(self, feedback: Feedback) -> Params:
        """The mean over B users of theta_k - theta; told: (B, N) all that is known of them."""
        start, rows, _ = self.begin(feedback)
        rates = Rates(self.alpha, self.alpha, self.alpha)
        end = descend(start, rows, [rates] * self.warm_steps)
        assert end.first is not None
        users, vectors = len(feedback.items), self.items.features[feedback.items]  # (B, N, D)
        return {
            "weight": vectors.flatten(0, 1).T @ end.first.flatten(0, 1) / users,  # X'A
            "shift": end.first.sum((0, 1)) / users,
            "last": (end.last - start.last).mean(0),
            "bias": (end.bias - start.bias).mean(0),
        }

    def _way(self, batch: EpisodeBatch, rng: torch.Generator) -> Params:
        """`change` with what is for training alone: dropout, smoothed labels, precision, clip."""
        feedback, whole = all_of(batch.to(self.items.device)), self.items
        smooth = torch.lerp(feedback.labels, feedback.labels.new_tensor(0.5), self.label_smoothing)
        try:
            if self.dropout:
                self.thin(rng)
            with self.autocast():
                change = self.change(replace(feedback, labels=smooth))
        finally:
            self.items = whole
        norm = torch.stack([w.square().sum() for w in change.values()]).sum().sqrt()
        return {name: w * (self.clip / norm).clamp_max(1) for name, w in change.items()}


def all_of(batch: EpisodeBatch) -> Feedback:
    """(B, K + Q) the support and the query, side by side."""
    columns = zip(vars(batch.support).values(), vars(batch.query).values(), strict=True)
    return Feedback(*(torch.cat(both, 1) for both in columns))
