"""Prefix tuning: a new user is a few keys and values that an item's tokens attend to as well.

Li & Liang, "Prefix-Tuning: Optimizing Continuous Prompts for Generation" (2021), arXiv:2101.00190:
in each changed block, attention runs over [P; own tokens]. The start is the keys and values of some
random tokens of the catalogue, as their section 7.4 finds best where labels are few. It is no
empty change, so what a user moves is told from the items as read with the start. That start is not
learnt on warm users, and beside the prefix each user adapts a head of their own.
"""

from dataclasses import dataclass, replace
from functools import partial
from typing import Any, ClassVar

import torch
from torch import Tensor

from coldbench.method import Params
from coldbench.parameters import Count, Positive, Whole

from ._backbone import Change, Part
from ._peft import TokenMethod


def beside(state: Params, name: str, x: Tensor, part: Part) -> Tensor:
    return state[name].to(x) if name in state else part(x)


@dataclass
class Prefix(TokenMethod):
    length: Count = 4  # P, keys and values a block
    inner_steps: Whole = 5
    inner_lr: Positive = (
        2.0  # by the planted world of `coldbench check`; above 8 the head overshoots
    )

    family = "adapters"
    paper = "arXiv:2101.00190"
    fine_tunes_encoder = True
    presets: ClassVar[dict[str, dict[str, Any]]] = TokenMethod.presets | {"paper": {"length": 10}}
    space = TokenMethod.space | {"length": (1, 16)}
    own_head = True
    state_size = "4 * D * (2 * blocks * length + 1)"

    def start(self, width: int, generator: torch.Generator) -> Params:
        sample = torch.randperm(len(self.items), generator=generator)[None, : self.length]
        sample = sample.to(self.items.device)
        packed = self.trunk.pack(sample, torch.ones_like(sample).bool())
        places = torch.randperm(packed.states.shape[1], generator=generator)[: self.length]
        weights: Params = {}

        def keep(name: str, x: Tensor, part: Part) -> Tensor:
            if name.endswith((".keys", ".values")):
                weights[name] = x[0, places].float()
            return part(x)

        with torch.no_grad():
            self.trunk.read(packed, keep)
        return weights

    def stays(self, weight: Tensor) -> bool:
        return (
            super().stays(weight) or weight.dim() == 2
        )  # a start that moves would have the catalogue read at every step

    def settle(self) -> None:
        plain = self.trunk.every(self.change(self.begin(1)))
        self.trunk = replace(self.trunk, plain=plain)

    def change(self, state: Params) -> Change:
        return partial(beside, state)
