"""What an answer is worth to a Gaussian model: how much less its scores of other items may be off.

MacKay, "Information-Based Objective Functions for Active Data Selection" (1992), section 5: the
answer that most lowers the mean variance of what is predicted at the points of interest. Here these
are the items of the user's pool, drawn as the query's are; and since only the order of their scores
counts, what all of them share is left out.
"""

from torch import Tensor


def covariance(features: Tensor, mask: Tensor) -> Tensor:
    """(B, F, F) of the (B, P, F) features of real items, about their mean."""
    count = mask.sum(1).clamp_min(1)[:, None, None]  # (B, 1, 1)
    real = features * mask[..., None]
    about = (real - real.sum(1, keepdim=True) / count) * mask[..., None]
    return about.mT @ about / count
