"""Rolling in time: users are met period by period, by a method trained again at each or never.

The first `before` of the ratings are there at the start; periods of so many days follow, and a seed
is the number of one: seed 3 meets the users of the fourth. With refit = "period" the method is
trained on all that came before its period, with "never" on what was there at the start. Both meet
the same users, with the same labels and the same items asked for: their difference is what training
again has brought.
"""

import numpy as np

from coldbench.errors import UserError
from coldbench.interactions import SECOND, Interactions
from coldbench.protocol import Protocol
from coldbench.splits.groups import Mask, Roles, first_times

DAY = 86_400 * SECOND


def roles(log: Interactions, protocol: Protocol, number: int) -> tuple[Mask, Roles]:
    """(N,) the rows that there are by the end of period `number`, from 0; and their roles.

    Where new users are cold they are met in the period of their first rating, and none of theirs is
    ever learnt from; where nothing is cold, each user with a query's worth of ratings in it.
    """
    assert log.times is not None  # Protocol.suited_to has seen to it
    start = int(np.quantile(log.times, protocol.before))
    begin = start + number * protocol.period * DAY
    end = begin + protocol.period * DAY
    last = int(log.times.max())
    if begin > last:
        periods = (last - start) // (protocol.period * DAY) + 1
        raise UserError(
            f"seed {number} is no period of this log: after the first {protocol.before:g} of its "
            f"ratings there are {periods} of {protocol.period} days, seeds 0 to {periods - 1}"
        )
    if protocol.cold == "user":
        first = first_times(log)
        cold = (first >= begin) & (first < end)
        kept = (log.times < begin) | cold[log.users]
    else:
        within = (log.times >= begin) & (log.times < end)
        cold = np.bincount(log.users[within], minlength=log.n_users) >= protocol.query
        kept = log.times < end
    until = begin if protocol.refit == "period" else start
    return kept, Roles(cold, np.ones(log.n_users, bool), until)
