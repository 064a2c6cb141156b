"""IA3: a new user is three scales in each of the model's top blocks: l_k k, l_v v, l_ff a(W h).

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

from ._backbone import Change, Part, chosen, last_linear
from ._peft import TokenMethod


def scaled(state: Params, name: str, x: Tensor, part: Part) -> Tensor:
    if f"{name}.in" in state:
        return part(x * (1 + state[f"{name}.in"]).to(x)[:, None])
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
        for depth, leaves in enumerate(self.trunk.leaves):
            for name, leaf in chosen(leaves, "key", "value").items():
                weights[f"{depth}.{name}"] = torch.zeros(leaf.sizes[1])
            last = last_linear(leaves)
            weights[f"{depth}.{last.name}.in"] = torch.zeros(last.sizes[0])
        return weights

    def change(self, state: Params) -> Change:
        return partial(scaled, state)
