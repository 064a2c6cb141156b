"""What counts as cold, and who is learnt from, chosen by and judged on."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray

from coldbench.episode import Episodes, Users
from coldbench.errors import UserError, unknown
from coldbench.interactions import Int, Interactions
from coldbench.locked import for_audience
from coldbench.short import too_short
from coldbench.unseen import Unseen, ask_unseen, with_unseen

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Seeds:
    """One seed for each axis of chance, so that each can be varied alone."""

    split: int = 0  # which users and items are cold
    draw: int = 0  # which interactions make an episode, where the order is random
    init: int = 0  # a method's initial weights
    order: int = 0  # the order in which a method sees warm users

    @classmethod
    def of(cls, seed: int, vary: str = "all") -> Self:
        """Four unrelated seeds from one. vary: the one axis that moves; the others stay at 0's."""
        axes, still = (np.random.SeedSequence(s).generate_state(4).tolist() for s in (seed, 0))
        moving = [vary in ("all", field.name) for field in fields(cls)]
        return cls(*(a if moves else b for a, b, moves in zip(axes, still, moving, strict=True)))


@dataclass(frozen=True)
class Protocol:
    """How a log becomes users to learn from and users to be judged on."""

    cold: Literal["user", "item", "both", "nothing"] = "user"  # what training has never seen
    split: Literal["random", "time"] = "random"  # cold by lot, or new after a global cut in time
    order: Literal["time", "random"] = "time"  # how a user's interactions follow one another
    labels: Literal["rating", "like"] = "rating"  # what a method predicts, scaled to 0..1
    candidates: Literal["rated", "all", "popular"] = "rated"  # rank the query's items, or the
    # catalogue, or (a log of likes) the query's among unseen items drawn by their popularity
    shots: tuple[int, ...] = (0, 1, 2, 4, 8, 16)  # K: the last K interactions before the query
    query: int = 10  # interactions a user is judged on, the same for every K
    vary: Literal["all", "split", "draw", "init", "order"] = "all"  # which chance a seed moves
    unseen: int = 9  # items drawn for each like of the query, where candidates = "popular"
    cold_users: float = 0.2  # share of the users who are judged
    valid_users: float = 0.1  # share of the users kept to choose by
    cold_items: float = 0.4  # share of the items that are cold, where items are
    audience: Literal["all", "development", "confirmation"] = "all"  # everyone; all but the locked
    # users; or these alone, who are then judged and never learnt from: see coldbench.locked

    def __post_init__(self) -> None:
        for field, allowed in _CHOICES.items():
            if getattr(self, field) not in allowed:
                raise unknown(
                    f"protocol.{field}", str(getattr(self, field)), allowed, f"one of {allowed}"
                )
        for field in ("query", "unseen", *_SHARES):
            value, kind = getattr(self, field), float if field in _SHARES else int
            if type(value) is not int and type(value) is not kind:
                raise UserError(f"protocol.{field} must be a number, not {value!r}")
        if not isinstance(self.shots, tuple) or any(type(k) is not int for k in self.shots):
            raise UserError(f"protocol.shots must be whole numbers, not {self.shots!r}")
        if not self.shots or list(self.shots) != sorted(set(self.shots)) or self.shots[0] < 0:
            raise UserError(f"protocol.shots must rise from 0 or more, not {list(self.shots)}")
        for field in ("query", "unseen"):
            if getattr(self, field) < 1:
                raise UserError(f"protocol.{field} must be 1 or more, not {getattr(self, field)}")
        if not (0 < self.cold_users < 1 and 0 < self.valid_users < 1 and 0 < self.cold_items < 1):
            raise UserError("protocol.cold_users, .valid_users and .cold_items lie between 0 and 1")
        if self.cold_users + self.valid_users >= 1:
            raise UserError("protocol.cold_users + valid_users leave no warm user to learn from")
        if self.audience == "confirmation" and self.cold in ("item", "nothing"):
            raise UserError(
                "protocol.audience = 'confirmation' keeps locked users out of training, and "
                f"protocol.cold = {self.cold!r} meets users who are learnt from: use cold = 'user' "
                "or 'both'"
            )

    @classmethod
    def of(cls, name: str, changes: Mapping[str, object] | None = None) -> Self:
        """A preset by name, with some fields changed."""
        if not isinstance(name, str):
            raise UserError(f"protocol.preset must be a name, not {name!r}")
        if name not in PRESETS:
            raise unknown("protocol", name, PRESETS, "coldbench list protocols")
        changed = dict(changes or {})
        for key in changed:
            if key not in cls.__dataclass_fields__:
                raise unknown("protocol field", key, cls.__dataclass_fields__, "docs/protocols.md")
        if "shots" in changed:
            shots = changed["shots"]
            changed["shots"] = tuple(shots) if isinstance(shots, list | tuple) else (shots,)
        return replace(cls(**PRESETS[name]), **changed)  # type: ignore[arg-type]

    def suited_to(self, *, timed: bool, explicit: bool, ordered: bool = False) -> "Protocol":
        """The protocol as it can be run on a log: where neither times nor the rows' order tell what
        came first the order is by lot, and a log of likes alone is judged against the whole
        catalogue unless popular items are asked for."""
        if self.split == "time" and not timed:
            raise UserError("protocol.split = 'time' needs a log with times; use split = 'random'")
        if self.candidates == "popular" and explicit:
            raise UserError(
                "protocol.candidates = 'popular' is for logs of likes alone; this one has dislikes "
                "too: use 'rated' or 'all'"
            )
        likes_alone = self.candidates if self.candidates == "popular" else "all"
        return replace(
            self,
            order=self.order if timed or ordered else "random",
            candidates=self.candidates if explicit else likes_alone,
        )


