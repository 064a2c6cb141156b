"""MovieLens 100K cut as a published table cut it: at random, with supports of all lengths."""

from functools import cache

import numpy as np
from numpy.typing import NDArray

from coldbench import registry
from coldbench.episode import Episodes, Users
from coldbench.interactions import Catalogue

FEWEST, MOST = 13, 100  # ratings of a user who takes part, in RecBole-MetaRec as in MeLU
QUERY = 10  # of them that a user is asked for; the others are the support
SPAN = 4.0  # stars between the worst and the best
LIKE_AT = 0.625  # a label above this is 4 stars or 5


@cache
def ml_100k() -> tuple[Users, Catalogue]:
    """Every user, labels scaled to 0..1, and the films."""
    dataset = registry.find("datasets", "ml-100k")()
    log, catalogue = dataset.load()
    labels = dataset.labels(log.ratings, "rating")
    return Users(log, labels, np.arange(log.n_users)), catalogue


def by_lot(users: Users, rng: np.random.Generator) -> Users:
    """The same with each user's rows in random order."""
    rows = np.lexsort((rng.random(len(users.log)), users.log.users))
    return Users(users.log.rows(rows), users.labels[rows], users.ids)


def of_size(users: Users, rows: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """(N,) the chosen rows of the users who have 13 to 100 of them."""
    counts = np.bincount(users.log.users[rows], minlength=users.log.n_users)
    fit = (counts >= FEWEST) & (counts <= MOST)
    return rows & fit[users.log.users]


def place(users: Users, rows: NDArray[np.bool_]) -> NDArray[np.int64]:
    """(N,) how many chosen rows of the same user stand before each row."""
    before: NDArray[np.int64] = np.cumsum(rows) - rows
    return before - before[users.log.offsets[:-1]][users.log.users]


def episodes(users: Users) -> Episodes:
    """Everyone is asked for their first 10 rows and given all others."""
    first, counts = users.log.offsets[:-1], users.log.counts
    longest = int(counts.max()) - QUERY
    support = first[:, None] + QUERY + np.arange(longest)  # (E, S)
    given = np.arange(longest) < counts[:, None] - QUERY
    support = np.where(given, support, -1)[:, ::-1]  # padding stands before what is real
    query = first[:, None] + np.arange(QUERY)  # (E, Q)
    return Episodes(users, np.arange(users.log.n_users), support, query)
