"""Full fine-tuning: a new user has all weights of the encoder's top block to themselves.

Devlin et al., "BERT: Pre-training of Deep Bidirectional Transformers" (2018), arXiv:1810.04805,
section 4, for one user at a time: W_u = W - rate dL_u/dW in every linear layer and norm, `blocks`
counting from the top. The dearest row there is, 7 MB a user and block of MiniLM: what it gains
over small changes is what they cost. What is kept is W_u - W; many users' products run at once.
Beside the block each user adapts a head of their own.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, full_like
from torch.func import functional_call
from torch.nn.functional import layer_norm

from coldbench.method import Params
from coldbench.parameters import Positive, Whole

from ._backbone import Change, Leaf, Part, per_user
from ._peft import TokenMethod


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
            f"{depth}.{name}.{kind}": torch.zeros(weight.shape)
            for depth, leaves in enumerate(self.trunk.leaves)
            for name, leaf in leaves.items()
            for kind, weight in leaf.inner.named_parameters()
        }

    def change(self, state: Params) -> Change:
        def own(name: str, x: Tensor, part: Part) -> Tensor:
            if f"{name}.weight" not in state:
                return part(x)
            depth, _, layer = name.partition(".")
            leaf = self.trunk.leaves[int(depth)][layer]
            weight, bias = (self._own(state, name, leaf, kind, x) for kind in ("weight", "bias"))
            if leaf.linear:
                matrix = weight if leaf.turned else weight.mT
                return torch.baddbmm(bias[:, None], x, matrix)
            if isinstance(leaf.inner, torch.nn.LayerNorm):
                unit = layer_norm(x, x.shape[2:], eps=leaf.inner.eps)
                return torch.addcmul(bias[:, None], unit, weight[:, None])
            moved = per_user(state[f"{name}.weight"], x)  # a norm is affine in its weight
            unit_input, none = (
                functional_call(leaf.inner, {"weight": full_like(leaf.inner.weight, value)}, x)
                for value in (1.0, 0.0)
            )
            return part(x) + (unit_input - none) * moved

        return own

    def _own(self, state: Params, name: str, leaf: Leaf, kind: str, x: Tensor) -> Tensor:
        """(B, ...) a layer's weight or bias as each user has it; 0 where the model has none."""
        shared = getattr(leaf.inner, kind, None)
        if shared is None:
            return x.new_zeros(1, 1)
        return (shared + state[f"{name}.{kind}"]).to(x)
