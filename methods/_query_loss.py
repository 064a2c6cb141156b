"""What a user's query costs a method that is trained on it: the option `loss` of trained rows.

"logistic", the default, is the cross-entropy with a label in 0..1, "squared" the squared error of
the expected label, both of one item at a time. "pairs" is the logistic loss of two: a user's items
of unequal labels cost the negative log-likelihood that the better one is above (Bradley & Terry
1952). BPR, arXiv:1205.2618, samples such pairs; here all of a query are taken. They say nothing of
how high a user's labels are.
"""

from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import softplus

from coldbench.episode import Feedback
from coldbench.method import soft_cross_entropy

from ._pairs import pairs_of

Loss = Literal["logistic", "squared", "pairs"]


def query_loss(loss: Loss, logits: Tensor, query: Feedback) -> Tensor:
    """(B,) a mean over a user's items, or over their pairs of unequal labels: 0 without one.

    logits: (B, Q) log-odds of the expected label.
    """
    if loss == "pairs":
        left, right, sign = pairs_of(query.labels, query.mask)  # (B, P)
        wrong = softplus(-sign * (logits[:, left] - logits[:, right])) * sign.abs()
        return wrong.sum(1) / sign.abs().sum(1).clamp_min(1)
    if loss == "squared":
        apart = (torch.sigmoid(logits) - query.labels).square() * query.mask
        return apart.sum(1) / query.mask.sum(1).clamp_min(1)
    return soft_cross_entropy(logits, query.labels, query.mask)
