"""Curriculum: a bandit chooses from which warm users, or with how many labels, to learn next.

Graves, Bellemare, Menick, Munos & Kavukcuoglu, "Automated Curriculum Learning for Neural Networks"
(2017), arXiv:1704.03003, with the adversarial bandit EXP3 of Auer, Cesa-Bianchi, Freund & Schapire
(2002), doi:10.1137/S0097539701398375: p_i = (1 - gamma) w_i / sum w + gamma / N; the group drawn
gets w_i *= exp(gamma r / (p_i N)). r is the fall of the loss on valid users from the batch, put
into 0..1 by the 20th and 80th percentile of all falls so far (the paper: into -1..1).

What it teaches is `protonet`. `uniform`: as many batches from the same groups, at random;
what a curriculum gains must be gained over that row.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import numpy as np
import torch

from coldbench.episode import EpisodeBatch, Episodes, Users
from coldbench.method import Method, Params
from coldbench.parameters import Count, Share
from coldbench.seeds import Seeds

from .protonet import Protonet

Group = tuple[Users, tuple[int, ...]]  # warm users, and the numbers of labels to give them


@dataclass
class Curriculum(Protonet):
    groups: Literal["shots", "activity", "entropy"] = "shots"  # K; or users by how many labels they
    # gave, or how evenly they like and dislike, in `parts` groups
    parts: Count = 4
    gamma: Share = 0.1  # of EXP3: share of groups drawn at random, and the step
    judges: Count = 64  # valid users by whom a batch is judged
    uniform: bool = False

    family = "reinforcement"
    paper = "arXiv:1704.03003"
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "uniform": {"uniform": True},
        "activity": {"groups": "activity"},
        "entropy": {"groups": "entropy"},
    }
    space = Protonet.space | {"groups": ["shots", "activity", "entropy"], "gamma": (0.02, 0.5)}
    state_size = "8 * width"

    explains = False  # `protonet` explains the same scores
    explain = Method.explain

    def fit(
        self, weights: Params, fixed: Params, warm: Users, valid: Episodes, seeds: Seeds
    ) -> None:
        judges = valid.first(self.judges)

        def loss(shots: Sequence[int]) -> float:
            return self._valid_loss(judges, list(shots)) if len(judges) else 0.0

        shots = [k for k in (0, 1, 2, 4, 8, 16, 32) if k <= valid.max_shots]
        groups = by_shots(warm, shots) if self.groups == "shots" else self._by_user(warm, shots)
        exp3 = Exp3(len(groups), 0 if self.uniform else self.gamma, seeds.order)
        course = _Course(
            warm.log, warm.labels, warm.ids, warm.negatives_per_positive, groups, exp3, loss
        )
        super().fit(weights, fixed, course, valid, seeds)
        drawn = torch.tensor(exp3.drawn).to(self.items.features)
        self.learned["drawn"] = drawn / drawn.sum().clamp_min(1)  # (N,) share of each group

    def _by_user(self, warm: Users, shots: list[int]) -> list[Group]:
        """Equally many users in each part, from the fewest labels, or the most one-sided."""
        counts = warm.log.counts
        level: Any = counts
        if self.groups == "entropy":
            sums = np.bincount(warm.log.users, warm.labels, len(counts))
            mean = np.clip(sums / np.maximum(counts, 1), 1e-6, 1 - 1e-6)
            level = -mean * np.log(mean) - (1 - mean) * np.log1p(-mean)
        part = np.empty(len(counts), np.int64)
        part[np.argsort(level, kind="stable")] = np.arange(len(counts)) * self.parts // len(counts)
        parts = (warm.only(part[warm.log.users] == n) for n in range(self.parts))
        return [(users, tuple(shots)) for users in parts if _can_be_split(users)]


def _can_be_split(users: Users) -> bool:
    """Whether one of the users has a label to give and one to be asked for."""
    return bool((users.log.counts >= 2 * (1 + users.negatives_per_positive)).any())


class Exp3:
    """Draws one of N arms, the oftener the more it paid; with gamma = 0 at random."""

    def __init__(self, arms: int, gamma: float, seed: int) -> None:
        self.gamma, self.rng = gamma, np.random.default_rng((seed, arms))
        self.logs = np.zeros(arms)  # of w
        self.falls: list[float] = []
        self.drawn = [0] * arms

    def chances(self) -> Any:
        """(N,) p"""
        weights = np.exp(self.logs - self.logs.max())
        return (1 - self.gamma) * weights / weights.sum() + self.gamma / len(weights)

    def draw(self) -> int:
        arm = int(self.rng.choice(len(self.logs), p=self.chances()))
        self.drawn[arm] += 1
        return arm

    def learn(self, arm: int, fall: float) -> None:
        self.falls.append(fall)
        low, high = np.quantile(self.falls, (0.2, 0.8))
        reward = float(np.clip((fall - low) / (high - low), 0, 1)) if high > low else 0.5
        self.logs[arm] += self.gamma * reward / (self.chances()[arm] * len(self.logs))


def by_shots(warm: Users, shots: Sequence[int]) -> list[Group]:
    """All users with each number of labels."""
    return [(warm, (k,)) for k in shots]


@dataclass(frozen=True)
class _Course(Users):
    """Warm users of whom a batch is drawn from the group that the bandit says."""

    groups: list[Group] = field(default_factory=list)
    exp3: Exp3 = field(default_factory=lambda: Exp3(1, 0, 0))
    loss: Callable[[Sequence[int]], float] = field(default=lambda shots: 0.0)

    def sample(
        self, count: int, size: int, *, shots: Sequence[int], query: int, seed: int
    ) -> Iterator[EpisodeBatch]:
        streams = [
            users.sample(count, size, shots=given, query=query, seed=(seed + 1 + n) % 2**63)
            for n, (users, given) in enumerate(self.groups)
        ]
        judged = self.exp3.gamma > 0
        before = self.loss(shots) if judged else 0.0
        for _ in range(count):
            arm = self.exp3.draw()
            yield next(streams[arm])  # whoever asked learns from it before asking again
            if judged:
                after = self.loss(shots)
                self.exp3.learn(arm, before - after)
                before = after
