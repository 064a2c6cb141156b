"""Factor-EM: fold-in with items' factors by EM, and a noise for each item.

Rubin & Thayer, "EM algorithms for ML factor analysis" (1982); methods/_factor_em.py has the steps.
Alternating least squares takes a user's vector for known; EM counts what is unsure about it, so
users with few ratings teach less. An item that few rated stays near the mean item, which moves no
order. The way back is in the choice: fold-in's own factors are among the candidates.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from coldbench.episode import Feedback, Users
from coldbench.method import Explanation, Params, Space, squash_to_unit
from coldbench.parameters import Count, Positive, Whole
from coldbench.seeds import Seeds

from ._als import residuals
from ._chosen_on_valid import ChosenOnValid
from ._factor_em import path


@dataclass
class FactorEm(ChosenOnValid[Tensor]):
    """Its state is a user's vector, (B, 1 + factors)."""

    factors: Count = 12  # and one more, the user's level
    rounds: Whole = 5  # of EM for each number of raters; 0: fold-in's factors
    raters: Positive | None = None  # of the mean item, given to every item; None: chosen on valid
    # users among 20 to 600, and no EM at all

    family = "simple"
    explains = True
    paper = "Rubin & Thayer, EM algorithms for ML factor analysis (1982)"
    presets: ClassVar[dict[str, dict[str, Any]]] = {"no-em": {"rounds": 0}}
    space: ClassVar[Space] = {"factors": (4, 64), "rounds": (1, 20), "raters": (5.0, 1000.0)}
    state_size = "4 * (1 + factors)"

    def candidates(self, warm: Users, seeds: Seeds) -> Iterator[Params]:
        r = residuals(warm, self.learned["prior"])
        models = path(r, self.factors, seeds.init, rounds=self.rounds, raters=self.raters)
        for model in models:
            yield {
                "factors": torch.from_numpy(model.factors).float().to(self.items.device),
                "deviation": torch.from_numpy(model.noise**0.5).float().to(self.items.device),
                "raters": torch.tensor(model.raters),
            }

    def adapt(self, support: Feedback) -> Tensor:
        left, seen, factor = self._system(support)
        return torch.cholesky_solve(seen.mT @ left[..., None], factor)[..., 0]

    def score(self, state: Tensor, items: Tensor) -> Tensor:
        taste = (self.learned["factors"][items] @ state[..., None])[..., 0]  # (B, Q)
        return squash_to_unit(self.learned["prior"][items] + taste)

    def explain(self, support: Feedback, items: Tensor) -> Explanation:
        """As fold-in's, ratings and factors divided by s: w is linear in the residuals."""
        left, seen, factor = self._system(support)
        each = torch.cholesky_solve((seen * left[..., None]).mT, factor)  # (B, F, K): sums to w
        parts = self.learned["factors"][items] @ each  # (B, Q, K)
        return Explanation(self.learned["prior"][items], parts, "label")

    def _system(self, support: Feedback) -> tuple[Tensor, Tensor, Tensor]:
        """(B, K) residuals and (B, K, F) factors in units of each item's noise, and the Cholesky
        factor of V_S'V_S + I."""
        sure = support.mask / self.learned["deviation"][support.items]
        left = (support.labels - self.learned["prior"][support.items]) * sure
        seen = self.learned["factors"][support.items] * sure[..., None]
        eye = torch.eye(seen.shape[2], device=seen.device)
        return left, seen, torch.linalg.cholesky(seen.mT @ seen + eye)
