"""The promotion gate: may a new model take the place of the one that serves?

Both are loaded from the folders that would serve, and meet the same users, with the same K ratings,
the same items asked for and the same candidates; none of these users was learnt from by either. The
difference is paired by user, and two panels are asked.

The latest users must prove it: the lower end of the 95 % interval is not below -margin. That is a
test of non-inferiority, so a panel of few users refuses rather than guesses. But where the new
ratings are broken, so are theirs, and they cannot show it. Earlier users, whose ratings were there
before, can: with them the mean must not be below -margin.

Piaggio et al., "Reporting of Noninferiority and Equivalence Randomized Trials" (2012).
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coldbench.errors import UserError
from coldbench.interactions import Interactions
from coldbench.metrics import statistics
from coldbench.metrics.compute import chance, per_user
from coldbench.metrics.statistics import EPSILON, Difference
from coldbench.protocol import Protocol
from coldbench.results.user_scores import UserScores, pad_to_matrix
from coldbench.splits.split import Split

from .. import splits
from ..judge import Asked

METRIC = "ndcg@5"
LATEST, EARLIER = "latest", "earlier"
MARGIN = 0.01
FEWEST = 20  # users of a panel
Mask = NDArray[np.bool_]
Int = NDArray[np.int64]
Scores = NDArray[np.float32]  # (E, N) of E users, as Task.scores gives them


@dataclass(frozen=True)
class Panel:
    """How the new model did beside the old one on some users."""

    name: str  # LATEST or EARLIER
    users: int
    old: float  # mean of METRIC
    new: float
    chance: float  # of a random order
    mean: float  # new minus old, paired by user
    low: float  # of the 95 % interval
    high: float
    passes: bool


def passes(name: str, difference: Difference, margin: float) -> bool:
    """Whether a panel finds the new model not worse beyond the margin; one of fewer than two users
    has no interval and never does."""
    worst = difference.low if name == LATEST else difference.mean
    return bool(worst >= -margin - EPSILON)


def panels(
    log: Interactions, trained: Mask, before: Mask, length: int, most: int
) -> dict[str, Int]:
    """Name -> users, those with the latest ratings first, of whom the old model has learnt nothing.

    trained: (U,) users learnt from; before: (U,) users who had ratings in the old log. length:
    ratings that a user needs; most: users of a panel. Where too few users are new, the latest are
    those of all. Raises UserError where too few are left at all.
    """
    assert log.times is not None
    last = np.full(log.n_users, -1)
    np.maximum.at(last, log.users, log.times)
    able = ~trained & (log.counts >= length)
    order = np.argsort(-last, kind="stable")
    latest, earlier = (order[(able & wanted)[order]][:most] for wanted in (~before, before))
    if len(latest) >= FEWEST:
        return {LATEST: latest} | ({EARLIER: earlier} if len(earlier) >= FEWEST else {})
    every = order[able[order]][:most]
    if len(every) < FEWEST:
        raise UserError(
            f"{len(every)} users whom the serving model has not learnt from have {length} ratings, "
            f"and a gate of fewer than {FEWEST} decides nothing: refit when more have come"
        )
    return {LATEST: every}


def judged(
    scores: Scores, data_split: Split, protocol: Protocol, facts: dict[str, Any]
) -> UserScores:
    """What a model said of the cold users at the largest K, beside the answers, which it never had.

    scores: (E, N); facts: like_at, span and graded.
    """
    asked = Asked(
        splits.withheld(data_split, protocol).cold,
        splits.answers(data_split.cold),
        data_split.candidates,
    )
    rows, _ = asked.rows(scores, protocol.max_shots, protocol)
    blocks, items, predictions = pad_to_matrix(rows, ["user"], facts)
    users = blocks["user"].to_numpy().astype(np.int64)
    values = per_user(METRIC, predictions).numpy()[:, None]
    return UserScores(np.zeros_like(users), users, items, predictions, values)


def compare(name: str, old: UserScores, new: UserScores, margin: float) -> Panel:
    """One panel's result: the new model beside the old one, user by user."""
    a, b = new.values[:, 0], old.values[:, 0]
    difference = statistics.paired(a, b, statistics.bootstrap_weights(old.users))
    return Panel(
        name, len(old), float(np.nanmean(b)), float(np.nanmean(a)), chance(METRIC, old.predictions),
        difference.mean, difference.low, difference.high, passes(name, difference, margin),
    )  # fmt: skip


def as_json(panels: list[Panel]) -> list[dict[str, Any]]:
    return [
        {key: round(value, 6) if type(value) is float else value for key, value in row.items()}
        for row in map(asdict, panels)
    ]