_SHARES = ("cold_users", "valid_users", "cold_items")
_CHOICES = {
    "cold": ("user", "item", "both", "nothing"),
    "split": ("random", "time"),
    "order": ("time", "random"),
    "labels": ("rating", "like"),
    "candidates": ("rated", "all", "popular"),
    "vary": ("all", "split", "draw", "init", "order"),
    "audience": ("all", "development", "confirmation"),
}
PRESETS: dict[str, dict[str, object]] = {
    "user-cold": {"cold": "user"},  # new users, known items: anchors.md D
    "item-cold": {"cold": "item", "shots": (0, 1, 2, 4, 8)},  # known users, items nobody rated
    "both-cold": {"cold": "both", "shots": (0, 1, 2, 4, 8)},  # new users, items nobody rated
    "warm": {"cold": "nothing"},  # the control: users and items both known
}


@dataclass(frozen=True)
class Split:
    """What a method learns from (`warm`), chooses by (`valid`) and is judged on (`cold`)."""

    warm: Users
    valid: Episodes
    cold: Episodes
    candidates: Int  # (C,) the items that may be asked for
    too_short: int  # judged users dropped because they have fewer than K + Q interactions

    def facts(self) -> dict[str, int]:
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
) -> Split:
    """Cut a log by a protocol. Index arithmetic on whole columns; linear in the interactions.

    labels: (N,) float32 in 0..1, one a row of the log. explicit: False where the log has likes
    alone; then warm and valid users get unseen items of label 0 to learn from. Where a log has lent
    users (see coldbench.across) they alone are learnt from and the others alone are judged.
    """
    if log.lent[0] and (protocol.cold, protocol.split) != ("user", "random"):
        raise UserError("across data sets new users are met: use protocol.cold = 'user' by lot")
    if protocol.order == "random":
        drawn = np.random.default_rng(seeds.draw).random(len(log))
        own = np.roll(drawn, log.offsets[log.lent[0]])  # the same for a set alone or behind another
        shuffled = np.lexsort((own, log.users))
        log, labels = log.rows(shuffled), labels[shuffled]
    users = log.users
    lots = for_audience(_lots(log, users, protocol, seeds), users, log, protocol)
    cold_user, valid_user, cold_item, before = lots
    new_users, new_items = protocol.cold in ("user", "both"), protocol.cold in ("item", "both")

    item_is_cold = cold_item[log.items] if new_items else np.zeros(len(log), bool)
    judged = cold_user[users] & (item_is_cold if new_items else True)
    if not new_users and protocol.split == "time":
        judged &= ~before
    strips, short = _strips(judged, users, log.n_users, protocol, from_end=not new_users)
    learn = before & ~valid_user[users] & ~item_is_cold
    if new_users:
        learn &= ~cold_user[users]
    else:
        learn[strips[1].ravel()] = False
    choose, _ = _strips(
        valid_user[users] & before & ~item_is_cold, users, log.n_users, protocol, from_end=False
    )
    everyone = Users(log, labels, np.arange(log.n_users))
    if not len(strips[0]):
        raise too_short(np.bincount(users[judged], minlength=1), protocol)
    cut = Split(
        warm=everyone.only(learn),
        valid=_episodes(everyone, *choose, protocol),
        cold=_episodes(everyone, *strips, protocol),
        candidates=np.flatnonzero(
            cold_item if new_items else np.arange(log.n_items) >= log.lent[1]
        ),
        too_short=short,
    )
    if explicit:
        return cut
    known = np.ones(len(log), bool)  # what a user is judged on may be drawn: who learns can't know
    known[strips[1].ravel()] = False
    return _with_unseen(cut, everyone.only(known), everyone, protocol, seeds)


