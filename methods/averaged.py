"""Averaged: the mean of a few fits of a factor model, each with its own rank and its own start.

Breiman, "Bagging Predictors" (1996): a mean over fits that differ by chance has less variance than
one of them; as blends of factor models of several ranks: Bell & Koren, "Lessons from the Netflix
Prize Challenge" (2007). Each fit chooses its own penalties on valid users. Scores are averaged
before they are squashed, so that they stay sums over the support. Measured: docs/own-row.md.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from coldbench.encoder import Items
from coldbench.episode import Episodes, Feedback, Users
from coldbench.method import Explanation, Method, Params, Space, squash_to_unit
from coldbench.parameters import Count
from coldbench.seeds import Seeds

from .choice_prior import ChoicePrior
from .factor_em import FactorEm
from .fold_in import FoldIn

RANKS = 8, 16, 32
MODELS = {"fold-in": FoldIn, "factor-em": FactorEm, "choice-prior": ChoicePrior}


@dataclass
class Averaged(Method[Tensor]):
    """Its state is the vectors of all fits side by side, (B, 1 + rank each)."""

    of: Literal["fold-in", "factor-em", "choice-prior"] = "fold-in"
    starts: Count = 1  # fits of each rank

    family = "simple"
    explains = True
    paper = "Bell & Koren, Lessons from the Netflix Prize Challenge (2007)"
    presets: ClassVar[dict[str, dict[str, Any]]] = {"choice-prior": {"of": "choice-prior"}}
    space: ClassVar[Space] = {"starts": [1, 2, 3]}
    state_size = "4 * starts * (3 + 8 + 16 + 32)"

    def meta_train(self, warm: Users, valid: Episodes, items: Items, seeds: Seeds) -> None:
        self.items = items
        rng = torch.Generator().manual_seed(seeds.init % 2**63)
        learned: Params = {}
        for name, fit in self._fits():
            start = int(torch.randint(2**62, (), generator=rng))
            fit.meta_train(warm, valid, items, replace(seeds, init=start))
            learned |= {name + key: value for key, value in fit.learned.items()}
        self.learned = learned

    def _fits(self) -> Iterator[tuple[str, Method[Tensor]]]:
        """Each fit, and what the names of what it learnt begin with; untrained."""
        for number, rank in enumerate(RANKS * self.starts):
            yield f"{number}.", MODELS[self.of](factors=rank)

    def _trained(self) -> Iterator[Method[Tensor]]:
        for name, fit in self._fits():
            mine = {k: v for k, v in self.learned.items() if k.startswith(name)}
            fit.items = self.items
            fit.learned = {k.removeprefix(name): v for k, v in mine.items()}
            yield fit

    def adapt(self, support: Feedback) -> Tensor:
        return torch.cat([fit.adapt(support) for fit in self._trained()], 1)

    def score(self, state: Tensor, items: Tensor) -> Tensor:
        every = [self.learned[f"{number}.factors"][items] for number in range(3 * self.starts)]
        taste = (torch.cat(every, 2) @ state[..., None])[..., 0] / len(every)  # (B, Q)
        return squash_to_unit(self.learned["0.prior"][items] + taste)

    def explain(self, support: Feedback, items: Tensor) -> Explanation:
        each = [fit.explain(support, items) for fit in self._trained()]
        parts = torch.stack([one.contributions for one in each]).mean(0)
        return Explanation(each[0].base, parts, "label")
