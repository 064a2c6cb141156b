"""Users and episodes of a log that was cut some users at a time, one after the other."""

from dataclasses import replace

import numpy as np

from coldbench.episode import Episodes, Users
from coldbench.interactions import Int
from coldbench.spilled import Column


class WarmUsers:
    """Users' rows as they come: held where they came at once, else in files."""

    def __init__(self) -> None:
        self._columns = {name: Column() for name in ("items", "ratings", "times", "labels")}
        self._ids: list[Int] = []
        self._counts: list[Int] = []

    def append(self, users: Users) -> None:
        self._like = users
        log = users.log
        self._ids.append(users.ids)
        self._counts.append(log.counts)
        for name in ("items", "ratings", "times"):
            column = getattr(log, name)
            if column is not None:
                self._columns[name].append(column)
        self._columns["labels"].append(users.labels)

    def whole(self) -> Users:
        if len(self._ids) == 1:
            return self._like
        log, columns = self._like.log, self._columns
        counts = np.concatenate(self._counts)
        joined = replace(
            log,
            offsets=np.concatenate([[0], np.cumsum(counts)]),
            items=columns["items"].whole(),
            ratings=columns["ratings"].whole(),
            times=None if log.times is None else columns["times"].whole(),
        )
        return Users(joined, columns["labels"].whole(), np.concatenate(self._ids))


def joined_episodes(parts: list[Episodes], shots: int) -> Episodes:
    """All of them, by users in the order of the parts. shots: labels that are given last; those
    before them, of a pool, may be more in one part than in another."""
    if len(parts) == 1:
        return parts[0]
    logs = [part.users.log for part in parts]
    begins = np.cumsum([0, *map(len, logs[:-1])])
    most = max(part.max_shots for part in parts)
    times = [log.times for log in logs if log.times is not None]
    log = replace(
        logs[0],
        offsets=np.concatenate([[0], np.cumsum(np.concatenate([log.counts for log in logs]))]),
        items=np.concatenate([log.items for log in logs]),
        ratings=np.concatenate([log.ratings for log in logs]),
        times=np.concatenate(times) if times else None,
    )
    labels = np.concatenate([part.users.labels for part in parts])
    users = Users(log, labels, np.concatenate([part.users.ids for part in parts]))
    support, query = [], []
    for part, begin in zip(parts, begins, strict=True):
        place, fewer = part.max_shots - shots, most - part.max_shots
        wide = np.insert(part.support, [place] * fewer, -1, axis=1)
        support.append(np.where(wide >= 0, wide + begin, -1))
        query.append(np.where(part.query >= 0, part.query + begin, -1))
    return Episodes(
        users, np.arange(len(users.ids)), np.concatenate(support), np.concatenate(query)
    )
