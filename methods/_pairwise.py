"""What bpr and pairwise-reward share: options, and how they fit which of two items is preferred."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from coldbench.episode import Users
from coldbench.method import Method
from coldbench.parameters import Count, NotNegative, Positive

from ._pairs import sampled_pairs

Loss = Callable[[Tensor, Tensor, Tensor], Tensor]


@dataclass
class Pairwise(Method[Tensor]):
    meta_steps: Count = 400  # of Adam
    pairs: Count = 4096  # in a step
    rate: Positive = 0.02
    decay: NotNegative = 1e-3  # of weights, a step's mean loss
    gain: NotNegative | None = None  # log-odds that a log-odds of a preference is worth; None:
    # chosen on valid users

    def gains(self) -> tuple[float, ...]:
        return (1.0, 0.5, 0.25, 2.0) if self.gain is None else (self.gain,)

    def descend(self, weights: Sequence[Tensor], loss_of: Loss, warm: Users, seed: int) -> None:
        """Fit leaf tensors in place to pairs of warm users.

        loss_of: (n,) users, better items and worse items -> () the mean loss.
        """
        adam = torch.optim.Adam([x.requires_grad_() for x in weights], self.rate)
        with torch.enable_grad():
            for drawn in sampled_pairs(warm, self.pairs, self.meta_steps, seed):
                users, better, worse = map(torch.from_numpy, drawn)
                if not len(users):
                    continue
                loss = loss_of(users, better, worse)
                adam.zero_grad()
                loss.backward()
                adam.step()
