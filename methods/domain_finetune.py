"""The article's text classifier: BERT fine-tuned once on warm users' items, no user's own support.

Devlin et al., "BERT: Pre-training of Deep Bidirectional Transformers" (2018), arXiv:1810.04805,
section 4: a linear head on the pooled tokens, all weights trained by AdamW at 2e-5 in batches of 16
for at most 5 epochs, stopped early by valid users. One example an item, its label the mean of warm
users' labels less each user's own bias, weighted by min(count, cap). It reads text only, does not
adapt, and adds no item prior: every new user gets the same expected labels.
"""

from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy, binary_cross_entropy_with_logits, normalize

from coldbench.encoder import Items, pool
from coldbench.episode import Episodes, Feedback, Users
from coldbench.method import Learned, Method
from coldbench.protocol import Seeds

from ._prior import Warm
from ._trunk import bert_like


@dataclass
class DomainFinetune(Method[None]):
    epochs: int = 5  # at most; each looks at every item chosen below once
    items_an_epoch: int = 512  # by lot: a whole catalogue five times over costs minutes on a CPU
    batch: int = 16
    lr: float = 2e-5  # of the encoder's weights
    head_lr: float = 1e-2  # of the new head, which starts at no opinion
    weight_decay: float = 0.01
    count_cap: int = 20  # ratings beyond which an item weighs no more
    patience: int = 1  # epochs without a gain on valid users before it stops

    family = "fine-tuning"
    paper = "arXiv:1810.04805"
    adapts = False
    needs_tokens = True

    def meta_train(self, warm: Users, valid: Episodes, items: Items, seeds: Seeds) -> None:
        self.items = items
        sums = Warm.of(warm, items.device)
        labels = (sums.mean + sums.sums / sums.counts.clamp_min(1)).clamp(0, 1)  # (n_items,)
        weights = sums.counts.clamp_max(self.count_cap)
        rated = torch.nonzero(weights).squeeze(1).cpu()
        model = bert_like(items).to(items.device).requires_grad_()
        ids, mask = items.encoder.tokens(list(items.catalogue.text))
        tokens = ids.to(items.device), mask.to(items.device)
        head = {
            "head": torch.zeros(items.features.shape[1], device=items.device, requires_grad=True),
            "bias": torch.logit(torch.tensor(sums.mean, device=items.device).clamp(0.02, 0.98)),
        }
        adam = torch.optim.AdamW(
            [
                {"params": list(model.parameters()), "lr": self.lr},
                {"params": [head["head"], head["bias"].requires_grad_()], "lr": self.head_lr},
            ],
            weight_decay=self.weight_decay,
        )
        order = np.random.default_rng(seeds.order)
        best, kept, looks = float("inf"), model.state_dict() | head, 0
        for _ in range(self.epochs):
            chosen = torch.from_numpy(order.permutation(len(rated))[: self.items_an_epoch])
            for rows in rated[chosen].split(self.batch):
                there = rows.to(items.device)
                adam.zero_grad()
                logits = self._logits(model, head, tokens, there)
                weight = weights[there] / weights[there].mean()
                binary_cross_entropy_with_logits(logits, labels[there], weight).backward()
                adam.step()
            loss = self._valid_loss(model, head, tokens, valid) if len(valid) else 0.0
            looks = 0 if loss < best else looks + 1
            if loss < best or not len(valid):
                best, kept = loss, deepcopy(model.state_dict() | head)
            if looks > self.patience and len(valid):
                break
        model.load_state_dict({name: kept[name] for name in model.state_dict()})
        head = {name: kept[name].detach() for name in head}
        everything = torch.arange(len(items), device=items.device)
        expected = self._expected(model, head, tokens, everything)
        self.learned = head | {f"model.{n}": w.detach() for n, w in model.state_dict().items()}
        self.learned["expected"] = expected

    def adapt(self, support: Feedback) -> None:
        return None

    def score(self, state: None, items: Tensor) -> Tensor:
        return self.learned["expected"][items]  # (B, Q)

    def _logits(
        self, model: Any, head: Learned, tokens: tuple[Tensor, Tensor], rows: Tensor
    ) -> Tensor:
        ids, mask = tokens
        width = int(mask[rows].sum(1).max())
        ids, mask = ids[rows, :width], mask[rows, :width]
        hidden = model(ids, mask.long()).last_hidden_state
        pooled = pool(hidden, mask, self.items.encoder.pooling)  # (b, D)
        return normalize(pooled, dim=1) @ head["head"] + head["bias"]

    @torch.no_grad()
    def _expected(
        self, model: Any, head: Learned, tokens: tuple[Tensor, Tensor], rows: Tensor
    ) -> Tensor:
        """(n,) expected labels of n items, texts of like length read together."""
        order = tokens[1][rows].sum(1).argsort(stable=True)
        parts = [self._logits(model, head, tokens, rows[part]) for part in order.split(64)]
        expected = torch.empty(len(rows), device=rows.device)
        expected[order] = torch.cat(parts).sigmoid()
        return expected

    def _valid_loss(
        self, model: Any, head: Learned, tokens: tuple[Tensor, Tensor], valid: Episodes
    ) -> float:
        """Mean cross-entropy over valid users' queries."""
        queries = [batch.query.to(tokens[0].device) for batch in valid.batches(0)]
        asked = torch.cat([query.items[query.mask] for query in queries])
        labels = torch.cat([query.labels[query.mask] for query in queries])
        rows, where = asked.unique(return_inverse=True)
        expected = self._expected(model, head, tokens, rows)[where]
        return float(binary_cross_entropy(expected, labels))
