"""MAML on learn2learn's own class, one user at a time: the reference for `maml`, and its peer.

Arnold, Mahajan, Datta, Bunner & Zarkadas, "learn2learn: A Library for Meta-Learning Research"
(2020), arXiv:2008.12284. The same head, loss and loop as `maml`; fewer meta-steps, as it is slower.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from coldbench.encoder import Items
from coldbench.episode import Episodes, Feedback, Users
from coldbench.method import Params
from coldbench.parameters import Count, Positive, Whole
from coldbench.seeds import Seeds

from ._gradient_head import start_weights
from ._item_prior import item_prior
from ._learn2learn import learn2learn
from ._meta_learner import EpisodicMethod, log_odds
from .maml import Maml


@dataclass
class MamlLearn2learn(EpisodicMethod[dict[str, Tensor]]):
    """Its state is the weights of the head by name, a row a user."""

    hidden: Count = 64
    alpha: Positive = 0.05
    inner_steps: Whole = 5
    first_order: bool = False
    meta_steps: Whole = 60  # a fifth of maml's, with half its users: a cell stays under a minute
    meta_lr: Positive = 3e-3

    family = "meta-learning"
    paper = "arXiv:2008.12284"
    requires_package = "learn2learn"
    steps_param = "inner_steps"
    presets = Maml.presets
    space = Maml.space
    state_size = "4 * (D * hidden + 2 * hidden + 1)"

    def meta_train(self, warm: Users, valid: Episodes, items: Items, seeds: Seeds) -> None:
        learn2learn("algorithms.maml")  # not installed: say so before anything is computed
        self.items = items
        weights = start_weights(items.features.shape[1], self.hidden, seeds.init)
        weights = {name: w.to(items.device) for name, w in weights.items()}
        self.fit(weights, {"prior": log_odds(item_prior(warm, items))}, warm, valid, seeds)

    def adapt(self, support: Feedback) -> dict[str, Tensor]:
        training = torch.is_grad_enabled()
        with torch.enable_grad():
            start = learn2learn("algorithms.maml").MAML(
                _head(self.learned),
                lr=self.alpha,
                first_order=self.first_order or not training,  # the same numbers, no second order
                allow_unused=True,
                allow_nograd=True,
            )
            users = zip(support.items, support.labels, support.mask, strict=True)
            heads = [self._one(start, *user, training=training) for user in users]
        return {  # the start is stacked too, and cut off: a batch may be of nobody
            name: torch.stack([w, *(head[name] for head in heads)])[1:]
            for name, w in start.module.named_parameters()
        }

    def _one(
        self, start: Any, items: Tensor, labels: Tensor, mask: Tensor, *, training: bool
    ) -> dict[str, Tensor]:
        """One user's weights after the loop. items, labels, mask: (K,)"""
        clone = start.clone()
        items, labels = items[mask], labels[mask]
        for _ in range(self.inner_steps if len(items) else 0):
            logits = self.learned["prior"][items] + clone(self.items.features[items])[:, 0]
            clone.adapt(binary_cross_entropy_with_logits(logits, labels))
        weights = dict(clone.module.named_parameters())
        return weights if training else {name: w.detach() for name, w in weights.items()}

    def logits(self, state: dict[str, Tensor], items: Tensor) -> Tensor:
        module, prior = _head(self.learned), self.learned["prior"]
        outputs = [prior.new_zeros(0)]  # a batch may be of nobody
        for user, row in enumerate(items):
            weights = {name: w[user] for name, w in state.items()}
            output = torch.func.functional_call(module, weights, self.items.features[row])
            outputs.append(output[:, 0])  # (Q,)
        return prior[items] + torch.cat(outputs).view_as(items)


def _head(learned: Params) -> nn.Sequential:
    """The head as a module whose parameters are the learnt tensors themselves, so that gradients
    reach them; tensors that carry none get it, as the inner loop asks for some."""
    tensors: dict[str, Any] = {  # nn.Parameter would cut them off from what they are learnt by
        name: w if w.requires_grad else w.detach().requires_grad_() for name, w in learned.items()
    }
    first, last = nn.Linear(1, 1, device="meta"), nn.Linear(1, 1, device="meta")
    first._parameters = {"weight": tensors["weight"].T, "bias": tensors["shift"]}
    last._parameters = {"weight": tensors["last"][None], "bias": tensors["bias"]}
    return nn.Sequential(first, nn.ReLU(), last)
