"""What needs no few-shot method to score TALLRec's rows: the history's likes, five numbers of it,
and two rows that know what TALLRec does not, other users' ratings."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from coldbench import registry
from coldbench.encoder import Items
from coldbench.episode import Users
from coldbench.seeds import Seeds

from ._tallrec import HISTORY, Rows, meet

Float = NDArray[np.floating[Any]]
DAMPING = 5.0  # labels of an average film added to every film
RECENT = 3  # the last films of a history
STRENGTH = (
    0.1  # of logistic regression (sklearn's C), and its numbers, chosen on TALLRec's valid rows
)


def like_rate(rows: Rows) -> Float:
    """(R,) the share of likes in the ten films before."""
    return rows.likes[rows.strips[:, :HISTORY]].mean(1)


def history_numbers(rows: Rows, items: Items) -> Float:
    """(R, 5) the like-rate; of the last three; the nearest liked and disliked film's cosine to the
    film asked for; and cosines summed, each by how much its film was liked above the like-rate."""
    before = rows.strips[:, :HISTORY]
    likes, features = rows.likes[before], items.features.numpy()
    seen, asked = features[rows.log.items[before]], features[rows.log.items[rows.places]]
    cosine = np.einsum("rkd,rd->rk", seen, asked)  # (R, 10)
    rate = likes.mean(1, keepdims=True)
    columns = (
        rate[:, 0],
        likes[:, -RECENT:].mean(1),
        _nearest(cosine, likes > 0),
        _nearest(cosine, likes == 0),
        (cosine * (likes - rate)).sum(1),
    )
    return np.stack(columns, 1)


def logistic(train: Rows, test: Rows, items: Items) -> Float:
    """(R,) expected likes of the test rows by five numbers of a history, learnt on a few rows."""
    model = LogisticRegression(C=STRENGTH)
    model.fit(history_numbers(train, items), train.likes[train.places])
    return model.predict_proba(history_numbers(test, items))[:, 1]


def item_like_rate(test: Rows) -> Float:
    """(R,) the share of likes that each film has from all users who are not tested."""
    others = ~np.isin(test.log.users, test.users)
    films, likes = test.log.items[others], test.likes[others]
    count = np.bincount(films, minlength=test.log.n_items) + DAMPING
    liked = np.bincount(films, likes, test.log.n_items) + DAMPING * likes.mean()
    return (liked / count)[test.log.items[test.places]]


def fold_in(every: Rows, test: Rows, items: Items) -> Float:
    """(R,) the film's bias, the user's level and factors, from all users who are not tested; every
    tenth of those is chosen by, at each fifth of his rows."""
    others = np.setdiff1d(every.users, test.users)
    chosen = others[::10]
    log = every.log
    learnt = np.isin(log.users, np.setdiff1d(others, chosen))
    kept = log.rows(learnt)
    warm = Users(kept, every.likes[learnt], np.arange(log.n_users))
    valid = every.part(np.flatnonzero(np.isin(every.users, chosen))[::5]).as_episodes()
    method = registry.find("methods", "fold-in")()
    method.meta_train(warm, valid, items, Seeds())
    return meet(method, test)


def _nearest(cosine: Float, among: NDArray[np.bool_]) -> Float:
    """(R,) the largest, 0 where there is none."""
    return np.where(among.any(1), np.where(among, cosine, -1).max(1), 0)
