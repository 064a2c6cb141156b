"""Content prior: the item bias, and for items few or none rated, a guess of it from their text.

The p(x) that other methods start from and return with K = 0. Ridge regression from the encoder's
vectors to item biases, as in cold-start factor models (Agarwal & Chen 2009) without the factors.
"""

from dataclasses import dataclass

from torch import Tensor

from coldbench.encoder import Items
from coldbench.episode import Episodes, Feedback, Users
from coldbench.method import Method, squash_to_unit
from coldbench.seeds import Seeds

from ._item_prior import item_prior


@dataclass
class ContentPrior(Method[None]):
    family = "simple"
    paper = "Agarwal & Chen, Regression-based Latent Factor Models (2009)"
    adapts = False
    stochastic = False
    state_size = "0"

    def meta_train(self, warm: Users, valid: Episodes, items: Items, seeds: Seeds) -> None:
        self.items = items
        self.learned = {"expected": squash_to_unit(item_prior(warm, items))}

    def adapt(self, support: Feedback) -> None:
        return None

    def score(self, state: None, items: Tensor) -> Tensor:
        return self.learned["expected"][items]  # (B, Q)
