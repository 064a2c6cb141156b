"""What rows share that tune a causal language model on warm users: what is learnt is learnt from
questions about items whose answers are known.
"""

from abc import abstractmethod
from dataclasses import dataclass
from itertools import islice
from typing import ClassVar

import torch
from torch import Tensor

from coldbench.encoder import Items
from coldbench.episode import EpisodeBatch, Episodes, Users
from coldbench.method import Params, Space
from coldbench.parameters import Count, Positive, Whole
from coldbench.seeds import Seeds

from ._early_stopping import EarlyStopping
from .prompt import Prompt

MADE_UP = (
    "the weights of the checks' tiny model are by lot: it has read no text, and so few batches of "
    "warm users teach it no taste"
)


@dataclass
class TunedCausal(Prompt):
    """What is learnt, and what a user changes, is of subclasses.

    Weights that are learnt are float32, whatever `precision` the model has.
    """

    meta_steps: Whole = 60  # steps on batches of warm users; 0: nothing is learnt
    meta_users: Count = 8  # warm users in each
    accumulate: Count = 1  # such batches to a step, one after the other
    asked: Count = 1  # items that each of them is asked about
    meta_lr: Positive = 1e-3  # of AdamW
    check_every: Count = 20  # steps between two looks at valid users
    valid_users: Count = 16
    patience: Whole = 1

    stochastic: ClassVar[bool] = True
    steps_param: ClassVar[str] = ""
    space: ClassVar[Space] = {"meta_lr": (1e-4, 3e-3)}
    exempt: ClassVar[dict[str, str]] = {}
    held: ClassVar[tuple[str, ...]] = ()  # parts of the start that are not learnt

    @abstractmethod
    def loss(self, batch: EpisodeBatch) -> Tensor:
        """() what training lowers, of some users."""

    @abstractmethod
    def start(self, generator: torch.Generator) -> Params:
        """What is learnt, as it begins."""

    def meta_train(self, warm: Users, valid: Episodes, items: Items, seeds: Seeds) -> None:
        super().meta_train(warm, valid, items, seeds)
        begun = self.start(torch.Generator().manual_seed(seeds.init))
        begun = {name: weight.to(items.device) for name, weight in begun.items()}
        fixed = self.learned | {name: begun.pop(name) for name in self.held}
        weights = {name: weight.requires_grad_() for name, weight in begun.items()}
        adam = torch.optim.AdamW(weights.values(), self.meta_lr, weight_decay=0.0)
        stopping, kept = EarlyStopping(self.patience), weights
        self.learned = fixed | weights
        most = min(self.shots, valid.max_shots)
        shots = [*(k for k in (0, 1, 2, 4, 8, 16) if k < most), most]
        count = self.meta_steps * self.accumulate
        drawn = warm.sample(count, self.meta_users, shots=shots, query=self.asked, seed=seeds.order)
        batches = iter(drawn)
        looked = valid.first(self.valid_users)
        for step in range(self.meta_steps):
            if step % self.check_every == 0 and len(looked):
                if stopping.improved(self._looked(looked, shots)):
                    kept = {name: w.detach().clone() for name, w in weights.items()}
                if stopping.stops:
                    break
            adam.zero_grad()
            for batch in islice(batches, self.accumulate):
                with torch.enable_grad():
                    (self.loss(batch.to(items.device)) / self.accumulate).backward()
            torch.nn.utils.clip_grad_norm_(weights.values(), 1.0)
            adam.step()
        else:
            if not len(looked) or stopping.improved(self._looked(looked, shots)):
                kept = weights
        self.learned = fixed | {name: w.detach() for name, w in kept.items()}

    def liked(self, labels: Tensor) -> Tensor:
        return (labels > self.learned["like"]).float()

    @torch.no_grad()
    def _looked(self, valid: Episodes, shots: list[int]) -> float:
        """Mean loss of valid users at the most labels that a text shows."""
        losses = []
        for batch in valid.batches(max(shots), self.meta_users):
            query = batch.query.map(lambda column: column[:, : self.asked])
            held_out = EpisodeBatch(batch.users, batch.support, query).to(self.items.device)
            losses.append(float(self.loss(held_out)))
        return sum(losses) / len(losses)
