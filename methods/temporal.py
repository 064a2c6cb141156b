"""Temporal: ridge or logistic regression in which a label counts the less the older it is.

Time weighting in collaborative filtering, Ding & Li, "Time Weight Collaborative Filtering" (2005),
doi:10.1145/1099554.1099689: a label of age t days has the weight exp(-t / memory). The memory is
chosen on valid users, and never forgetting is one of the choices. Where episodes are not in time
order, or a log has no times, all ages are 0 and this is its base.
"""

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from coldbench.encoder import Items
from coldbench.episode import Episodes, Feedback, Users
from coldbench.errors import UserError, unknown
from coldbench.method import Method, Space, to_unit
from coldbench.protocol import Seeds

from ._choose import choose, grid
from ._kernel import Seen, gram
from ._prior import item_prior
from ._weighted import mode, regress

BASES = {"ridge": (2.0, 0.5, 1.0, 5.0), "logistic": (1.0, 16.0, 4.0, 0.25)}  # tau to choose from
RATES = (0.0, 1 / 1000, 1 / 365, 1 / 90, 1 / 30, 1 / 7, 1.0)  # one over a memory in days


@dataclass
class Temporal(Method[Seen]):
    """Its state is one weight for each item of the support."""

    base: Literal["ridge", "logistic"] = "ridge"
    memory: float | None = None  # days until a label counts 1 / e; None: chosen on valid users
    tau: float | None = None  # strength of the penalty (logistic: 1 / s^2); None: likewise
    steps: int = 10  # of Newton's method, and:
    longest: float = 2.0  # change of a log-odds in one of them

    family = "robust"
    paper = "Ding & Li, Time Weight Collaborative Filtering (2005), doi:10.1145/1099554.1099689"
    random = False
    presets: ClassVar[dict[str, dict[str, Any]]] = {"logistic": {"base": "logistic"}}
    space: ClassVar[Space] = {
        "base": ["ridge", "logistic"],
        "memory": (1.0, 1000.0),
        "tau": (0.1, 20.0),
    }
    state_size = "12 * K"

    def __post_init__(self) -> None:
        if self.base not in BASES:
            raise unknown("base", self.base, BASES, "ridge or logistic")
        if self.memory is not None and not self.memory > 0:
            raise UserError(f"memory is a number of days above 0, not {self.memory}")

    def meta_train(self, warm: Users, valid: Episodes, items: Items, seeds: Seeds) -> None:
        self.items = items
        self.learned = {"prior": item_prior(warm, items)}
        strengths = BASES[self.base] if self.tau is None else (self.tau,)
        rates = RATES if self.memory is None else (1 / self.memory,)
        choose(self, grid(forgetting=rates, tau=strengths), valid)

    def weigh(self, support: Feedback) -> Tensor:
        """(B, K) what each label counts, 0 for padding."""
        ages = support.ages.clamp_min(0)
        return torch.exp(-self.learned["forgetting"] * ages) * support.mask

    def adapt(self, support: Feedback) -> Seen:
        weight, tau = self.weigh(support), self.learned["tau"]
        expected = self.learned["prior"][support.items]  # (B, K)
        products = gram(self.items.features, support.items, support.mask)
        if self.base == "ridge":
            left = (support.labels - expected) * support.mask
            return Seen(support.items, regress(products, left, weight, tau))
        start = _log_odds(expected)
        found = mode(
            products / tau, start, support.labels, weight, steps=self.steps, longest=self.longest
        )
        return Seen(support.items, found / tau)

    def score(self, state: Seen, items: Tensor) -> Tensor:
        expected, said = self.learned["prior"][items], state.dot(self.items.features, items)
        if self.base == "ridge":
            return to_unit(expected + said)
        return torch.sigmoid(_log_odds(expected) + said)


def _log_odds(expected: Tensor) -> Tensor:
    return torch.logit(to_unit(expected), eps=1e-6)
