"""Warm users drawn anew, so that training sees less of what there is most of.

Labels: random undersampling (He & Garcia, "Learning from Imbalanced Data", 2009,
doi:10.1109/TKDE.2008.239, section 3.1.1). Users: the smoothing of counts by which large languages
do not crowd out small ones (Conneau & Lample 2019, arXiv:1901.07291, section 3.1).

Takes `Users`, for training; those who are judged are `Episodes`, and what goes in never changes.
Within a user rows stay in order and of different items: no episode has one in support and query.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from coldbench.episode import Users
from coldbench.errors import UserError
from coldbench.interactions import Int


def balanced(users: Users, seed: int, *, like_above: float = 0.5) -> Users:
    """As many likes as dislikes of each user: of the more frequent kind only some rows, at random.

    A user with one kind alone has nothing to balance and is left out. like_above: a label above
    this is a like. Linear in the rows. Raises UserError where no user has both kinds. A log of
    likes alone comes with as many unseen items, and stays as it is.
    """
    if users.unseen:
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
    some = np.flatnonzero(rarer)
    return _taken(users, some, np.flatnonzero(kept), 2 * rarer[some])


def by_activity(users: Users, power: float, seed: int) -> Users:
    """As many users as have interactions, drawn with replacement by n**-power, n how many.

    In expectation a user then holds a share of the rows like n**(1 - power): as before at 0, the
    same for all at 1. One who is drawn twice is there twice, under the same number in `ids`.
    """
    counts = users.log.counts
    some = np.flatnonzero(counts)
    if not len(some):
        return users
    logs = -power * np.log(counts[some])
    weights = np.exp(logs - logs.max())  # the greatest is 1, whatever the power
    who = np.random.default_rng(seed).choice(some, len(some), p=weights / weights.sum())
    lengths = counts[who]
    first = users.log.offsets[who] - np.cumsum(lengths) + lengths  # of a user, less its new place
    return _taken(users, who, np.arange(lengths.sum()) + np.repeat(first, lengths), lengths)


def _taken(users: Users, who: Int | NDArray[np.intp], rows: Int, lengths: Int) -> Users:
    """The rows of the log that make the stretches of `who`, `lengths` of them each."""
    log = users.log
    kept = replace(
        log,
        offsets=np.concatenate([[0], np.cumsum(lengths)]),
        items=log.items[rows],
        ratings=log.ratings[rows],
        times=None if log.times is None else log.times[rows],
    )
    return Users(kept, users.labels[rows], users.ids[who])
