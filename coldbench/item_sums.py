"""What people say of an item beside what they say of others: what an item's bias is made of.

Koren, "Factorization Meets the Neighborhood" (2008), section 2.1, with damping as in Funk's SVD.
"""

import numpy as np
from numpy.typing import NDArray

from coldbench.episode import Users
from coldbench.interactions import Int

DAMPING = 5.0  # ratings of an average user added to every item


def residuals(warm: Users, damping: float = 3.0) -> tuple[float, Int, NDArray[np.float64]]:
    """The mean of all labels; of every item how many rated it, and the sum of their labels less
    each user's own mean, to which `damping` average ratings are added."""
    log, labels = warm.log, warm.labels.astype(np.float64)
    mean = float(labels.mean()) if len(labels) else 0.5
    per_user = np.bincount(log.users, labels, log.n_users)
    user_mean = (per_user + damping * mean) / (log.counts + damping)
    sums = np.bincount(log.items, labels - user_mean[log.users], log.n_items).astype(np.float64)
    return mean, np.bincount(log.items, minlength=log.n_items), sums


def prior(warm: Users) -> NDArray[np.float64]:
    """(n_items,) the label that the row item-bias expects; NaN where the log holds likes only."""
    if warm.negatives_per_positive:
        return np.full(warm.log.n_items, np.nan)
    mean, counts, sums = residuals(warm)
    return mean + sums / (counts + DAMPING)
