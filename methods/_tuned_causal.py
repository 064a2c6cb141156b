"""What rows share that tune a causal language model on warm users: a low-rank change of its top
attention, learnt from questions about items whose answers are known.
"""

from abc import abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import torch
from torch import Tensor

from coldbench.encoder import Items
from coldbench.episode import EpisodeBatch, Episodes, Users
from coldbench.method import Params, Space
from coldbench.parameters import Count, Positive, Whole
from coldbench.seeds import Seeds

from ._backbone import blocks_of, chosen, leaves_of
from ._causal import Causal
from ._early_stopping import EarlyStopping
from .prompt import Prompt

MADE_UP = (
    "the weights of the checks' tiny model are by lot: it has read no text, and so few batches of "
    "warm users teach it no taste"
)


@dataclass
class TunedCausal(Prompt):
    """A question about each asked item; what is learnt, and what a user changes, is of subclasses.

    Weights that are learnt are float32, whatever `precision` the model has.
    """

    rank: Count = 8
    alpha: Positive = 16.0  # the change is scaled by alpha / rank
    blocks: Whole = 2  # from the top, whose queries and values change; 0: all
    meta_steps: Whole = 60  # batches of warm users; 0: the control, the model as it came
    meta_users: Count = 8  # warm users in each, asked about one item
    meta_lr: Positive = 1e-3  # of AdamW
    check_every: Count = 20  # batches between two looks at valid users
    valid_users: Count = 16
    patience: Whole = 1

    stochastic: ClassVar[bool] = True
    steps_param: ClassVar[str] = ""
    space: ClassVar[Space] = {"rank": (2, 16), "meta_lr": (1e-4, 3e-3), "blocks": (1, 8)}
    exempt: ClassVar[dict[str, str]] = {}

    @abstractmethod
    def loss(self, batch: EpisodeBatch) -> Tensor:
        """() what training lowers, of some users."""

    def start(self, generator: torch.Generator) -> Params:
        """What is learnt, as it begins: A by lot and B = 0, no change."""
        weights = {}
        for name, (into, out) in self.layers().items():
            weights[f"{name}.A"] = torch.randn(self.rank, into, generator=generator) / into**0.5
            weights[f"{name}.B"] = torch.zeros(out, self.rank)
        return weights

    def meta_train(self, warm: Users, valid: Episodes, items: Items, seeds: Seeds) -> None:
        super().meta_train(warm, valid, items, seeds)
        fixed = self.learned
        begun = self.start(torch.Generator().manual_seed(seeds.init))
        weights = {k: w.to(items.device).requires_grad_() for k, w in begun.items()}
        adam = torch.optim.AdamW(weights.values(), self.meta_lr, weight_decay=0.0)
        stopping, kept = EarlyStopping(self.patience), weights
        self.learned = fixed | weights
        most = min(self.shots, valid.max_shots)
        shots = [*(k for k in (0, 1, 2, 4, 8, 16) if k < most), most]
        batches = warm.sample(
            self.meta_steps, self.meta_users, shots=shots, query=1, seed=seeds.order
        )
        looked = valid.first(self.valid_users)
        for step, batch in enumerate(batches):
            if step % self.check_every == 0 and len(looked):
                if stopping.improved(self._looked(looked, shots)):
                    kept = {name: w.detach().clone() for name, w in weights.items()}
                if stopping.stops:
                    break
            adam.zero_grad()
            with torch.enable_grad():
                self.loss(batch.to(items.device)).backward()
            torch.nn.utils.clip_grad_norm_(weights.values(), 1.0)
            adam.step()
        else:
            if not len(looked) or stopping.improved(self._looked(looked, shots)):
                kept = weights
        self.learned = fixed | {name: w.detach() for name, w in kept.items()}

    def layers(self) -> dict[str, tuple[int, int]]:
        """The changed layers by name: (in, out) sizes."""
        base = self._model().model.base_model
        _, every, _ = blocks_of(base)
        named = {id(module): name for name, module in base.named_modules()}
        top = list(every)[-self.blocks :] if self.blocks else list(every)
        return {
            named[id(leaf.inner)]: leaf.sizes
            for block in top
            for leaf in chosen(leaves_of(block), "query", "value").values()
        }

    @contextmanager
    def changed(self) -> Iterator[Causal]:
        """The model with what was learnt."""
        model = self._model()
        modules = dict(model.model.base_model.named_modules())
        hooks = []
        for name in [name.removesuffix(".A") for name in self.learned if name.endswith(".A")]:
            a, b = self.learned[f"{name}.A"], self.learned[f"{name}.B"]
            hook = partial(_added, a, self.alpha / self.rank * b)
            hooks.append(modules[name].register_forward_hook(hook))
        try:
            yield model
        finally:
            for hook in hooks:
                hook.remove()

    def texts(self, batch: EpisodeBatch) -> list[list[int]]:
        """A question for each user's asked items, the user's labels before it; N = B Q."""
        model, state = self._model(), self.adapt(batch.support)
        questions = []
        for user, asked in enumerate(batch.query.items.tolist()):
            of_user = {name: value[user] for name, value in state.items()}
            questions += [self.question(model, self._told(of_user), item) for item in asked]
        return questions

    def question(self, model: Causal, history: str, item: int) -> list[int]:
        before = [*model.start, *model.tokens(f"What one person liked.\n\n{history}")]
        title = model.tokens(self._title(item), self.title_tokens)
        return [*before, *title, *model.tokens("\nLiked:")]

    def liked(self, labels: Tensor) -> Tensor:
        return (labels > self.learned["like"]).float()

    @torch.no_grad()
    def _looked(self, valid: Episodes, shots: list[int]) -> float:
        """Mean loss of valid users at the most labels that a text shows."""
        losses = []
        for batch in valid.batches(max(shots), self.meta_users):
            query = batch.query.map(lambda column: column[:, :1])
            held_out = EpisodeBatch(batch.users, batch.support, query).to(self.items.device)
            losses.append(float(self.loss(held_out)))
        return sum(losses) / len(losses)


def _added(a: Tensor, b: Tensor, _: Any, x: tuple[Tensor], y: Tensor) -> Tensor:
    return y + (x[0].to(a.dtype) @ a.mT @ b.mT).to(y.dtype)  # (N, S, out)
