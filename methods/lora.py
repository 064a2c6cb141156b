"""LoRA: a new user is a low-rank change of the model's top attention, W + (a / r) B A on q and v.

Hu et al., "LoRA: Low-Rank Adaptation of Large Language Models" (2021), arXiv:2106.09685. B = 0 at
the start of every user; A's start and the head are learnt on warm users. The base is never written
to: users' changes are small batched products beside it, equal to peft's one by one.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from coldbench.method import Params
from coldbench.parameters import Count, Positive, Whole

from ._backbone import Change, Part, chosen
from ._peft import TokenMethod


@dataclass
class Lora(TokenMethod):
    rank: Count = 4
    alpha: Positive = 8.0  # the change is scaled by alpha / rank
    inner_lr: Positive = 0.3
    meta_steps: Whole = 100

    family = "adapters"
    paper = "arXiv:2106.09685"
    fine_tunes_encoder = True
    presets: ClassVar[dict[str, dict[str, Any]]] = TokenMethod.presets | {
        "paper": {"rank": 8, "alpha": 8.0},  # its table 9, RoBERTa base
    }
    space = TokenMethod.space | {"rank": (1, 16)}
    state_size = "4 * blocks * 4 * rank * D"

    def start(self, width: int, generator: torch.Generator) -> Params:
        weights = {}
        for depth, leaves in enumerate(self.trunk.leaves):
            for name, leaf in chosen(leaves, "query", "value").items():
                into, out = leaf.sizes
                a = torch.randn(self.rank, into, generator=generator) / into**0.5
                weights[f"{depth}.{name}.A"] = a
                weights[f"{depth}.{name}.B"] = torch.zeros(out, self.rank)
        return weights

    def change(self, state: Params) -> Change:
        scale = self.alpha / self.rank

        def low_rank(name: str, x: Tensor, part: Part) -> Tensor:
            if f"{name}.A" not in state:
                return part(x)
            a, b = state[f"{name}.A"].to(x), state[f"{name}.B"].to(x)  # (B, r, D), (B, D, r)
            return torch.baddbmm(part(x), x @ a.mT, b.mT, alpha=scale)

        return low_rank
