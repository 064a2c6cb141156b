"""What counts as cold, and which users are trained on, selected by and evaluated on."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Literal, Self

from coldbench.errors import UserError, unknown


@dataclass(frozen=True)
class Protocol:
    """How a log becomes users to train on and users to evaluate on."""

    cold: Literal["user", "item", "both", "nothing"] = "user"  # what training has never seen
    split: Literal["random", "time", "rolling"] = "random"  # cold at random; or new after a global
    # cut in time; or period by period after it, a seed a period: see coldbench.splits.rolling
    order: Literal["time", "random"] = "time"  # how a user's interactions follow one another
    labels: Literal["rating", "like"] = "rating"  # what a method predicts, scaled to 0..1
    candidates: Literal["rated", "all", "popular"] = "rated"  # rank the query's items, or the
    # catalogue, or (implicit feedback) the query's among unseen items sampled by popularity
    shots: tuple[int, ...] = (0, 1, 2, 4, 8, 16)  # K: the last K interactions before the query
    query: int = 10  # interactions a user is evaluated on, the same for every K
    vary: Literal["all", "split", "draw", "init", "order"] = (
        "all"  # which random choices a seed changes
    )
    unseen: int = 9  # items drawn for each like of the query, where candidates = "popular"
    cold_users: float = 0.2  # share of the users who are evaluated
    valid_users: float = 0.1  # share of the users kept to select by
    cold_items: float = 0.4  # share of the items that are cold, where items are
    audience: Literal["all", "development", "confirmation"] = "all"  # all users; all but the locked
    # ones; or these alone are evaluated, and never trained on: see coldbench.splits.locked_users
    before: float = 0.3  # share of the ratings that come before the first period, where split rolls
    period: int = 7  # days
    refit: Literal["period", "never"] = "period"  # trained again before each, or at the start alone
    asker: Literal["nobody", "random", "popular", "variance", "entropy0", "tree", "own"] = (
        "nobody"  # who chooses which of a new user's items are rated: see coldbench.elicit.askers
    )
    pool: int = 64  # items at most that may be asked of a user, where there is an asker

    def __post_init__(self) -> None:
        for field, allowed in _CHOICES.items():
            if getattr(self, field) not in allowed:
                raise unknown(
                    f"protocol.{field}", str(getattr(self, field)), allowed, f"one of {allowed}"
                )
        for field in ("query", "unseen", "period", "pool", *_SHARES):
            value, kind = getattr(self, field), float if field in _SHARES else int
            if type(value) is not int and type(value) is not kind:
                raise UserError(f"protocol.{field} must be a number, not {value!r}")
        if not isinstance(self.shots, tuple) or any(type(k) is not int for k in self.shots):
            raise UserError(f"protocol.shots must be whole numbers, not {self.shots!r}")
        if not self.shots or list(self.shots) != sorted(set(self.shots)) or self.shots[0] < 0:
            raise UserError(f"protocol.shots must rise from 0 or more, not {list(self.shots)}")
        for field in ("query", "unseen", "period", "pool"):
            if getattr(self, field) < 1:
                raise UserError(f"protocol.{field} must be 1 or more, not {getattr(self, field)}")
        if not (0 < self.cold_users < 1 and 0 < self.valid_users < 1 and 0 < self.cold_items < 1):
            raise UserError("protocol.cold_users, .valid_users and .cold_items lie between 0 and 1")
        if self.cold_users + self.valid_users >= 1:
            raise UserError("protocol.cold_users + valid_users leave no warm user to train on")
        if self.audience == "confirmation" and self.cold in ("item", "nothing"):
            raise UserError(
                "protocol.audience = 'confirmation' keeps locked users out of training, and "
                f"protocol.cold = {self.cold!r} evaluates users who are trained on: use "
                "cold = 'user' or 'both'"
            )

        self._check_rolling()
        self._check_asking()

    def _check_rolling(self) -> None:
        if not 0 < self.before < 1:
            raise UserError(f"protocol.before must lie between 0 and 1, not {self.before}")
        rolls = self.cold in ("user", "nothing") and self.order == "time" and self.audience == "all"
        if self.split == "rolling" and not rolls:
            raise UserError(
                "protocol.split = 'rolling' needs cold = 'user' or 'nothing', order = 'time' and "
                "audience = 'all'"
            )

    def _check_asking(self) -> None:
        """Items that were rated after the query may be asked, so time must say nothing."""
        if not self.asks:
            return
        kind = self.cold, self.split, self.order, self.candidates
        if kind != ("user", "random", "random", "rated"):
            raise UserError(
                "protocol.asker needs cold = 'user', split = 'random', order = 'random' and "
                "candidates = 'rated'; the preset 'elicit' has them"
            )
        if not 1 <= self.max_shots <= self.pool:
            raise UserError(
                f"protocol.pool = {self.pool} and protocol.shots up to {self.max_shots}: an asker "
                "needs a question, and a pool of as many items"
            )

    @property
    def asks(self) -> bool:
        """Whether someone chooses which items a new user rates."""
        return self.asker != "nobody"

    @property
    def max_shots(self) -> int:
        return self.shots[-1]

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
        """The protocol as it can be run on a log: where neither times nor the rows' order say what
        came first the order is random, and implicit feedback is ranked among the whole catalogue
        unless popular items are asked for."""
        if self.split != "random" and not timed:
            raise UserError(
                f"protocol.split = {self.split!r} needs a log with times; use split = 'random'"
            )
        if self.candidates == "popular" and explicit:
            raise UserError(
                "protocol.candidates = 'popular' is for positive-only logs; this one has dislikes "
                "too: use 'rated' or 'all'"
            )
        if self.asks and not explicit:
            raise UserError(
                "protocol.asker needs ratings: of a positive-only log nobody knows what a user "
                "would have said of other items"
            )
        positive_only = self.candidates if self.candidates == "popular" else "all"
        return replace(
            self,
            order=self.order if timed or ordered else "random",
            candidates=self.candidates if explicit else positive_only,
        )


_SHARES = ("cold_users", "valid_users", "cold_items", "before")
_CHOICES = {
    "cold": ("user", "item", "both", "nothing"),
    "split": ("random", "time", "rolling"),
    "order": ("time", "random"),
    "labels": ("rating", "like"),
    "candidates": ("rated", "all", "popular"),
    "vary": ("all", "split", "draw", "init", "order"),
    "audience": ("all", "development", "confirmation"),
    "refit": ("period", "never"),
    "asker": ("nobody", "random", "popular", "variance", "entropy0", "tree", "own"),
}
FEWER = (0, 1, 2, 4, 8)  # K where cold items alone count: histories are shorter
PRESETS: dict[str, dict[str, object]] = {
    "user-cold": {"cold": "user"},  # new users, known items: anchors.md D
    "item-cold": {"cold": "item", "shots": FEWER},  # known users, items nobody rated
    "both-cold": {"cold": "both", "shots": FEWER},  # new users, items nobody rated
    "warm": {"cold": "nothing"},  # the control: users and items both known
    "elicit": {"cold": "user", "order": "random", "asker": "random"},  # which item to ask first
}


def as_dict(protocol: Protocol) -> dict[str, object]:
    return {**asdict(protocol), "shots": list(protocol.shots)}
