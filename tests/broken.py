"""A method that breaks in the way it is told to: for tests that a run outlives it."""

import os
import time
from dataclasses import dataclass

import torch
from torch import Tensor

from coldbench.encoder import Items
from coldbench.episode import Episodes, Feedback, Users
from coldbench.errors import Unavailable
from coldbench.method import Method
from coldbench.seeds import Seeds


@dataclass
class Broken(Method[None]):
    how: str = "not"

    adapts = False
    stochastic = False

    def meta_train(self, warm: Users, valid: Episodes, items: Items, seeds: Seeds) -> None:
        self.items, self.learned = items, {"one": torch.ones(1)}
        match self.how:
            case "raise":
                raise ZeroDivisionError("oops")
            case "kill":
                os.kill(os.getpid(), 9)
            case "hang":
                time.sleep(600)
            case "unavailable":
                raise Unavailable("its package is not installed")

    def adapt(self, support: Feedback) -> None:
        return None

    def score(self, state: None, items: Tensor) -> Tensor:
        score = 1.5 if self.how == "too high" else 0.5
        return torch.full((1, 1) if self.how == "shape" else items.shape, score)
