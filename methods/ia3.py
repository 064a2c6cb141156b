"""IA3: a new user is three scales in each of the encoder's top blocks: l_k k, l_v v, l_ff a(W h).

Liu et al., "Few-Shot Parameter-Efficient Fine-Tuning is Better and Cheaper than In-Context
Learning" (2022), arXiv:2205.05638. Keys, values and the feed-forward net's hidden units are
multiplied number by number; all scales are 1 at the start. The smallest state that changes the
encoder itself, equal to peft's one user at a time. What is kept is l - 1.
"""

from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from coldbench.method import Params
from coldbench.parameters import Positive, Whole

from ._peft import TokenMethod
from ._shared_encoder import Change, Part, hidden_units


def scaled(state: Params, name: str, x: Tensor, part: Part) -> Tensor:
    y = part(x)
    return y * (1 + state[name]).to(y)[:, None] if name in state else y


@dataclass
class Ia3(TokenMethod):
    inner_lr: Positive = 0.3
    meta_steps: Whole = 100
    meta_lr: Positive = 3e-2

    family = "adapters"
    paper = "arXiv:2205.05638"
    fine_tunes_encoder = True
    state_size = "4 * blocks * 6 * D"  # a feed-forward net of BERT's kind has 4 D hidden units

    def start(self, width: int, generator: torch.Generator) -> Params:
        weights = {}
        for depth in range(self.blocks):
            weights[f"{depth}.key"] = torch.zeros(width)
            weights[f"{depth}.value"] = torch.zeros(width)
            weights[f"{depth}.activation"] = torch.zeros(hidden_units(self.trunk, depth))
        return weights

    def change(self, state: Params) -> Change:
        return partial(scaled, state)
