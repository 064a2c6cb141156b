"""SASRec: self-attention over what a user rated, oldest first, read where the last of it stands.

Kang & McAuley, "Self-Attentive Sequential Recommendation" (2018), arXiv:1808.09781: an item's
vector and its place go through blocks of causal self-attention and a two-layer network, each with a
residual and a normalisation; the last place's output times an item's vector is its score. An item's
vector is learnt for each item (`ids`), read off its text, or both, as in the line that follows
(UniSRec, arXiv:2206.05941).

What is ours: an item's vector is scaled by what the label is above the item prior, since here
people also say what they dislike; places are counted from the newest, by age and where ages tie by
the item's number, so a support is a set; one learnt place stands first, so K = 0 has an output. The
output adds to the item prior's log-odds, and training is that of all episodic rows: the
cross-entropy of the query after the support.
"""

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor
from torch.nn.functional import layer_norm, scaled_dot_product_attention

from coldbench.encoder import Items
from coldbench.episode import Episodes, Feedback, Users
from coldbench.method import Params
from coldbench.parameters import Count, Positive
from coldbench.seeds import Seeds

from ._gradient_head import pick
from ._item_prior import item_prior
from ._meta_learner import EpisodicMethod, log_odds

PLACES = 64  # that are told apart; older ones share the last


@dataclass
class Sasrec(EpisodicMethod[Tensor]):
    """Its state is the last place's output, (B, width)."""

    reads: Literal["both", "ids", "text"] = "both"  # what an item's vector is made of
    width: Count = 32
    blocks: Count = 2
    heads: Count = 2
    meta_users: Count = 64
    meta_lr: Positive = 3e-3

    family = "sequential"
    grows = False
    paper = "arXiv:1808.09781"
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "ids": {"reads": "ids"},
        "text": {"reads": "text"},
    }
    space = EpisodicMethod.space | {"width": [16, 32, 64], "blocks": (1, 3)}
    state_size = "4 * width"

    def meta_train(self, warm: Users, valid: Episodes, items: Items, seeds: Seeds) -> None:
        self.items = items
        expected = item_prior(warm, items)
        fixed = {"expected": expected, "prior": log_odds(expected)}
        weights = self._start(len(items), items.features.shape[1], seeds.init)
        self.fit(
            {name: w.to(items.device) for name, w in weights.items()}, fixed, warm, valid, seeds
        )

    def _start(self, n_items: int, features: int, seed: int) -> Params:
        rng, d = torch.Generator().manual_seed(seed % 2**63), self.width

        def lot(*shape: int, spread: float) -> Tensor:
            return spread * torch.randn(*shape, generator=rng)

        weights = {
            "start": lot(d, spread=0.1),
            "places": lot(PLACES, d, spread=0.1),
            "label": torch.full((d,), 4.0),  # of what the label is above the prior
            "out": lot(d, d, spread=0.1 / d**0.5),
        }
        if self.reads != "text":
            weights["ids"] = lot(n_items, d, spread=0.1)
        if self.reads != "ids":
            weights["text"] = lot(features, d, spread=1.0)
        for n in range(self.blocks):
            weights |= {
                f"attend{n}": lot(d, 3 * d, spread=d**-0.5),
                f"mix{n}": lot(d, d, spread=d**-0.5),
                f"up{n}": lot(d, d, spread=(2 / d) ** 0.5),
                f"down{n}": lot(d, d, spread=d**-0.5),
            }
        return weights

    def _table(self) -> Tensor:
        """(n_items, width) the catalogue's vectors."""
        w = self.learned
        if self.reads == "ids":
            return w["ids"]
        text = self.items.features @ w["text"]
        return text if self.reads == "text" else text + w["ids"]

    def adapt(self, support: Feedback) -> Tensor:
        w, support = self.learned, oldest_first(support)
        left = support.labels - w["expected"][support.items]
        labelled = 1 + left[..., None] * w["label"]  # (B, K, d)
        real, count = support.mask, support.items.shape[1]
        place = torch.arange(count - 1, -1, -1, device=real.device).clamp_max(PLACES - 1)
        seen = pick(self._table(), support.items) * labelled + w["places"][place]
        first = w["start"].expand(len(real), 1, -1)
        seen = torch.where(real[..., None], seen, first)  # padding says what the start says
        x = torch.cat([first, seen], 1)  # (B, 1 + K, d)
        real = torch.cat([real.new_ones(len(real), 1), real], 1)
        causal = real.new_ones(count + 1, count + 1).tril()
        for n in range(self.blocks):
            x = x + self._attend(layer_norm(x, x.shape[-1:]), causal & real[:, None], n)
            hidden = torch.relu(layer_norm(x, x.shape[-1:]) @ w[f"up{n}"])
            x = x + hidden @ w[f"down{n}"]
        return layer_norm(x[:, -1], x.shape[-1:])

    def _attend(self, x: Tensor, seen: Tensor, n: int) -> Tensor:
        """(B, N, d) multi-head attention; seen: (B, N, N) bool, what a place may look at."""
        q, k, v = (
            part.unflatten(2, (self.heads, -1)).transpose(1, 2)
            for part in (x @ self.learned[f"attend{n}"]).chunk(3, 2)
        )  # (B, heads, N, d / heads) each
        attended = scaled_dot_product_attention(q, k, v, seen[:, None])
        return attended.transpose(1, 2).flatten(2) @ self.learned[f"mix{n}"]

    def logits(self, state: Tensor, items: Tensor) -> Tensor:
        wanted = state @ self.learned["out"]  # (B, d)
        liked = (pick(self._table(), items) @ wanted[..., None])[..., 0]
        return self.learned["prior"][items] + liked


def oldest_first(support: Feedback) -> Feedback:
    """Padding, then the oldest label, the newest last; of equal age by item."""
    by_item = support.items.argsort(dim=1, stable=True)
    age = support.days_before_query.gather(1, by_item)
    age = age.masked_fill(~support.mask.gather(1, by_item), torch.inf)
    order = by_item.gather(1, age.argsort(dim=1, descending=True, stable=True))
    return support.map(lambda column: column.gather(1, order))
