"""The options of every method that learns by gradient descent from warm users, and what they mean.

Their names and meanings are the same in every row, so that two rows differ by what they are.
"""

import math
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import ClassVar, Literal, TypeVar

import torch

from coldbench.method import Method, Space
from coldbench.parameters import NotNegative, Part, Positive, Whole

State = TypeVar("State")


@dataclass
class TrainingOptions(Method[State]):
    schedule: Literal["constant", "linear", "cosine"] = "constant"  # of the rate, to 0 at the end
    warmup: Whole = 0  # batches over which the rate rises from 0
    weight_decay: NotNegative = 0.0
    dropout: Part = 0.0  # share of an item's features that a batch of warm users does without
    label_smoothing: Part = 0.0  # s: warm users' labels y are taken as (1 - s) y + s / 2
    clip: Positive = 10.0  # norm of the gradient
    patience: Whole = 4  # looks at valid users without a gain before it stops
    precision: Literal["float32", "bfloat16"] = "float32"  # bfloat16: of products, by autocast

    space: ClassVar[Space] = {
        "weight_decay": (1e-5, 1e-1),
        "dropout": [0.0, 0.1, 0.3],
        "label_smoothing": [0.0, 0.1],
        "schedule": ["constant", "cosine"],
    }

    def share_of_rate(self, step: int, steps: int) -> float:
        """What `schedule` and `warmup` leave of the rate at one of so many batches."""
        rising = min(1.0, (step + 1) / (self.warmup + 1))
        done = step / max(1, steps)
        falling = {
            "constant": 1.0,
            "linear": 1 - done,
            "cosine": (1 + math.cos(math.pi * done)) / 2,
        }
        return rising * falling[self.schedule]

    def autocast(self) -> AbstractContextManager[object]:
        """Products in bfloat16 where `precision` asks for it; weights and sums stay float32."""
        device = self.items.device.type
        return torch.autocast(device, torch.bfloat16, enabled=self.precision == "bfloat16")
