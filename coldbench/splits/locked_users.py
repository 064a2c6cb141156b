"""Locked users: a fixed fifth of every dataset's users, kept out of development.

Another seed draws another split of the same users, so a choice made with some seeds has already
used the cold users of others. Whether a user is locked depends on the user's number in the dataset
alone, on no seed and no other user. With `audience = "development"` no locked user is trained on,
selected on or evaluated; with "confirmation" only locked users are evaluated, and all else is as in
development, seed by seed.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from coldbench.interactions import Interactions
from coldbench.protocol import Protocol
from coldbench.splits.groups import Groups, Mask

SHARE = 0.2


def locked(n_users: int) -> Mask:
    """(U,) whether a user is locked: its number, mixed by SplitMix64, lies in the first fifth."""
    return _mixed(np.arange(n_users, dtype=np.uint64)) < np.uint64(int(SHARE * 2**64))


def _mixed(numbers: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Steele, Lea & Flood 2014, doi:10.1145/2660193.2660195; the constants are the paper's."""
    with np.errstate(over="ignore"):  # arithmetic modulo 2^64 is what is meant
        z = (numbers + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))


def for_audience(groups: Groups, log: Interactions, protocol: Protocol) -> Groups:
    """The groups as an audience leaves them.

    Across data sets each has its own locked users, the same as in that set alone.
    """
    if protocol.audience == "all":
        return groups
    n_source = log.n_source[0]
    kept = np.concatenate([locked(n_source), locked(log.n_users - n_source)])
    valid, learnt = groups.valid & ~kept, groups.learnt & ~kept
    if protocol.audience == "development":
        return replace(groups, cold=groups.cold & ~kept, valid=valid, learnt=learnt)
    learnt &= ~groups.cold  # users who are cold in development are not trained on here either
    may_be_cold = groups.cold if protocol.split == "time" else np.arange(log.n_users) >= n_source
    return replace(groups, cold=may_be_cold & kept, valid=valid, learnt=learnt)
