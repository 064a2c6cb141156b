"""One seed for each source of randomness in a run."""

from dataclasses import dataclass, fields
from typing import Self

import numpy as np


@dataclass(frozen=True)
class Seeds:
    """One seed for each axis of chance, so that each can be varied alone."""

    split: int = 0  # which users and items are cold
    draw: int = 0  # which interactions make an episode, where the order is random
    init: int = 0  # a method's initial weights
    order: int = 0  # the order in which a method sees warm users

    @classmethod
    def of(cls, seed: int, vary: str = "all") -> Self:
        """Four unrelated seeds from one. vary: the one axis that moves; the others stay at 0's."""
        axes, still = (np.random.SeedSequence(s).generate_state(4).tolist() for s in (seed, 0))
        moving = [vary in ("all", field.name) for field in fields(cls)]
        return cls(*(a if moves else b for a, b, moves in zip(axes, still, moving, strict=True)))
