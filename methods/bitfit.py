"""BitFit: a new user is the biases of the encoder's top blocks, and no weight.

Ben Zaken, Goldberg & Ravfogel, "BitFit: Simple Parameter-efficient Fine-tuning for
Transformer-based Masked Language-models" (2022), arXiv:2106.10199: W x + b + d, d = 0 at the start,
in every linear layer and norm. The key's bias is left out: it adds the same to all that a token
attends to, so a softmax does not see it. Beside the biases each user adapts a head of their own.
"""

from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from coldbench.method import Params
from coldbench.parameters import Positive, Whole

from ._backbone import NAMES, Change, Part, per_user
from ._peft import TokenMethod


def shifted(state: Params, name: str, x: Tensor, part: Part) -> Tensor:
    y = part(x)
    return y + per_user(state[name], y) if name in state else y


@dataclass
class Bitfit(TokenMethod):
    inner_steps: Whole = 5
    inner_lr: Positive = (
        2.0  # by the planted world of `coldbench check`; above 8 the head overshoots
    )

    family = "adapters"
    paper = "arXiv:2106.10199"
    fine_tunes_encoder = True
    own_head = True
    state_size = "4 * D * (10 * blocks + 1)"  # with 4 D hidden units, as in BERT

    def start(self, width: int, generator: torch.Generator) -> Params:
        weights: Params = {}
        for depth, leaves in enumerate(self.trunk.leaves):
            keys = [name for name in leaves if name.rpartition(".")[2] in NAMES["key"]]
            sizes = {name: leaf.sizes[1] for name, leaf in leaves.items() if name not in keys}
            for name in sorted(sizes, key=lambda name: sizes[name]):
                weights[f"{depth}.{name}"] = torch.zeros(sizes[name])
        return weights

    def change(self, state: Params) -> Change:
        return partial(shifted, state)
