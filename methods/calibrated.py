"""Calibrated: another method's scores, moved for each user to the level at which that user likes.

Temperature scaling, Guo, Pleiss, Sun & Weinberger, "On Calibration of Modern Neural Networks"
(2017), arXiv:1706.04599, with a bias of each user's own under a Beta prior (a, b):
logit = (base - log(a / b)) / T + log((s + a) / (K - s + b)), s the sum of the user's K labels.
a + b is how alike warm users are, a / (a + b) what the items of the support are expected to get:
who rates what everybody likes says little by liking it.

Within a user the logit is increasing in the base: per-user AUC and NDCG are the base's, whatever a,
b and T are; with K = 0 and T = 1 it is the base. Pooled AUC, log-loss, MAE and calibration are what
it is for. Bases that know a user's level already (ridge, fold-in) need none, and get next to none.
"""

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor

from coldbench.encoder import Items
from coldbench.episode import Episodes, Feedback, Users
from coldbench.method import Method, Space, squash_to_unit
from coldbench.parameters import Positive
from coldbench.seeds import Seeds

from ._grid_search import choose, grid
from ._item_prior import item_prior
from .content_prior import ContentPrior
from .fold_in import FoldIn
from .protonet import Protonet
from .ridge import Ridge
from .simpleshot import Simpleshot

BASES: dict[str, type[Method[Any]]] = {
    "simpleshot": Simpleshot,
    "protonet": Protonet,
    "ridge": Ridge,
    "fold-in": FoldIn,
    "content-prior": ContentPrior,
}


@dataclass(frozen=True)
class Level:
    """The base's own state, and where the user's logits lie."""

    base: Any
    level: Tensor  # (B, 1) log(a / b): where the base has them
    bias: Tensor  # (B, 1) log((s + a) / (K - s + b))


@dataclass
class Calibrated(Method[Level]):
    base: Literal["simpleshot", "protonet", "ridge", "fold-in", "content-prior"] = "simpleshot"
    temperature: Positive | None = None  # T; None, here and below: chosen on valid users
    trust: Positive | None = None  # how often a and b count: the base has seen the labels, too

    family = "robust"
    paper = "arXiv:1706.04599"
    stochastic = False  # as simpleshot is; fold-in and protonet are not
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "protonet": {"base": "protonet"},
        "fold-in": {"base": "fold-in"},
        "content-prior": {"base": "content-prior"},
    }
    space: ClassVar[Space] = {
        "base": ["simpleshot", "ridge", "fold-in"],
        "temperature": (0.3, 3.0),
        "trust": (0.3, 20.0),
    }
    state_size = "8 * D + 8"  # simpleshot's and two numbers

    def meta_train(self, warm: Users, valid: Episodes, items: Items, seeds: Seeds) -> None:
        base = BASES[self.base]()
        base.meta_train(warm, valid, items, seeds)
        self.items = items
        mean, worth = beta_prior(warm)
        beta = {
            "usual": squash_to_unit(item_prior(warm, items)),  # (n_items,) expected of anybody
            "mean": torch.tensor(mean, device=items.device),
            "worth": torch.tensor(worth, device=items.device),
        }
        self.learned = base.learned | beta
        trusts = (1.0, 2.0, 4.0, 8.0, 16.0, 64.0) if self.trust is None else (self.trust,)
        heats = (1.0, 0.5, 0.7, 1.4, 2.0) if self.temperature is None else (self.temperature,)
        choose(self, grid(T=heats, trust=trusts), valid)

    def adapt(self, support: Feedback) -> Level:
        a, b = self.beta(support)
        liked, disliked = (
            (labels * support.mask).sum(1, keepdim=True)
            for labels in (support.labels, 1 - support.labels)
        )  # (B, 1): s and K - s
        bias = torch.log((liked + a) / (disliked + b))
        return Level(self._base().adapt(support), torch.log(a / b), bias)

    def score(self, state: Level, items: Tensor) -> Tensor:
        logit = torch.logit(self._base().score(state.base, items).double())
        return torch.sigmoid((logit - state.level) / self.learned["T"] + state.bias).float()

    def beta(self, support: Feedback) -> tuple[Tensor, Tensor]:
        """(B, 1) a and b."""
        count = support.mask.sum(1, keepdim=True)
        usual = (self.learned["usual"][support.items] * support.mask).sum(1, keepdim=True)
        usual = torch.where(count > 0, usual / count.clamp_min(1), self.learned["mean"])
        worth = self.learned["trust"] * self.learned["worth"]
        return worth * usual, worth * (1 - usual)

    def _base(self) -> Method[Any]:
        base = BASES[self.base]()
        base.items, base.learned = self.items, self.learned
        return base


def beta_prior(warm: Users) -> tuple[float, float]:
    """a / (a + b) and a + b: the mean of users' mean labels, and how many labels it is worth.

    By moments: the variance within users over that between them, which for labels of 0 and 1 is
    the a + b of a Beta distribution; for labels between it is Bühlmann's credibility (1967).
    """
    counts, labels = warm.log.counts, warm.labels.astype(np.float64)
    sums, squares = (np.bincount(warm.log.users, x, len(counts)) for x in (labels, labels**2))
    several = counts > 1
    if not several.any():
        return 0.5, 2.0
    n = counts[several]
    means = sums[several] / n
    variances = (squares[several] - n * means**2) / (n - 1)  # the variance of a user's labels
    within = float(variances.mean())
    between = float(means.var() - (variances / n).mean())
    worth = within / max(between, 1e-3 * within, 1e-9)
    return float(np.clip(means.mean(), 0.01, 0.99)), float(np.clip(worth, 0.1, 1000))
