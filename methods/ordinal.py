"""Ordinal: fold-in for people who use the stars differently, with each user's own thresholds.

McCullagh, "Regression Models for Ordinal Data" (1980); thresholds of a user's own beside factors:
Koren & Sill, "OrdRec: An Ordinal Model for Predicting Personalized Item Rating Distributions"
(2011). Items' factors are fold-in's. A label is one of ordered categories, and a new user's vector
and thresholds are the likeliest ones given the support (methods/_thresholds.py): that two stars of
a mild critic are worse than those of a severe one is learnt, not averaged.

The utility of an item is g (p - mean p) + V w. The slope g and the thresholds where users start are
fitted to warm users' labels by the same Newton's method, all of them as one user.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import pi
from typing import Annotated, Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from coldbench.episode import Feedback, Users
from coldbench.method import Params, Space
from coldbench.parameters import Count, Ge, NotNegative, Positive
from coldbench.seeds import Seeds

from ._als import factorise, residuals, spread
from ._chosen_on_valid import ChosenOnValid
from ._thresholds import Rated, expected, likeliest

LOGISTIC = pi / 3**0.5  # standard deviation of a logistic variable
SLOPE, LOOSE = 20.0, 10.0  # deviations of g and of the thresholds where users start: no prior


@dataclass
class Ordinal(ChosenOnValid[Tensor]):
    """Its state is a user's vector, then the user's thresholds: (B, 1 + factors + levels - 1)."""

    factors: Count = 16  # and one more, the user's level
    rounds: Count = 10  # of alternating least squares
    ridge: Positive = 8.0  # its penalty
    noise: Positive | None = None  # as fold-in's; None, here and below: chosen on valid users
    own: NotNegative | None = None  # standard deviation of a user's threshold, in log-odds
    levels: Annotated[int, Ge(2)] = 5  # categories, equally far apart in 0..1: stars
    steps: Count = 6  # of Newton's method

    family = "simple"
    paper = "Koren & Sill, OrdRec (2011)"
    presets: ClassVar[dict[str, dict[str, Any]]] = {"shared": {"own": 0.0}}  # the same thresholds
    space: ClassVar[Space] = {"factors": (4, 64), "ridge": (1.0, 40.0), "noise": (0.1, 2.0)}
    state_size = "4 * (factors + levels)"

    def candidates(self, warm: Users, seeds: Seeds) -> Iterator[Params]:
        left, start = residuals(warm, self.learned["prior"]), self._start(warm)
        factors = factorise(left, self.factors, self.ridge, self.rounds, seeds.init)
        factors = LOGISTIC * factors.to(self.items.device)
        for noise in (0.6, 0.3, 1.0) if self.noise is None else (self.noise,):
            s = noise**0.5 * spread(left) or 1.0
            for own in (0.5, 0.0, 1.0) if self.own is None else (self.own,):
                chosen = {"factors": factors / s, "own": torch.tensor(own)}
                yield start | chosen | {"s": torch.tensor(s)}

    def _start(self, warm: Users) -> Params:
        """The items' utilities, thresholds and labels' values before a user says anything."""
        prior, device = self.learned["prior"], self.items.device
        category = self._category(torch.from_numpy(warm.labels)).numpy()
        cells = warm.log.items * np.int64(self.levels) + category
        cell, counts = (
            torch.from_numpy(x).to(device) for x in np.unique(cells, return_counts=True)
        )
        every = torch.arange(self.levels, device=device)
        item, level = cell // self.levels, torch.cat([cell % self.levels, every])
        weight = torch.cat([counts.to(prior), prior.new_ones(self.levels)])  # one of each level
        about = prior - (prior[item] @ weight[: len(item)]) / max(1, len(category))
        utility = torch.cat([about[item], prior.new_zeros(self.levels)])
        sums = prior.new_zeros(self.levels).index_add_(0, level, weight)
        thresholds = torch.logit(sums.cumsum(0)[:-1] / sums.sum())
        features = SLOPE * utility[None, :, None]
        rated = Rated(features, 0 * utility[None], level[None], weight[None])
        g, thresholds = likeliest(rated, thresholds, prior.new_tensor(LOOSE), 20)
        labels = torch.from_numpy(np.bincount(category, warm.labels, self.levels)).to(prior)
        values = (labels + every / (self.levels - 1)) / sums
        return {"utility": SLOPE * g[0] * about, "thresholds": thresholds[0], "values": values}

    def _category(self, labels: Tensor) -> Tensor:
        return (labels * (self.levels - 1) + 0.5).long().clamp(0, self.levels - 1)

    def adapt(self, support: Feedback) -> Tensor:
        features = self.learned["factors"][support.items]
        start, category = self.learned["utility"][support.items], self._category(support.labels)
        rated = Rated(features, start, category, support.mask.to(start))
        given = rated, self.learned["thresholds"], self.learned["own"]
        return torch.cat(likeliest(*given, self.steps), 1)

    def score(self, state: Tensor, items: Tensor) -> Tensor:
        w, thresholds = state.split([1 + self.factors, self.levels - 1], 1)
        taste = (self.learned["factors"][items] @ w[..., None])[..., 0]  # (B, Q)
        return expected(self.learned["utility"][items] + taste, thresholds, self.learned["values"])
