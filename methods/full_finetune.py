"""Full fine-tuning: a new user has all weights of the encoder's top block to themselves.

Devlin et al., "BERT: Pre-training of Deep Bidirectional Transformers" (2018), arXiv:1810.04805,
section 4, for one user at a time: W_u = W - rate dL_u/dW in every linear layer and norm, `blocks`
counting from the top. The dearest row there is, 7 MB a user and block of MiniLM: what it gains
over small changes is what they cost. What is kept is W_u - W; many users' products run at once.
Beside the block each user adapts a head of their own.
"""

from dataclasses import dataclass
from functools import reduce
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import layer_norm

from coldbench.method import Params
from coldbench.parameters import Positive, Whole

from ._peft import TokenMethod
from ._shared_encoder import Change, Part

LAYERS = {
    "query": ("attention", "self", "query"),
    "key": ("attention", "self", "key"),
    "value": ("attention", "self", "value"),
    "attention": ("attention", "output", "dense"),
    "attention_norm": ("attention", "output", "LayerNorm"),
    "intermediate": ("intermediate", "dense"),
    "output": ("output", "dense"),
    "output_norm": ("output", "LayerNorm"),
}


@dataclass
class FullFinetune(TokenMethod):
    inner_steps: Whole = 2
    inner_lr: Positive = 3.0  # chosen on valid users of ml-100k; above 8 the head's steps overshoot
    meta_steps: Whole = 20

    family = "fine-tuning"
    paper = "arXiv:1810.04805"
    fine_tunes_encoder = True
    users_at_once = 16  # 4 copies of a block for each: weights, change, slopes, the next change
    own_head = True
    state_size = "4 * blocks * (12 * D * D + 13 * D) + 4 * D"  # with 4 D hidden units, as in BERT

    def start(self, width: int, generator: torch.Generator) -> Params:
        return {
            f"{depth}.{name}.{kind}": torch.zeros(getattr(self._layer(depth, name), kind).shape)
            for depth in range(self.blocks)
            for name in LAYERS
            for kind in ("weight", "bias")
        }

    def change(self, state: Params) -> Change:
        def own(name: str, x: Tensor, part: Part) -> Tensor:
            if f"{name}.weight" not in state:
                return part(x)
            depth, layer = name.split(".")
            shared = self._layer(int(depth), layer)
            weight, bias = (
                (getattr(shared, kind) + state[f"{name}.{kind}"]).to(x)
                for kind in ("weight", "bias")
            )  # (B, out, in) or (B, D), and (B, out)
            if weight.dim() == 2:
                unit = layer_norm(x, x.shape[2:], eps=shared.eps)
                return torch.addcmul(bias[:, None], unit, weight[:, None])
            return torch.baddbmm(bias[:, None], x, weight.mT)

        return own

    def _layer(self, depth: int, name: str) -> Any:
        return reduce(getattr, LAYERS[name], self.trunk.top[depth])
