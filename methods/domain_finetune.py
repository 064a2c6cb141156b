"""The article's text classifier: BERT fine-tuned once on warm users' items, no user's own support.

Devlin et al., "BERT: Pre-training of Deep Bidirectional Transformers" (2018), arXiv:1810.04805,
section 4: a linear head on the pooled tokens, all weights trained by AdamW at 2e-5 in batches of 16
for at most 5 epochs, stopped early by valid users. One example an item, its label the mean of warm
users' labels less each user's own bias, weighted by min(count, cap). It reads text only, does not
adapt, and adds no item prior: every new user gets the same expected labels.
"""

from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy, binary_cross_entropy_with_logits, normalize

from coldbench.encoder import Items, pool
from coldbench.episode import Episodes, Feedback, Users
from coldbench.method import Params, Space
from coldbench.parameters import Count, NotNegative, Positive, Whole
from coldbench.seeds import Seeds

from ._backbone import model_of
from ._early_stopping import EarlyStopping
from ._item_prior import Warm
from ._training_options import TrainingOptions


@dataclass
class DomainFinetune(TrainingOptions[None]):
    """It looks at valid users after each epoch; dropout is where BERT's classifier has it, on what
    its head reads."""

    epochs: Whole = 5  # at most; each looks at every item chosen below once
    items_an_epoch: Count = (
        512  # at random: a whole catalogue five times over costs minutes on a CPU
    )
    batch: Count = 16
    lr: Positive = 2e-5  # of the encoder's weights
    head_lr: Positive = 1e-2  # of the new head, which starts at no opinion
    weight_decay: NotNegative = 0.01
    count_cap: Count = 20  # ratings beyond which an item weighs no more
    patience: Whole = 1

    family = "fine-tuning"
    paper = "arXiv:1810.04805"
    adapts = False
    fine_tunes_encoder = True
    space: ClassVar[Space] = {
        "lr": (5e-6, 1e-4),
        "head_lr": (1e-3, 1e-1),
        **TrainingOptions.space,
    }

    def meta_train(self, warm: Users, valid: Episodes, items: Items, seeds: Seeds) -> None:
        self.items = items
        sums = Warm.of(warm, items.device)
        means = (sums.mean + sums.sums / sums.counts.clamp_min(1)).clamp(0, 1)  # (n_items,)
        labels = means + self.label_smoothing * (0.5 - means)
        weights = sums.counts.clamp_max(self.count_cap)
        rated = torch.nonzero(weights).squeeze(1).cpu()
        reader = _Reader.of(items, sums.mean)
        learnt = [*reader.model.parameters(), *reader.head.values()]
        adam = torch.optim.AdamW(
            [{"params": learnt[:-2], "lr": self.lr}, {"params": learnt[-2:], "lr": self.head_lr}],
            weight_decay=self.weight_decay,
            fused=True,  # one pass over 23 million weights a step, where the plain one makes ten
        )
        size = min(len(rated), self.items_an_epoch)
        steps = self.epochs * -(-size // self.batch)
        rate = torch.optim.lr_scheduler.LambdaLR(adam, partial(self.share_of_rate, steps=steps))
        order = np.random.default_rng(seeds.order)
        rng = torch.Generator().manual_seed(seeds.order % 2**63)
        # ties: where there are no valid users every loss is 0, and the last weights are kept
        stopping = EarlyStopping(self.patience, reader.loss(valid), ties_improve=True)
        kept = reader.weights()
        for _ in range(self.epochs):
            chosen = torch.from_numpy(order.permutation(len(rated))[:size])
            for rows in rated[chosen].split(self.batch):
                sampled = rows.to(items.device)
                with self.autocast():
                    logits = reader.logits(sampled, self._thinned(reader.head["head"], rng))
                weight = weights[sampled] / weights[sampled].mean()
                adam.zero_grad()
                binary_cross_entropy_with_logits(logits.float(), labels[sampled], weight).backward()
                torch.nn.utils.clip_grad_norm_(learnt, self.clip)
                adam.step()
                rate.step()
            if stopping.improved(reader.loss(valid)):
                kept = reader.weights()
            if stopping.stops:
                break
        reader.model.load_state_dict({n: kept[f"model.{n}"] for n in reader.model.state_dict()})
        reader.head = {name: kept[name] for name in reader.head}
        expected = reader.expected(torch.arange(len(items), device=items.device))
        self.learned = kept | {"expected": expected}

    def adapt(self, support: Feedback) -> None:
        return None

    def score(self, state: None, items: Tensor) -> Tensor:
        return self.learned["expected"][items]  # (B, Q)

    def _thinned(self, head: Tensor, rng: torch.Generator) -> Tensor:
        """(D,) the head as one batch has it: entries left out at random, the others raised."""
        kept = torch.rand(head.shape, generator=rng).to(head) >= self.dropout
        return head * kept / (1 - self.dropout)


@dataclass
class _Reader:
    """The encoder, all of it to be learnt, with a linear head on its pooled tokens."""

    model: Any
    head: Params  # "head" (D,), "bias" ()
    ids: Tensor  # (n_items, L)
    mask: Tensor  # (n_items, L)
    pooling: str

    @classmethod
    def of(cls, items: Items, mean: float) -> "_Reader":
        """As pretrained, with a head that expects the mean label of everything."""
        device, width = items.device, items.features.shape[1]
        model = model_of(items).requires_grad_()
        ids, mask = items.encoder.tokens(list(items.catalogue.text))
        head = {
            "head": torch.zeros(width, device=device, requires_grad=True),
            "bias": torch.logit(torch.tensor(mean, device=device).clamp(0.02, 0.98)),
        }
        head["bias"].requires_grad_()
        return cls(model, head, ids.to(device), mask.to(device), items.encoder.pooling)

    def weights(self) -> Params:
        """A copy of all that is learnt."""
        weights = {f"model.{name}": weight for name, weight in self.model.state_dict().items()}
        return deepcopy({name: w.detach() for name, w in (self.head | weights).items()})

    def logits(self, rows: Tensor, head: Tensor) -> Tensor:
        """(n,) of n items, with a head (D,)."""
        width = int(self.mask[rows].sum(1).max())
        ids, mask = self.ids[rows, :width], self.mask[rows, :width]
        hidden = self.model(input_ids=ids, attention_mask=mask.long()).last_hidden_state
        pooled = pool(hidden, mask, self.pooling)  # (n, D)
        return normalize(pooled, dim=1) @ head + self.head["bias"]

    @torch.no_grad()
    def expected(self, rows: Tensor) -> Tensor:
        """(n,) expected labels of n items, texts of like length read together."""
        order = self.mask[rows].sum(1).argsort(stable=True)
        parts = [self.logits(rows[part], self.head["head"]) for part in order.split(64)]
        expected = torch.empty(len(rows), device=rows.device)
        expected[order] = torch.cat(parts).sigmoid()
        return expected

    def loss(self, valid: Episodes) -> float:
        """Mean cross-entropy over valid users' queries; 0 where there are none."""
        if not len(valid):
            return 0.0
        queries = [batch.query.to(self.ids.device) for batch in valid.batches(0)]
        asked = torch.cat([query.items[query.mask] for query in queries])
        labels = torch.cat([query.labels[query.mask] for query in queries])
        rows, where = asked.unique(return_inverse=True)
        return float(binary_cross_entropy(self.expected(rows)[where], labels))
