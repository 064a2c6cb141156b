"""Who chooses which of a new user's items are rated first: what each question would be worth.

An asker sees warm users' ratings, what this user has answered so far, and the items that may still
be asked; never a label that was not asked for. popular, variance and entropy0 rank items once for
all: Rashid, Karypis & Riedl, "Learning Preferences of New Users in Recommender Systems: An
Information Theoretic Approach" (2008). `tree` is in question_tree.py; `own` is the method's own
choice, its `ask`. Decision 23 says why an asker belongs to the protocol.
"""

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from coldbench.elicit.question_tree import QuestionTree
from coldbench.episode import Feedback, Users
from coldbench.method import Method

Float = NDArray[np.float64]
DAMPING = 5.0  # ratings of the mean variance added to every item
UNRATED = 0.5  # the weight of "has not rated it" among entropy0's answers: Rashid et al.'s
BINS = 5  # answers that entropy0 tells apart


class Asker(ABC):
    """Ranks questions, for many users at once."""

    @abstractmethod
    def worth(self, support: Feedback, pool: Tensor, still: Tensor) -> Tensor:
        """(B, P) float: what asking for each item of the pool is worth, the largest is asked.

        support: (B, n) what was answered so far. pool: (B, P) items. still: (B, P) bool, those that
        may be asked; what is said of the others is not read.
        """


class Shuffled(Asker):
    """At random: a pool is in random order already. From its end, as a support is cut."""

    def worth(self, support: Feedback, pool: Tensor, still: Tensor) -> Tensor:
        return torch.arange(pool.shape[1], device=pool.device).expand(pool.shape).float()


class Ranked(Asker):
    """The same order of items for everyone."""

    def __init__(self, by: Float) -> None:
        self.by = torch.from_numpy(by.astype(np.float32))  # (n_items,)

    def worth(self, support: Feedback, pool: Tensor, still: Tensor) -> Tensor:
        return self.by.to(pool.device)[pool]


class Tree(Asker):
    """The next question of a decision tree over warm users."""

    def __init__(self, warm: Users) -> None:
        self.tree = QuestionTree(warm)

    def worth(self, support: Feedback, pool: Tensor, still: Tensor) -> Tensor:
        answers, real, labels = (
            column.cpu().numpy() for column in (support.items, support.mask, support.labels)
        )
        rows = [
            self.tree.worth(items[pool_items], given[pool_items], asked)
            for items, pool_items, given, asked in zip(
                answers, real, labels, pool.cpu().numpy(), strict=True
            )
        ]
        return torch.from_numpy(np.stack(rows)).float().to(pool.device)


class Own(Asker):
    """What the method itself would ask."""

    def __init__(self, method: Method[Any]) -> None:
        self.method = method

    def worth(self, support: Feedback, pool: Tensor, still: Tensor) -> Tensor:
        return self.method.ask(support, pool, still)


def asker_of(name: str, warm: Users, method: Method[Any]) -> Asker:
    """By its name in a protocol, taught by warm users' ratings."""
    if name == "random":
        return Shuffled()
    if name == "own":
        return Own(method)
    if name == "tree":
        return Tree(warm)
    return Ranked({"popular": counts, "variance": variance, "entropy0": entropy0}[name](warm))


def counts(warm: Users) -> Float:
    """(n_items,) how many warm users rated it."""
    return np.bincount(warm.log.items, minlength=warm.log.n_items).astype(np.float64)


def variance(warm: Users) -> Float:
    """(n_items,) of warm users' labels; few ratings are drawn to the mean of all items."""
    n, items, n_items = counts(warm), warm.log.items, warm.log.n_items
    labels = warm.labels.astype(np.float64)
    sums, squares = (np.bincount(items, x, n_items) for x in (labels, labels**2))
    about = squares - sums**2 / np.maximum(n, 1)  # the sum of squares about the item's mean
    return (about + DAMPING * about.sum() / max(n.sum(), 1)) / (n + DAMPING)


def entropy0(warm: Users) -> Float:
    """(n_items,) of what warm users say of an item, "has not rated it" being an answer of half the
    weight: so an item few know says little. -sum w p log p / sum w, over fifths of the scale."""
    n_items, n_users = warm.log.n_items, warm.log.n_users
    bins = np.minimum((warm.labels * BINS).astype(np.int64), BINS - 1)
    rated = np.bincount(warm.log.items * BINS + bins, minlength=n_items * BINS)
    rated = rated.reshape(n_items, BINS)
    answers = np.hstack([n_users - rated.sum(1, keepdims=True), rated]) / max(n_users, 1)
    weights = np.array([UNRATED, *[1.0] * BINS])
    bits = np.where(answers > 0, answers * np.log2(np.where(answers > 0, answers, 1)), 0)
    entropy: Float = -(bits @ weights) / weights.sum()
    return entropy
