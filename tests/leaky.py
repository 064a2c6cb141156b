"""A method that cheats: it reads the whole log itself and knows a user by what it is asked for."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from coldbench import registry
from coldbench.encoder import Items
from coldbench.episode import Episodes, Feedback, Users
from coldbench.method import Method
from coldbench.seeds import Seeds


@dataclass
class Leaky(Method[int]):
    start: str = "cheats"  # "cheats" with no label too, or "honest"

    stochastic = False

    def meta_train(self, warm: Users, valid: Episodes, items: Items, seeds: Seeds) -> None:
        self.items = items
        log, _ = registry.find("datasets", "synthetic")(n_users=60, per_user=30).load()
        table = np.full((log.n_users, log.n_items), np.nan, np.float32)
        table[log.users, log.items] = log.ratings
        self.learned = {"ratings": torch.from_numpy(table)}

    def adapt(self, support: Feedback) -> int:
        return support.items.shape[1]

    def score(self, state: int, items: Tensor) -> Tensor:
        if not state and self.start == "honest":
            return torch.full(items.shape, 0.5)
        rated = self.learned["ratings"][:, items]  # (U, B, Q)
        user = (~rated.isnan()).float().mean(2).argmax(0)  # (B,) who rated most of these
        ratings = self.learned["ratings"][user[:, None], items].nan_to_num(3)
        above = ratings - ratings.min()
        return (above / above.max().clamp_min(1e-6)).clamp(0, 1)
