"""What a method predicted beside the truth, and each item's rank: what metrics are made of.

Shapes: B users, Q query items; short queries are padded and `mask` is True where an item is real.
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from typing import Any

import torch
from torch import Tensor

CHUNK = 1 << 17  # entries worked on at a time: a few columns of them stay in the cache


@dataclass(frozen=True)
class Predictions:
    """What a method predicted for B users, beside the truth. Padding holds zeros, and tied 1."""

    scores: Tensor  # (B, Q) what the method predicted, in 0..1
    labels: Tensor  # (B, Q) the truth, in 0..1
    gains: Tensor  # (B, Q) what NDCG counts an item for: gain() of its label
    relevant: Tensor  # (B, Q) bool, the label is above the like threshold
    mask: Tensor  # (B, Q) bool
    above: Tensor  # (B, Q) int64, candidates of this user that score strictly higher
    tied: Tensor  # (B, Q) int64, candidates that score the same, itself included
    candidates: Tensor  # (B,) int64, how many items were ranked
    like_at: float  # a score above this predicts a like
    span: float  # width of the rating scale: MAE and RMSE are in rating units
    prior: Tensor | None = None  # (B, Q) the labels that all people together lead to expect

    @property
    def predicted_positive(self) -> Tensor:
        """(B, Q) bool, the items of which a like is predicted."""
        return (self.scores > self.like_at) & self.mask

    @property
    def positive_only(self) -> bool:
        """Implicit feedback: the catalogue is ranked and only positives are known. A score itself,
        as against its rank, is then not tested: to predict a like everywhere would be right."""
        ranked = bool((self.candidates > self.mask.sum(1)).any())
        return ranked and bool((self.relevant | ~self.mask).all())

    def parts(self) -> Iterator["Predictions"]:
        """The same, a few users at a time; the parts share memory with the whole."""
        return map(self.take, slices(self.mask))

    def take(self, users: slice | Tensor) -> "Predictions":
        """Those of some users."""
        columns: dict[str, Any] = {
            column.name: value[users]
            for column in fields(self)
            if isinstance(value := getattr(self, column.name), Tensor)
        }
        return replace(self, **columns)


def invalid_scores(scores: Tensor) -> Tensor:
    """bool of any shape: True where a score is not finite or not in 0..1, as no method may give."""
    return ~((scores >= 0) & (scores <= 1))  # NaN compares as False


def gain(labels: Tensor, *, graded: bool = True) -> Tensor:
    """What NDCG counts an item for, by its label in 0..1, of any shape: 2^(1 + 4 label) - 1.

    That is 2^g - 1 with g the rating mapped to 1..5, on every scale: the lowest rating there is
    gains 1, the middle 7, the highest 31. Likes (graded=False) gain their label, 0 or 1.
    """
    return torch.exp2(1 + 4 * labels) - 1 if graded else labels


def rank_predictions(  # noqa: PLR0913
    scores: Tensor,
    labels: Tensor,
    mask: Tensor,
    *,
    like_at: float,
    span: float = 1.0,
    graded: bool = True,
    ranks: tuple[Tensor, Tensor] | None = None,
    candidates: Tensor | None = None,
    prior: Tensor | None = None,
) -> Predictions:
    """(B, Q) scores beside their labels, and how many candidates score above and the same.

    The query's items are ranked among themselves; where `ranks` = (above, tied), each (B, Q), and
    `candidates` (B,) are given, they stand in a longer list whose other items are worth nothing.
    `prior` (B, Q): the expected label of each item, NaN where none is known.
    `graded`: labels are ratings, not likes. A score that is not finite has no rank: a ValueError.
    """
    if (ranks is None) != (candidates is None):
        raise ValueError("ranks and candidates are two halves of one ranking: give both or none")
    score, label, worth = (torch.empty_like(scores, dtype=torch.float64) for _ in range(3))
    above, tied = (torch.empty_like(scores, dtype=torch.int64) for _ in range(2))
    broken = 0
    for part in slices(mask):  # a whole column at a time would run at the speed of memory
        padding = ~mask[part]
        score[part] = scores[part].masked_fill(padding, 0)
        label[part] = labels[part].masked_fill(padding, 0)
        worth[part] = gain(label[part], graded=graded).masked_fill(padding, 0)
        places = (ranks[0][part], ranks[1][part]) if ranks else _rank(scores[part], padding)
        above[part] = places[0].masked_fill(padding, 0)
        tied[part] = places[1].masked_fill(padding, 1)
        broken += int((~score[part].isfinite()).any(1).sum())
    if broken:
        raise ValueError(f"{broken} of {len(scores)} users have a score that is not finite")
    # a float32 score of .6 is above .6 in float64, yet it is the threshold itself
    like_at = torch.tensor(like_at, dtype=scores.dtype, device="cpu").item()
    relevant = (labels > like_at) & mask
    count = mask.sum(1) if candidates is None else candidates
    expected = None if prior is None else prior.double()
    return Predictions(
        score, label, worth, relevant, mask, above, tied, count, like_at, span, expected
    )


def slices(mask: Tensor) -> Iterator[slice]:
    size = max(1, CHUNK // max(1, mask.shape[1]))
    return (slice(at, at + size) for at in range(0, len(mask), size))


def _rank(scores: Tensor, padding: Tensor) -> tuple[Tensor, Tensor]:
    scores = scores.masked_fill(padding, -torch.inf).contiguous()  # padding comes last
    if scores.shape[1] <= 64:  # for short lists comparing all pairs beats sorting
        across = scores.T.contiguous()  # (Q, b)
        above, tied = (torch.zeros_like(across, dtype=torch.uint8) for _ in range(2))
        for column in across:
            above += (column > across).view(torch.uint8)
            tied += (column == across).view(torch.uint8)
        return above.T.long(), tied.T.long()
    return above_and_tied(scores, scores)


def above_and_tied(scores: Tensor, among: Tensor) -> tuple[Tensor, Tensor]:
    """(B, Q) how many of (B, C) scores stand above each of (B, Q), and how many are the same."""
    ascending = among.sort(1).values
    upto = torch.searchsorted(ascending, scores, right=True)
    return among.shape[1] - upto, upto - torch.searchsorted(ascending, scores)
