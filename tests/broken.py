"""A method that breaks in the way it is told to: for tests that a run outlives it."""

import os
import subprocess
import sys
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
            case "out of memory":
                raise MemoryError
            case "kill":
                os.kill(os.getpid(), 9)
            case "segfault":
                os.kill(os.getpid(), 11)
            case "exit":
                sys.exit(3)
            case "hang":
                time.sleep(600)
            case "flood":
                for _ in range(30_000):
                    print("a line of no use to anybody, again and again and again")
            case "fork":
                subprocess.Popen(["sleep", "600"])
            case "unavailable":
                raise Unavailable("its package is not installed")

    def adapt(self, support: Feedback) -> None:
        return None

    def score(self, state: None, items: Tensor) -> Tensor:
        bad = {"no number": float("nan"), "too high": 1.5}.get(self.how, 0.5)
        if self.how == "wrong shape":
            return torch.full((1, 1), bad)
        return torch.full(items.shape, bad)
