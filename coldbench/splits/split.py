"""A log cut by a protocol: warm users to train on, valid to select by, cold to evaluate on."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from coldbench.episode import Episodes, Users
from coldbench.errors import UserError
from coldbench.interactions import Int, Interactions
from coldbench.protocol import Protocol
from coldbench.seeds import Seeds
from coldbench.spilled import in_bounds
from coldbench.splits.groups import Roles, drawn, of_roles
from coldbench.splits.histories import cut_histories
from coldbench.splits.joined import WarmUsers, joined_episodes
from coldbench.splits.locked_users import for_audience
from coldbench.splits.negatives import NegativeSampler, add_negatives_to_query, with_negatives
from coldbench.splits.short_histories import too_short


@dataclass(frozen=True)
class Split:
    """What a method trains on (`warm`), selects by (`valid`) and is evaluated on (`cold`)."""

    warm: Users
    valid: Episodes
    cold: Episodes
    candidates: Int  # (C,) the items that may be scored
    too_short: int  # cold users dropped because they have fewer than K + Q interactions

    def summary(self) -> dict[str, int]:
        return {
            "warm users": self.warm.log.n_users,
            "warm interactions": len(self.warm.log),
            "valid users": len(self.valid),
            "cold users": len(self.cold),
            "cold users too short": self.too_short,
            "candidate items": len(self.candidates),
        }


def split(
    log: Interactions,
    labels: NDArray[np.float32],
    protocol: Protocol,
    seeds: Seeds,
    *,
    explicit: bool = True,
    roles: Roles | None = None,
) -> Split:
    """Cut a log by a protocol. Index arithmetic on whole columns; linear in the interactions.

    labels: (N,) float32 in 0..1, one a row of the log. explicit: False where the log has likes
    alone; then warm and valid users get unseen items of label 0 to train on. roles: who is cold and
    what may be learnt from, where the protocol does not draw it. Where the first users are another
    data set's (benchmarks/cross_domain.py), warm and valid users are of these, cold users of the
    others. A log of ratings that COLDBENCH_MEMORY does not let memory hold is cut some users at a
    time, to the same split.
    """
    if roles is None and protocol.split == "rolling":
        raise UserError("protocol.split = 'rolling' is for `coldbench run`: its seeds are periods")
    if log.n_source[0] and (protocol.cold, protocol.split) != ("user", "random"):
        raise UserError(
            "across data sets the cold are new users: use protocol.cold = 'user' and "
            "protocol.split = 'random'"
        )
    if roles is None:
        groups = for_audience(drawn(log, protocol, seeds), log, protocol)
    else:
        groups = of_roles(roles, log, protocol, seeds)
    rng = np.random.default_rng(seeds.draw)
    at_once = bool(log.n_source[0]) or not explicit  # what is unseen hangs on all users
    warm, cuts = WarmUsers(), []
    everybody = slice(0, log.n_users), slice(0, len(log))
    for users, rows in [everybody] if at_once else in_bounds(log.offsets):
        part, own = log.of_users(users), labels[rows]
        if protocol.order == "random":
            order = rng.random(len(part))
            order = np.roll(order, log.offsets[log.n_source[0]])  # a set alone is shuffled the same
            shuffled = np.lexsort((order, part.users))
            part, own = part.rows(shuffled), own[shuffled]
        everyone = Users(part, own, np.arange(users.start, users.stop))
        learnt, cut = cut_histories(everyone, groups, protocol)
        warm.append(learnt)
        cuts.append(cut)
    counts, served = np.concatenate([cut.judged for cut in cuts]), sum(len(c.cold) for c in cuts)
    if not served:
        raise too_short(counts, protocol)
    items = np.arange(log.n_items)
    made = Split(
        warm=warm.whole(),
        valid=joined_episodes([cut.valid for cut in cuts], protocol.max_shots),
        cold=joined_episodes([cut.cold for cut in cuts], protocol.max_shots),
        candidates=np.flatnonzero(
            groups.cold_item if protocol.cold in ("item", "both") else items >= log.n_source[1]
        ),
        too_short=int((counts > 0).sum()) - served,
    )
    if explicit:
        return made
    known = np.ones(len(log), bool)  # a query's likes may be drawn: training cannot know them
    known[cut.asked] = False
    return _with_unseen(made, everyone.only(known), everyone, protocol, seeds)


def _with_unseen(
    cut: Split, known: Users, everyone: Users, protocol: Protocol, seeds: Seeds
) -> Split:
    """Implicit feedback, completed: half of the training rows are items the user has not seen."""
    counts = cut.warm.item_counts()
    sampler = NegativeSampler.of(known, np.flatnonzero(counts))
    cold = cut.cold
    if protocol.candidates == "popular":
        drawn = NegativeSampler.of(everyone, cut.candidates, 1 + counts[cut.candidates])
        cold = add_negatives_to_query(cold, drawn, protocol.unseen, seeds.draw)
    return replace(
        cut,
        warm=with_negatives(cut.warm, sampler, 1, seeds.draw),
        valid=add_negatives_to_query(cut.valid, sampler, 1, seeds.draw),
        cold=cold,
    )