def _with_unseen(
    cut: Split, known: Users, everyone: Users, protocol: Protocol, seeds: Seeds
) -> Split:
    """Likes alone, completed: half of what is learnt from are items the user has not seen."""
    counts = cut.warm.seen()
    learnt = Unseen.of(known, np.flatnonzero(counts))
    cold = cut.cold
    if protocol.candidates == "popular":
        drawn = Unseen.of(everyone, cut.candidates, 1 + counts[cut.candidates])
        cold = ask_unseen(cold, drawn, protocol.unseen, seeds.draw)
    return replace(
        cut,
        warm=with_unseen(cut.warm, learnt, 1, seeds.draw),
        valid=ask_unseen(cut.valid, learnt, 1, seeds.draw),
        cold=cold,
    )


def _lots(
    log: Interactions, users: Int, p: Protocol, seeds: Seeds
) -> tuple[Mask, Mask, Mask, Mask]:
    """Who is judged (U,), who valid (U,), which items are cold (I,), what may be learnt (N,)."""
    if p.split == "random":
        rng = np.random.default_rng(seeds.split)
        lent, n_users = log.lent[0], log.n_users - log.lent[0]
        place = rng.permutation(n_users)
        judged, valid = int(p.cold_users * n_users), int(p.valid_users * n_users)
        cold_item = rng.permutation(log.n_items) < int(p.cold_items * log.n_items)
        is_judged, is_valid = place < judged, (place >= judged) & (place < judged + valid)
        if lent:
            is_judged = np.append(np.zeros(lent, bool), is_judged)
            is_valid = np.arange(log.n_users) < 0
            is_valid[:lent] = rng.permutation(lent) < int(p.valid_users * lent)
        may_be_learnt = users < lent if lent else np.ones(len(log), bool)
        return is_judged, is_valid, cold_item, may_be_learnt
    assert log.times is not None  # Protocol.suited_to has seen to it
    first = np.full(log.n_users, np.iinfo(np.int64).max)
    np.minimum.at(first, users, log.times)
    first_rated = np.full(log.n_items, np.iinfo(np.int64).max)
    np.minimum.at(first_rated, log.items, log.times)
    early, cut = np.quantile(log.times, [1 - p.cold_users - p.valid_users, 1 - p.cold_users])
    fresh = first >= cut
    is_valid = (first >= early) & ~fresh
    return (
        fresh if p.cold in ("user", "both") else first < early,
        is_valid,
        first_rated >= cut,
        log.times < cut,
    )


def _strips(
    chosen: Mask, users: Int, n_users: int, p: Protocol, *, from_end: bool
) -> tuple[tuple[Int, Int], int]:
    """((E,) users, (E, K + Q) rows) of the users with enough chosen rows, and how many had too few.

    A new user is met at the first of the chosen rows, a known one at the last.
    """
    rows = np.flatnonzero(chosen)
    counts = np.bincount(users[rows], minlength=n_users)
    length = p.shots[-1] + p.query
    who = np.flatnonzero(counts >= length)
    ends = np.cumsum(counts)
    start = (ends - length if from_end else ends - counts)[who]
    return (who, rows[start[:, None] + np.arange(length)]), int((counts > 0).sum()) - len(who)


def _episodes(users: Users, who: Int, strips: Int, p: Protocol) -> Episodes:
    """Only the rows of the strips are kept, so that episodes carry nothing else of the log."""
    own = np.arange(strips.size).reshape(strips.shape)
    log = users.log
    flat = strips.ravel()
    times = None if log.times is None else log.times[flat]
    offsets = np.arange(len(who) + 1) * strips.shape[1]
    kept = Interactions(offsets, log.items[flat], log.ratings[flat], times, log.n_items)
    k = p.shots[-1]
    return Episodes(
        Users(kept, users.labels[flat], users.ids[who]), np.arange(len(who)), own[:, :k], own[:, k:]
    )


def as_dict(protocol: Protocol) -> dict[str, object]:
    return {**asdict(protocol), "shots": list(protocol.shots)}
