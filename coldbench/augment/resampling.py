"""Warm users with as many likes as dislikes, so that training sees less of what there is most of.

Random undersampling: He & Garcia, "Learning from Imbalanced Data" (2009),
doi:10.1109/TKDE.2008.239, section 3.1.1.

Takes `Users`, for training; evaluated ones are `Episodes`, and what goes in never changes.
Within a user rows stay in order and of different items: no episode has one in support and query.
"""

from dataclasses import replace

import numpy as np
from scipy.sparse import csr_matrix

from coldbench.episode import Users
from coldbench.errors import UserError


def balanced(users: Users, seed: int, *, like_above: float = 0.5) -> Users:
    """As many likes as dislikes of each user: of the more frequent kind only some rows, at random.

    A user with one kind alone has nothing to balance and is left out. like_above: a label above
    this is a like. Linear in the rows. Raises UserError where no user has both kinds. A log of
    likes only comes with as many unseen items, and stays as it is.
    """
    if users.negatives_per_positive:
        return users
    log, n = users.log, len(users.log)
    kind = 2 * log.users + (users.labels > like_above)  # (N,)
    counts = np.bincount(kind, minlength=2 * log.n_users)  # (2 U,) dislikes, likes of each user
    rarer = counts.reshape(-1, 2).min(1)  # (U,)
    if not rarer.any():
        raise UserError(
            f"no warm user has labels above and not above {like_above}: there is nothing to "
            "balance; use a dataset with likes and dislikes, or another method"
        )
    mixed = np.random.default_rng(seed).permutation(n)
    by_kind = csr_matrix(  # row numbers by user and kind, at random within: a sort, but linear
        (np.ones(n, bool), (kind[mixed], np.arange(n))), (len(counts), n)
    ).indices
    place = np.arange(n) - np.repeat(np.cumsum(counts) - counts, counts)
    kept = np.zeros(n, bool)
    kept[mixed[by_kind]] = place < np.repeat(np.repeat(rarer, 2), counts)
    uneven = np.flatnonzero(rarer)
    less = replace(
        log,
        offsets=np.concatenate([[0], np.cumsum(2 * rarer[uneven])]),
        items=log.items[kept],
        ratings=log.ratings[kept],
        times=None if log.times is None else log.times[kept],
    )
    return Users(less, users.labels[kept], users.ids[uneven])
