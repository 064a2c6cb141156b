"""Which column of a user's own log is what: by its usual name, or as said; else it is asked."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from coldbench.errors import BadFile, Problem, unknown

from . import _remedies as remedies

USUAL = {  # without case, spaces and underscores
    "user": "user userid uid customer customerid reviewerid visitorid sessionid",
    "item": "item itemid iid movieid productid asin parentasin isbn bookid newsid artistid trackid",
    "rating": "rating ratings stars score overall bookrating",
    "time": "timestamp time unixtime unixreviewtime",
}


@dataclass(frozen=True)
class Header:
    """The names of a log's columns, and what is said of them."""

    path: str
    there: list[str]
    said: Mapping[str, str]  # of user, item, rating and time: a column, "none", or ""
    sample: Callable[[str], list[str]]  # some different values of a column
    separator: str  # of names and values

    def claims(self) -> dict[str, str]:
        """Of user, item, rating and time the column; "" where it is said that there is none, or
        none looks like the time. Raises BadFile where it must be said which is meant."""
        claims = {what: self._named(what) for what in USUAL}
        left = [name for name in self.there if name not in claims.values()]
        if not claims["rating"] and self.said["rating"] != "none":
            raise self._no_ratings(left)
        if not claims["time"] and self.said["time"] != "none":
            self._no_times(left)
        return claims

    def bad(self, expected: str, fix: str) -> BadFile:
        return bad_header(self.path, self.there, expected, fix)

    def _named(self, what: str) -> str:
        wanted, may_lack = self.said[what], what in ("rating", "time")
        if wanted == "none" and may_lack:
            return ""
        if wanted and wanted not in self.there:
            where = f"it has {', '.join(self.there)}"
            raise unknown(f"column of {self.path}", wanted, self.there, where)
        columns = [wanted] if wanted else usual(what, self.there)
        if len(columns) > 1 or not (columns or may_lack):
            expected = f"one column of {what}s, found {' and '.join(columns) or 'none'}"
            raise self.bad(expected, self._which(what, columns))
        return columns[0] if columns else ""

    def _which(self, what: str, matching: list[str]) -> str:
        """What to do where no column or more than one is found by a usual name."""
        named = [name for name in self.there if any(usual(other, [name]) for other in USUAL)]
        left = [name for name in self.there if name not in named]
        command = remedies.header(self.path, self.there, self.separator)
        if not named and command:
            return f"give it a first line of names, {command}"
        columns = matching or remedies.looking_like(what, left) or left
        choices = [remedies.flag(what, name) for name in columns[:3]]
        return ", or ".join(choices) or f"add a column of {what}s"

    def _no_ratings(self, left: list[str]) -> BadFile:
        """Every row would be a like: that must be said."""
        looks = remedies.looking_like("rating", left)
        like = [name for name in looks if all(map(remedies.is_number, self.sample(name)))]
        choices = [remedies.flag("rating", name) for name in like[:2]]
        choices.append(f"{remedies.flag('rating', 'none')} where each row is a like")
        return self.bad("a column of ratings, found none", ", or ".join(choices))

    def _no_times(self, left: list[str]) -> None:
        """Raises where a column looks like times: without them the order would be at random."""
        for name in remedies.looking_like("time", left):
            values = self.sample(name)
            choices = remedies.times(name, values)
            if choices or not all(map(remedies.is_number, values)):
                fix = ", or ".join([*choices, remedies.flag("time", "none")])
                raise self.bad(f"to be told whether {name!r} is the time", fix)


def usual(what: str, names: list[str]) -> list[str]:
    return [name for name in names if re.sub("[^a-z]", "", name.lower()) in USUAL[what].split()]


def bad_header(path: str, names: list[str], expected: str, fix: str) -> BadFile:
    return BadFile([Problem(path, 1, 1, ", ".join(names), expected, fix)])
