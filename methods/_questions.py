"""Questions that tell no label: what a user is changes the model that reads them, not the text."""

from collections.abc import Callable

import torch
from torch import Tensor

from ._causal import blocks
from .prompt import Prompt

Texts = list[list[int]]  # each a question's tokens


def questions(method: Prompt, items: Tensor, real: Tensor) -> tuple[Tensor, Texts]:
    """(N,) the users of real ones of items (B, Q), and a question about each."""
    return torch.nonzero(real)[:, 0], _asked(method, items[real])


def in_blocks(texts: Texts, read: Callable[[Tensor, Texts], Tensor]) -> Tensor:
    """(N,) what `read` makes of some rows (n,) of N texts and these, a block of `blocks` a time."""
    order, parts = [], []
    for rows, _ in blocks(texts):
        order.append(rows)
        parts.append(read(rows, [texts[row] for row in rows.tolist()]))
    return torch.cat(parts)[torch.cat(order).argsort().to(parts[0].device)]


@torch.no_grad()
def asked_of(
    method: Prompt, of_users: Tensor, items: Tensor, odds: Callable[[Tensor, Texts], Tensor]
) -> Tensor:
    """(B, Q) P(yes) of items (B, Q); users who are alike in of_users (B, ...) are asked once.

    odds: the log-odds (N,) of N texts, each read as its own user's (N, ...) say.
    """
    if not items.numel():
        return torch.zeros(items.shape, device=items.device)
    same = (of_users[:, None] == of_users).flatten(2).all(2)  # (B, B) users who are alike
    owner = same.long().argmax(1)[:, None]  # (B, 1) the first of them
    many = len(method.items)
    distinct, where = (owner * many + items).unique(return_inverse=True)
    texts = _asked(method, distinct % many)
    return torch.sigmoid(odds(of_users[distinct // many], texts))[where]


def _asked(method: Prompt, items: Tensor) -> Texts:
    """A question about each of items (N,), in tokens; each item's are made once."""
    made = {item: method.question(item) for item in items.unique().tolist()}
    return [made[item] for item in items.tolist()]
