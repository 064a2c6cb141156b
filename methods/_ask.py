"""What an answer is worth to a Gaussian model: how much less its scores of other items may be off.

MacKay, "Information-Based Objective Functions for Active Data Selection" (1992), section 5: the
answer that most lowers the mean variance of what is predicted at the points of interest. Here these
are the items of the user's pool, drawn as the query's are; and since only the order of their scores
counts, what all of them share is left out.
"""

from torch import Tensor


def variance_told(covariance: Tensor, mask: Tensor) -> Tensor:
    """(B, P) by how much an answer lowers the variance of scores about their mean over the pool.

    covariance: (B, P, P) of the pool's scores after what was answered, in units of a label's noise;
    mask: (B, P), the items that are there.
    """
    count = mask.sum(1).clamp_min(1)[:, None, None]  # (B, 1, 1)
    real = covariance * mask[..., None]  # rows: scores; columns: answers
    about = (real - real.sum(1, keepdim=True) / count) * mask[..., None]
    noise = 1 + covariance.diagonal(dim1=1, dim2=2)  # (B, P)
    return about.square().sum(1) / (count[..., 0] * noise)
