"""What people say of an item beside what they say of others: what an item's bias is made of.

Koren, "Factorization Meets the Neighborhood" (2008), section 2.1, with damping as in Funk's SVD.
"""

import numpy as np
from numpy.typing import NDArray

from coldbench.episode import Users
from coldbench.interactions import Int
from coldbench.spilled import Column, in_bounds

DAMPING = 5.0  # ratings of an average user added to every item


def residuals(warm: Users, damping: float = 3.0) -> tuple[float, Int, NDArray[np.float64]]:
    """The mean of all labels; of every item how many rated it, and the sum of their labels less
    each user's own mean, to which `damping` average ratings are added."""
    log, labels = warm.log, _float64(warm)
    mean = float(labels.mean()) if len(labels) else 0.5
    sums = np.zeros(log.n_items)
    for users, rows in in_bounds(log.offsets):
        part, own = log.of_users(users), labels[rows]
        owner = part.users
        per_user = np.bincount(owner, own, part.n_users)
        user_mean = (per_user + damping * mean) / (part.counts + damping)
        np.add.at(sums, part.items, own - user_mean[owner])
    return mean, warm.item_counts(drawn=True), sums


def _float64(warm: Users) -> NDArray[np.float64]:
    """(N,) the labels."""
    labels = Column()
    for _, rows in in_bounds(warm.log.offsets):
        labels.append(warm.labels[rows].astype(np.float64))
    return labels.whole()


def prior(warm: Users) -> NDArray[np.float64]:
    """(n_items,) the label that the row item-bias expects; NaN where the log holds likes only."""
    if warm.negatives_per_positive:
        return np.full(warm.log.n_items, np.nan)
    mean, counts, sums = residuals(warm)
    return mean + sums / (counts + DAMPING)
