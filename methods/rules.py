"""Rules: what is known of items beforehand, as features whose sign is fixed, and as vetoes.

Ridge on the text, and beside it two rules over items' tags (genres, sectors, price bands):
score = p + ridge + gain * affinity - depth * vetoed. A tag's affinity is (sum of y - p over the
seen items that have it) / (damping + their number), an item's the mean over its tags; a tag is
vetoed after `veto_at` dislikes and no like, and so is an item that has it. Neither gain nor depth
is negative: as far as the rules go, a better label never lowers an item that shares a tag, nor
moves one that shares none. Monotone constraints as in Sill, "Monotonic Networks" (1997).

The prior's share of the gain is learnt beside them: with e the error on valid users at the largest
K, of the item prior, of ridge and of all, share = (e_ridge - e_all) / (e_prior - e_all).
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from coldbench.encoder import Items
from coldbench.episode import Episodes, Feedback, Users
from coldbench.method import Method, Space, squash_to_unit
from coldbench.parameters import Count, NotNegative, Positive
from coldbench.seeds import Seeds

from ._grid_search import choose, grid
from ._item_prior import item_prior
from ._kernel import Seen, gram, ridge


@dataclass(frozen=True)
class Known:
    """What the text says of a user, and the labels that the rules are applied to."""

    seen: Seen
    labels: Tensor  # (B, K)
    mask: Tensor  # (B, K) bool


@dataclass
class Rules(Method[Known]):
    text: bool = True  # False: the rules alone
    veto_at: Count = 3  # dislikes of a tag without a like
    damping: Positive | None = None  # average items a tag begins with; None: chosen on valid users
    gain: NotNegative | None = None  # of the affinity, 0 or more; None, here and below: likewise
    depth: NotNegative | None = None  # of a veto, in label units, 0 or more
    tau: Positive | None = None  # strength of ridge's penalty

    family = "robust"
    paper = "Sill, Monotonic Networks (1997)"
    stochastic = False
    presets: ClassVar[dict[str, dict[str, Any]]] = {"alone": {"text": False}}
    space: ClassVar[Space] = {
        "veto_at": (2, 6),
        "damping": (0.5, 20.0),
        "gain": (0.1, 2.0),
        "depth": [0.0, 0.05, 0.1, 0.2],
        "tau": (0.1, 20.0),
    }
    state_size = "17 * K"

    def meta_train(self, warm: Users, valid: Episodes, items: Items, seeds: Seeds) -> None:
        _, tags = items.tags()
        self.items = items
        base = {"prior": item_prior(warm, items), "tags": tags}
        base |= {name: torch.tensor(0.0) for name in ("gain", "depth")}
        base |= {name: torch.tensor(1.0) for name in ("damping", "tau")}

        def tried(name: str, *values: float) -> tuple[float, ...]:
            fixed = getattr(self, name)
            return values if fixed is None else (fixed,)

        taus = tried("tau", 2.0, 0.5, 1.0, 5.0)
        self.learned = base
        choose(self, grid(tau=taus), valid)
        ridge_alone = self.learned
        gains, dampings = tried("gain", 0.0, 0.25, 0.5, 1.0), tried("damping", 3.0, 1.0, 8.0)
        choose(self, grid(tau=taus, gain=gains, damping=dampings), valid)
        choose(self, grid(depth=tried("depth", 0.0, 0.02, 0.05, 0.1, 0.2)), valid)
        self.learned["share"] = self._share(ridge_alone, valid)

    def adapt(self, support: Feedback) -> Known:
        left = (support.labels - self.learned["prior"][support.items]) * support.mask
        products = gram(self.items.features, support.items, support.mask)
        weights = ridge(products, left, self.learned["tau"]) * self.text
        seen = Seen(support.items, weights)
        return Known(seen, support.labels, support.mask)

    def score(self, state: Known, items: Tensor) -> Tensor:
        text = self.learned["prior"][items] + state.seen.dot(self.items.features, items)
        return squash_to_unit(text + self.rule(state, items))

    def rule(self, state: Known, items: Tensor) -> Tensor:
        """(B, Q) what the two rules add to an item."""
        affinity, vetoed = self._of_tags(state)  # (B, T) each
        has = self.learned["tags"]
        share = has / has.sum(1, keepdim=True).clamp_min(1)  # (n_items, T) of an item's tags
        if items.shape[1] * 8 > len(has):  # then every item's is found faster than those asked
            liked, barred = (affinity @ share.T).gather(1, items), (vetoed @ has.T).gather(1, items)
        else:
            liked = (share[items] @ affinity[..., None])[..., 0]
            barred = (has[items] @ vetoed[..., None])[..., 0]
        return self.learned["gain"] * liked - self.learned["depth"] * (barred > 0)

    def _of_tags(self, state: Known) -> tuple[Tensor, Tensor]:
        """(B, T) the affinity of each tag, and 1 where it is vetoed."""
        items, labels = state.seen.items, state.labels
        has = self.learned["tags"][items] * state.mask[..., None]  # (B, K, T)
        left = labels - self.learned["prior"][items]
        kinds = torch.stack([left, (labels > 0.5).float(), (labels < 0.5).float()], 1)
        left, likes, dislikes = (kinds @ has).unbind(1)  # (B, T) each
        vetoed = (dislikes >= self.veto_at) & (likes == 0)
        return left / (self.learned["damping"] + has.sum(1)), vetoed.to(left)

    def _share(self, ridge_alone: dict[str, Tensor], valid: Episodes) -> Tensor:
        """() the rules' share of what is gained over the item prior; 0 where nothing is gained."""
        learned, none = self.learned, self.learned["prior"].new_zeros(())
        if not len(valid):
            return none
        self.learned = ridge_alone
        by_ridge, by_prior = self._error(valid, valid.max_shots), self._error(valid, 0)
        self.learned = learned
        by_all = self._error(valid, valid.max_shots)
        gained = by_prior - by_all
        return torch.where(gained > 0, ((by_ridge - by_all) / gained).clamp(0, 1), none)

    @torch.no_grad()
    def _error(self, valid: Episodes, shots: int) -> Tensor:
        """() mean squared error on valid users."""
        batches = [batch.to(self.items.device) for batch in valid.batches(shots)]
        wrong = [
            ((self.score(self.adapt(b.support), b.query.items) - b.query.labels) ** 2)[b.query.mask]
            for b in batches
        ]
        return torch.cat(wrong).mean()
