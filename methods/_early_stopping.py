"""When training stops: after more than `patience` looks at valid users without a lower loss.

Prechelt, "Early Stopping - But When?" (1998). Who trains keeps the weights of the best look.
"""

from dataclasses import dataclass


@dataclass
class EarlyStopping:
    patience: int  # looks without a gain that are borne
    best: float = float("inf")  # the lowest loss so far
    ties_improve: bool = False  # an equal loss counts as a gain: the later weights are kept
    looks: int = 0  # since the last gain

    def improved(self, loss: float) -> bool:
        """Whether one more look at valid users is the best so far. A loss of NaN never is."""
        better = loss < self.best or (self.ties_improve and loss == self.best)
        self.looks = 0 if better else self.looks + 1
        self.best = loss if better else self.best
        return better

    @property
    def stops(self) -> bool:
        return self.looks > self.patience
