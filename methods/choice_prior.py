"""Choice-prior: what a new user chose to rate says something before the ratings do.

Factor-EM's model, with a prior for the user's vector w from the choice alone. An item speaks by
the mean vector of the warm users who rated it, A_i less the mean over all ratings; the user's
choice is z = sum over the support of A_i / (K + damping). A ridge regression over stretches of
warm users' histories gives w from z: w ~ N(B'z, C), with C what is left over. Then ratings:

    w = (V_S'V_S + C^-1)^-1 (V_S'(y - p_S) + C^-1 B'z),   score = p_Q + V_Q w

V and y - p in units of the item's noise. Without labels z = 0, and the score is the item prior.
That what is rated tells of taste: Marlin et al. (2007), arXiv:1206.5267; as implicit feedback
beside ratings: Koren, "Factorization meets the neighborhood" (2008). The weight of the choice is
chosen on valid users and may be 0, as EM may be none: then the row is a fold-in. Measured beside
fold-in: docs/own-row.md, docs/strongest.md. No loss is shown, and gains are small.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from coldbench.episode import Feedback, Users
from coldbench.method import Explanation, Params, Space, squash_to_unit
from coldbench.parameters import Count, NotNegative, Positive, Share, Whole
from coldbench.seeds import Seeds

from ._als import residuals
from ._choice import Choice
from ._chosen_on_valid import ChosenOnValid
from ._factor_em import path


@dataclass
class ChoicePrior(ChosenOnValid[Tensor]):
    """Its state is a user's vector, (B, 1 + factors)."""

    factors: Count = 12  # and one more, the user's level
    rounds: Whole = 5  # of EM for each number of raters; 0: fold-in's factors
    raters: Positive | None = None  # of the mean item, given to every item; None, here and below:
    # chosen on valid users
    weight: Share | None = None  # of what the choice says
    damping: NotNegative = 16.0  # items that say nothing, added to the support
    heeds: Literal["both", "choice"] = "both"  # "choice": the user's labels are ignored

    family = "simple"
    explains = True
    paper = "Koren, Factorization Meets the Neighborhood (2008)"
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "choice-ignored": {"weight": 0.0},  # factor-em
        "labels-ignored": {"heeds": "choice"},
        "no-em": {"rounds": 0},  # the cheap form: fold-in's own factors
    }
    space: ClassVar[Space] = {
        "factors": (4, 64),
        "raters": (5.0, 1000.0),
        "weight": (0.0, 1.0),
        "damping": (1.0, 64.0),
    }
    state_size = "4 * (1 + factors)"

    def candidates(self, warm: Users, seeds: Seeds) -> Iterator[Params]:
        r = residuals(warm, self.learned["prior"])
        models = path(r, self.factors, seeds.init, rounds=self.rounds, raters=self.raters)
        for model in models:
            choice = Choice.of(warm, *model.posterior(r), self.damping)
            for weight in (0.5, 0.0, 0.25, 1.0) if self.weight is None else (self.weight,):
                pull, precision = choice.prior(weight)
                arrays = {
                    "factors": model.factors,
                    "deviation": model.noise**0.5,
                    "pull": pull,
                    "precision": precision,
                }
                on = {
                    k: torch.from_numpy(v).float().to(self.items.device) for k, v in arrays.items()
                }
                chosen = {"raters": model.raters, "weight": weight}
                yield on | {k: torch.tensor(v) for k, v in chosen.items()}

    def adapt(self, support: Feedback) -> Tensor:
        left, seen, pull, factor = self._system(support)
        moment = seen.mT @ left[..., None] + pull.sum(1)[..., None]
        return torch.cholesky_solve(moment, factor)[..., 0]

    def score(self, state: Tensor, items: Tensor) -> Tensor:
        taste = (self.learned["factors"][items] @ state[..., None])[..., 0]  # (B, Q)
        return squash_to_unit(self.learned["prior"][items] + taste)

    def explain(self, support: Feedback, items: Tensor) -> Explanation:
        """w is a sum over the support of what each rating and each choice adds."""
        left, seen, pull, factor = self._system(support)
        moment = seen * left[..., None] + pull  # (B, K, F)
        parts = self.learned["factors"][items] @ torch.cholesky_solve(moment.mT, factor)
        return Explanation(self.learned["prior"][items], parts, "label")

    def _system(self, support: Feedback) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """(B, K) residuals and (B, K, F) factors in units of each item's noise, (B, K, F) what
        each choice adds to C^-1 B'z, and the Cholesky factor of V_S'V_S + C^-1."""
        sure = support.mask / self.learned["deviation"][support.items]
        if self.heeds == "choice":
            sure = torch.zeros_like(sure)
        left = (support.labels - self.learned["prior"][support.items]) * sure
        seen = self.learned["factors"][support.items] * sure[..., None]
        share = support.mask / (support.mask.sum(1, keepdim=True) + self.damping).clamp_min(1e-9)
        pull = self.learned["pull"][support.items] * share[..., None]
        precision = seen.mT @ seen + self.learned["precision"]
        return left, seen, pull, torch.linalg.cholesky(precision)
