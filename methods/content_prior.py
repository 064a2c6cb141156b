"""Content prior: the item bias, and for items few or none rated, a guess of it from their text.

The p(x) that other methods start from and return with K = 0. Ridge regression from the encoder's
vectors to item biases, as in cold-start factor models (Agarwal & Chen 2009) without the factors.
"""

from dataclasses import dataclass

from torch import Tensor

from coldbench.encoder import Items
from coldbench.episode import Episodes, Feedback, Users
from coldbench.method import Method, Rated, squash_to_unit
from coldbench.seeds import Seeds

from ._item_prior import item_prior
from ._later_items import later_prior, lengthened, unsquashed


@dataclass
class ContentPrior(Method[None]):
    family = "simple"
    grows = True
    paper = "Agarwal & Chen, Regression-based Latent Factor Models (2009)"
    adapts = False
    stochastic = False
    state_size = "0"

    def meta_train(self, warm: Users, valid: Episodes, items: Items, seeds: Seeds) -> None:
        self.items = items
        self.learned = {"expected": squash_to_unit(item_prior(warm, items))}

    def with_items(self, items: Items, rated: Rated) -> "ContentPrior":
        prior = later_prior(unsquashed(self.learned["expected"]), items, rated)
        return lengthened(self, items, expected=squash_to_unit(prior))

    def adapt(self, support: Feedback) -> None:
        return None

    def score(self, state: None, items: Tensor) -> Tensor:
        return self.learned["expected"][items]  # (B, Q)
