"""Adapter: a new user is a small bottleneck net after the encoder's top block, h + U s(D h).

Houlsby et al., "Parameter-Efficient Transfer Learning for NLP" (2019), arXiv:1902.00751. U = 0 at
the start of every user; D's start and the head are learnt on warm users. Above the top block
nothing else runs, so with one block a user costs no more than this net: one adapter, after the
block, where the paper has two inside it.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn.functional import gelu

from coldbench.method import Params
from coldbench.parameters import Count, Positive, Whole

from ._backbone import Change, Part
from ._peft import TokenMethod


@dataclass
class Adapter(TokenMethod):
    bottleneck: Count = 8  # r, the net's hidden units
    inner_steps: Whole = 5
    inner_lr: Positive = 0.05
    meta_steps: Whole = 150
    meta_users: Count = 32

    family = "adapters"
    paper = "arXiv:1902.00751"
    fine_tunes_encoder = True
    presets: ClassVar[dict[str, dict[str, Any]]] = TokenMethod.presets | {
        "paper": {"bottleneck": 64},  # where one size serves every task
    }
    space = TokenMethod.space | {"bottleneck": (2, 64)}
    state_size = "4 * blocks * bottleneck * (2 * D + 1)"
    above = True

    def start(self, width: int, generator: torch.Generator) -> Params:
        weights = {}
        for depth in range(self.blocks):
            down = torch.randn(self.bottleneck, width, generator=generator) / width**0.5
            weights[f"{depth}.block.down"] = down
            weights[f"{depth}.block.bias"] = torch.zeros(self.bottleneck)
            weights[f"{depth}.block.up"] = torch.zeros(width, self.bottleneck)
        return weights

    def change(self, state: Params) -> Change:
        def bottleneck(name: str, x: Tensor, part: Part) -> Tensor:
            y = part(x)
            if f"{name}.down" not in state:
                return y
            down, bias, up = (state[f"{name}.{k}"].to(x) for k in ("down", "bias", "up"))
            return torch.baddbmm(y, gelu(torch.baddbmm(bias[:, None], y, down.mT)), up.mT)

        return bottleneck
