"""Item bias: how much better than their usual people rate an item. The row to beat.

Koren, "Factorization Meets the Neighborhood" (2008), section 2.1, with damping as in Funk's SVD:
b_i = sum_u (r_ui - mu_u) / (n_i + 5), mu_u = (sum r + 3 g) / (n_u + 3), g the mean of all labels.
"""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from coldbench.encoder import Items
from coldbench.episode import Episodes, Feedback, Users
from coldbench.method import Method, Rated, Space, squash_to_unit
from coldbench.parameters import Positive
from coldbench.seeds import Seeds

from ._item_prior import Warm, item_bias
from ._later_items import lengthened


@dataclass
class ItemBias(Method[None]):
    item_damping: Positive = 5.0  # ratings of an average user added to every item
    user_damping: Positive = 3.0  # average ratings added to every user

    family = "simple"
    grows = True
    adapts = False
    stochastic = False
    space: ClassVar[Space] = {"item_damping": (1.0, 50.0), "user_damping": (0.5, 20.0)}
    state_size = "0"

    def meta_train(self, warm: Users, valid: Episodes, items: Items, seeds: Seeds) -> None:
        sums = Warm.of(warm, items.device, self.user_damping)
        self.items = items
        self.learned = {"expected": squash_to_unit(sums.mean + item_bias(sums, self.item_damping))}

    def with_items(self, items: Items, rated: Rated) -> "ItemBias":
        new = items.features.new_full((len(items) - len(self.items),), rated.mean)
        return lengthened(self, items, expected=squash_to_unit(new))

    def adapt(self, support: Feedback) -> None:
        return None

    def score(self, state: None, items: Tensor) -> Tensor:
        return self.learned["expected"][items]  # (B, Q)
