"""Stack: item prior, the user's level, fold-in and ridge on the text. What a practitioner ships.

The parts are fitted together, not one on what the other leaves: ridge regression on features side
by side is a Gaussian process whose kernel is the sum of theirs (Rasmussen & Williams 2006, section
2.7), V_i'V_j / s^2 + e_i'e_j / tau. The weights s^2 and tau are chosen on valid users.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from coldbench.encoder import Items
from coldbench.episode import Feedback, Users
from coldbench.method import Params, Rated, Space, squash_to_unit
from coldbench.parameters import Count, Positive
from coldbench.seeds import Seeds

from ._als import factorise, residuals, spread
from ._chosen_on_valid import ChosenOnValid
from ._item_prior import Warm
from ._kernel import Seen, gram, ridge
from ._later_items import later_factors, later_prior, lengthened


@dataclass
class Stack(ChosenOnValid[Seen]):
    """Its state is one weight for each item of the support."""

    factors: Count = 16  # and one more, the user's level
    rounds: Count = 10  # of alternating least squares
    ridge: Positive | None = None  # its penalty; None, here and below: chosen on valid users
    noise: Positive | None = None  # s^2 as a share of the residuals' variance
    tau: Positive | None = None  # strength of the penalty on the text's weights

    family = "simple"
    grows = True
    paper = "Rasmussen & Williams, Gaussian Processes for Machine Learning (2006), section 2.7"
    space: ClassVar[Space] = {
        "factors": (4, 64),
        "ridge": (1.0, 40.0),
        "noise": (0.1, 2.0),
        "tau": (0.5, 20.0),
    }
    state_size = "12 * K"

    def candidates(self, warm: Users, seeds: Seeds) -> Iterator[Params]:
        """Features in units in which each weight of a new user is N(0, 1), and so is the noise."""
        left = residuals(warm, self.learned["prior"])
        text = self._text(warm)
        for penalty in (8.0, 4.0, 12.0) if self.ridge is None else (self.ridge,):
            factors = factorise(left, self.factors, penalty, self.rounds, seeds.init).to(text)
            for noise in (0.6, 0.3, 1.0) if self.noise is None else (self.noise,):
                s = noise**0.5 * spread(left) or 1.0
                for tau in (2.0, 1.0, 5.0, torch.inf) if self.tau is None else (self.tau,):
                    features = torch.cat([factors / s, text / tau**0.5], 1)
                    chosen = {"ridge": penalty, "s": s, "tau": tau}
                    yield {"features": features} | {k: torch.tensor(v) for k, v in chosen.items()}

    def _text(self, warm: Users) -> Tensor:
        """(n_items, D) items' vectors about their mean over ratings: the level is there already."""
        counts, text = Warm.of(warm, self.items.device).counts, self.items.features
        return text - counts @ text / counts.sum().clamp_min(1)

    def with_items(self, items: Items, rated: Rated) -> "Stack":
        old, n = self.learned["features"], 1 + self.factors
        prior = later_prior(self.learned["prior"], items, rated)
        level = later_factors(old[:, :n]).expand(len(prior), -1)
        counts, text = rated.counts.to(old), items.features
        text = text - counts @ text[: len(old)] / counts.sum().clamp_min(1)
        new = torch.cat([level, text[len(old) :] / self.learned["tau"] ** 0.5], 1)
        return lengthened(self, items, prior=prior, features=new)

    def adapt(self, support: Feedback) -> Seen:
        left = (support.labels - self.learned["prior"][support.items]) * support.mask
        products = gram(self.learned["features"], support.items, support.mask)
        return Seen(support.items, ridge(products, left, left.new_ones(())))

    def score(self, state: Seen, items: Tensor) -> Tensor:
        offset = state.dot(self.learned["features"], items)  # (B, Q)
        return squash_to_unit(self.learned["prior"][items] + offset)
