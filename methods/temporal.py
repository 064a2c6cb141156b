"""Temporal: ridge, logistic or ProtoNet, in which a label counts the less the older it is.

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
from coldbench.method import Method, Space, squash_to_unit
from coldbench.parameters import Count, Positive
from coldbench.seeds import Seeds

from ._grid_search import choose, grid
from ._item_prior import item_prior
from ._kernel import Seen, gram
from ._map_estimate import mode, regress
from .protonet import Protonet

BASES = {  # tau to choose from
    "ridge": (2.0, 0.5, 1.0, 5.0),
    "logistic": (1.0, 16.0, 4.0, 0.25),
    "protonet": (Protonet.kappa,),
}
RATES = (0.0, 1 / 1000, 1 / 365, 1 / 90, 1 / 30, 1 / 7, 1.0)  # one over a memory in days


def remembered(support: Feedback, forgetting: Tensor) -> Tensor:
    """(B, K) what each label counts, 0 for padding."""
    return torch.exp(-forgetting * support.days_before_query.clamp_min(0)) * support.mask


class _Fading(Protonet):
    """Prototypes to which a label adds the less the older it is."""

    def weigh(self, support: Feedback) -> Tensor:
        return super().weigh(support) * remembered(support, self.learned["forgetting"])[:, None]


@dataclass
class Temporal(Method[Seen | Tensor]):
    """Its state is one weight for each item of the support; with "protonet", the prototypes."""

    base: Literal["ridge", "logistic", "protonet"] = "ridge"
    memory: Positive | None = None  # days until a label counts 1 / e; None: chosen on valid users
    tau: Positive | None = None  # of ridge, 1 / s^2 of logistic, kappa of protonet; None: likewise
    steps: Count = 10  # of Newton's method, and:
    longest: Positive = 2.0  # change of a log-odds in one of them

    family = "robust"
    paper = "Ding & Li, Time Weight Collaborative Filtering (2005), doi:10.1145/1099554.1099689"
    stochastic = False
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "logistic": {"base": "logistic"},
        "protonet": {"base": "protonet"},  # trained on all labels alike, as its base; random as it
    }
    space: ClassVar[Space] = {
        "base": ["ridge", "logistic", "protonet"],
        "memory": (1.0, 1000.0),
        "tau": (0.1, 20.0),
    }
    state_size = "12 * K"

    def meta_train(self, warm: Users, valid: Episodes, items: Items, seeds: Seeds) -> None:
        self.items = items
        strengths = BASES[self.base] if self.tau is None else (self.tau,)
        if self.base == "protonet":
            base = Protonet(kappa=strengths[0])
            base.meta_train(warm, valid, items, seeds)
            self.learned = base.learned
        else:
            self.learned = {"prior": item_prior(warm, items)}
        rates = RATES if self.memory is None else (1 / self.memory,)
        choose(self, grid(forgetting=rates, tau=strengths), valid)

    def adapt(self, support: Feedback) -> Seen | Tensor:
        if self.base == "protonet":
            return self._protonet().adapt(support)
        weight, tau = remembered(support, self.learned["forgetting"]), self.learned["tau"]
        expected = self.learned["prior"][support.items]  # (B, K)
        products = gram(self.items.features, support.items, support.mask)
        if self.base == "ridge":
            left = (support.labels - expected) * support.mask
            return Seen(support.items, regress(products, left, weight, tau))
        start = _log_odds(expected)
        solution = mode(
            products / tau, start, support.labels, weight, steps=self.steps, longest=self.longest
        )
        return Seen(support.items, solution / tau)

    def score(self, state: Seen | Tensor, items: Tensor) -> Tensor:
        if isinstance(state, Tensor):
            return self._protonet().score(state, items)
        expected, offset = self.learned["prior"][items], state.dot(self.items.features, items)
        if self.base == "ridge":
            return squash_to_unit(expected + offset)
        return torch.sigmoid(_log_odds(expected) + offset)

    def _protonet(self) -> Protonet:
        base = _Fading(kappa=float(self.learned["tau"]))
        base.items, base.learned = self.items, self.learned
        return base


def _log_odds(expected: Tensor) -> Tensor:
    return torch.logit(squash_to_unit(expected), eps=1e-6)
