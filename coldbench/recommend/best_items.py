"""The best of a catalogue for many users: a part of it at a time, so that no score of all users and
all items is ever held.

Few items of a part are looked at one by one: items are taken in groups, and a group whose highest
score does not reach the n best is left alone.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from coldbench.episode import Feedback

PAIRS = 2**16  # of a user and an item, scored at once: larger blocks leave the cache
HELD = 2**21  # whose scores are held and ranked at once, 8 MB
GROUP = 32  # items of a group
LOW = 2**32 - 1  # the low half of a key
OUT = -1  # the key, and the score, of an item that is not to be listed


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
    top = torch.full((users, min(n, n_items)), OUT, device=device)
    for begun, part in _parts(every, HELD):
        scores = _scored(score, part)
        inside = (rated >= begun) & (rated < begun + part.shape[1])
        scores[user[inside], rated[inside] - begun] = OUT
        top = _with_part(top, scores, begun)
    numbers, scores_of = (LOW - (top & LOW)).tolist(), _scores(top).tolist()
    open_ = (top >= 0).sum(1).tolist()  # what is not to be listed comes last
    return [
        list(zip(of_user[:most], of[:most], strict=True))
        for of_user, of, most in zip(numbers, scores_of, open_, strict=True)
    ]


def _parts(items: Tensor, pairs: int) -> list[tuple[int, Tensor]]:
    """(B, q) items in parts of so many pairs, each with where it begins."""
    width = max(1, pairs // max(1, len(items)))
    return [(at, items[:, at : at + width]) for at in range(0, items.shape[1], width)]


def _scored(score: Callable[[Tensor], Tensor], items: Tensor) -> Tensor:
    """(B, q) scores, and as many OUT behind them as make the groups whole."""
    users, width = items.shape
    scores = torch.empty(users, width + -width % GROUP, device=items.device)
    scores[:, width:] = OUT
    for at, block in _parts(items, PAIRS):
        torch.abs(score(block), out=scores[:, at : at + block.shape[1]])  # -0 is 0
    return scores


def _with_part(top: Tensor, scores: Tensor, begun: int) -> Tensor:
    """(B, n) keys of the best so far and of a part's (B, q) items, best first."""
    groups = scores.view(len(scores), GROUP, -1)  # (B, GROUP, G): of each G-th item
    highest, n = groups.amax(1), top.shape[1]
    low = highest <= _scores(top[:, -1:])  # an equal one comes later than those that are there
    if highest.shape[1] > n:  # n groups reach this, and so do n items
        low |= highest < highest.topk(n, 1).values[:, -1:]
    user, group = low.logical_not_().nonzero(as_tuple=True)
    if not len(user):
        return top
    member = torch.arange(begun, begun + scores.shape[1], device=top.device).view(GROUP, -1)
    keys = _keys(groups[user, :, group], member.T[group])  # (found groups, GROUP)
    count = user.bincount(minlength=len(top))
    place = torch.arange(len(user), device=top.device) - (count.cumsum(0) - count)[user]
    found = top.new_full((len(top), int(count.max()), GROUP), OUT)
    found[user, place] = keys
    return torch.cat([top, found.flatten(1)], 1).topk(n, 1).values


def _keys(scores: Tensor, items: Tensor) -> Tensor:
    """Whole numbers in the order of the scores, and of equal scores the earlier item first: floats
    that are not negative are in the order of their bits."""
    keys = (scores.view(torch.int32).long() << 32) + (LOW - items)
    return keys.masked_fill_(scores < 0, OUT)


def _scores(keys: Tensor) -> Tensor:
    """The scores of keys."""
    scores = (keys >> 32).int().view(torch.float32)
    return scores.masked_fill_(keys < 0, OUT)
