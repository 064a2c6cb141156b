"""Replay: a method that chooses what it is shown, from what each user had rated anyway.

Li, Chu, Langford & Wang, "Unbiased Offline Evaluation of Contextual-bandit-based News Article
Recommendation Algorithms" (2011), arXiv:1003.5956. Only logged labels can be shown: a user begins
with none, the method picks one of the user's own logged items, sees its label, and adapts anew. The
items were chosen by the user and the site, not at random, so curves compare methods on the same log
and say nothing of items that nobody looked at.
"""

from typing import Any

import torch
from torch import Tensor

from coldbench.episode import Episodes, Feedback
from coldbench.method import Method


@torch.no_grad()
def replay(
    method: Method[Any], episodes: Episodes, rounds: int, by_lot: int | None = None
) -> tuple[Tensor, Tensor]:
    """(E, rounds) labels in the order in which they were chosen, and (E, rounds) bool: where a user
    had an item left. Their mean over users, cumulated, is the reward curve.

    The pick is the item that `method` scores highest, the first of equals; with `by_lot`, a seed,
    one of the user's at random.
    """
    lots = None if by_lot is None else torch.Generator().manual_seed(by_lot % 2**63)
    rewards, real = [], []
    device = method.items.device
    for batch in (block.to(device) for block in episodes.batches(episodes.max_shots)):
        columns = zip(vars(batch.support).values(), vars(batch.query).values(), strict=True)
        logged = Feedback(*(torch.cat(pair, 1) for pair in columns))  # (B, N) all that is known
        logged.days_before_query.zero_()  # nothing is older than anything else: the method asks now
        given, shown = _play(method, logged, rounds, lots)
        rewards.append(given)
        real.append(shown)
    return torch.cat(rewards), torch.cat(real)


def _play(
    method: Method[Any], logged: Feedback, rounds: int, lots: torch.Generator | None
) -> tuple[Tensor, Tensor]:
    left = logged.mask.clone()  # (B, N) not shown yet
    support = logged.map(lambda column: column[:, :0])
    for _ in range(min(rounds, left.shape[1])):
        if lots is None:
            worth = method.score(method.adapt(support), logged.items)
        else:
            worth = torch.rand(left.shape, generator=lots).to(logged.labels)
        pick = worth.masked_fill(~left, -1).argmax(1, keepdim=True)  # (B, 1)
        picked = left.gather(1, pick)
        columns = zip(vars(support).values(), vars(logged).values(), strict=True)
        support = Feedback(*(torch.cat([seen, c.gather(1, pick)], 1) for seen, c in columns))
        support.mask[:, -1:] = picked
        left = left.scatter(1, pick, False)
    return support.labels * support.mask, support.mask
