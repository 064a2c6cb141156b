"""The best of a catalogue for many users: a block of items at a time, so that no score of all users
and all items is ever held."""

from collections.abc import Callable

import torch
from torch import Tensor

from coldbench.episode import Feedback

PAIRS = 2**16  # of a user and an item, scored and ranked at once: larger blocks leave the cache
LOW = 2**32 - 1  # the low half of a key


def best_items(
    score: Callable[[Tensor], Tensor], n_items: int, support: Feedback, n: int
) -> list[list[tuple[int, float]]]:
    """Of each of B users the n best items that they have not rated, with their scores, best first;
    items of equal score stand in the catalogue's order.

    score: (B, q) numbers of items, the same row for every user -> (B, q) scores in 0..1.
    """
    users, device = len(support.items), support.items.device
    # a row of stride 0 says that all ask for the same (methods/_same_items.py)
    every = torch.arange(n_items, device=device).as_strided((users, n_items), (0, 1))
    user, place = support.mask.nonzero(as_tuple=True)
    rated = support.items[user, place]
    tops = []
    for begun, block in _blocks(every, max(1, PAIRS // max(1, users))):
        keys = _keys(score(block), block[0])
        width = block.shape[1]
        inside = (rated >= begun) & (rated < begun + width)
        keys[user[inside], rated[inside] - begun] = -1
        tops.append(keys.topk(min(n, width), 1).values)
    top = torch.cat(tops, 1)
    top = top.topk(min(n, top.shape[1]), 1).values
    numbers = (LOW - (top & LOW)).tolist()
    scores = (top >> 32).int().view(torch.float32).tolist()
    open_ = (top >= 0).sum(1).tolist()  # keys of rated items are negative, and come last
    return [
        list(zip(of_user[:most], of[:most], strict=True))
        for of_user, of, most in zip(numbers, scores, open_, strict=True)
    ]


def _blocks(every: Tensor, width: int) -> list[tuple[int, Tensor]]:
    return [(at, every[:, at : at + width]) for at in range(0, every.shape[1], width)]


def _keys(scores: Tensor, items: Tensor) -> Tensor:
    """(B, q) whole numbers in the order of the scores, and of equal scores the earlier item first:
    floats that are not negative are in the order of their bits."""
    bits = scores.float().abs().contiguous().view(torch.int32)  # -0 is 0
    return (bits.long() << 32) + (LOW - items)
