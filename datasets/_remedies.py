"""What to do about a user's own file: each remedy can be typed as it stands, and a test does so.

Flags begin with `--with`; those that stand together belong together; ", or " sets choices apart;
a command of the shell stands between backquotes.
"""

import json
import math
import re
import shlex
import tomllib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from coldbench.errors import Problem, UserError
from coldbench.files.rows import LINE_ENDS
from coldbench.files.schema import MICROSECONDS, NUMBER, Column, units_of

STARS, LIKED = (
    (1.0, 5.0),
    3.5,
)  # the scale that is meant where none is said, and what a like is on it
SCALES = ((-1, 1), (0, 1), (0.5, 5), (0, 5), (1, 7), (1, 10), (0, 10), (-10, 10), (0, 100))
LOOKS = {  # names of columns that may be meant
    "user": "user|customer|member|reviewer|person|client|visitor|session|account|buyer|who",
    "item": "item|product|movie|film|book|song|track|artist|article|news|game|what|title|_id",
    "rating": "rat(e|ing)|star|scor|grade|pref|value|label|play|count|weight|click|like|event|"
    "action|feedback|vote|thumb|target|watch|purchase|quantity|listen|opinion|how",
    "time": "time|date|stamp|epoch|unix|created|posted|(^|_)(ts|at|day|when)$",
}


def flag(key: str, value: str) -> str:
    """`--with key=value` as a shell takes it; a value that would be read as no text is quoted."""
    try:
        is_text = tomllib.loads(f"value = {value}")["value"] == value
    except (ValueError, RecursionError):
        is_text = value.isprintable() and bool(value)
    word = value if is_text else json.dumps(value, ensure_ascii=False)
    return f"--with {shlex.quote(f'{key}={word}')}"


def liking(low: float, high: float) -> str:
    """The flag of a threshold: the place on this scale that 3.5 has on stars."""
    above = low + (high - low) * (LIKED - STARS[0]) / (STARS[1] - STARS[0])
    return f"--with like_above={above:.4g}"


def liked(scale: tuple[float, float], like_above: float | None) -> float:
    """The rating above which an item is liked; None: that of stars. Raises UserError where it is
    not within the scale, or the scale does not rise."""
    low, high = scale
    if not -math.inf < low < high < math.inf:
        raise UserError(f"scale = [{low:g}, {high:g}] must rise, from the worst to the best")
    if like_above is None:
        if scale != STARS:
            what = f"no like_above is said for the scale {low:g} to {high:g}"
            raise UserError(f"{what}: above it a rating is a like; fix: {liking(low, high)}")
        return LIKED
    if not low <= like_above < high:
        what = f"like_above = {like_above:g} is not within the scale {low:g} to {high:g}"
        raise UserError(f"{what}; fix: {liking(low, high)}")
    return like_above


def scale(low: float, high: float) -> str:
    """The flags of the usual scale that these are on, or of one from the least to the most."""
    low, high = next((s for s in SCALES if s[0] <= low and high <= s[1]), (low, high))
    return f"--with 'scale=[{low:.15g}, {high:.15g}]' {liking(low, high)}"


def threshold(path: str, ratings: NDArray[np.float32], like_above: float) -> str:
    """Why no method can be told from chance where all rows are likes or none is."""
    values, counts = np.unique(ratings, return_counts=True)
    which = "all are likes" if values[0] > like_above else "none is a like"
    words = f"{path}: of {len(ratings):,} ratings {which}, being from {values[0]:g} to "
    words += f"{values[-1]:g} where a like is above {like_above:g}; fix: "
    neither = f"{flag('rating', 'none')} where each row is a like"
    if len(values) == 1:
        return words + neither
    halves = np.abs(np.cumsum(counts)[:-1] - len(ratings) / 2)
    return f"{words}--with like_above={values[int(halves.argmin())]:.9g}, or {neither}"


def looking_like(what: str, columns: Sequence[str]) -> list[str]:
    return [column for column in columns if re.search(LOOKS[what], column.lower())]


def times(column: str, values: Sequence[str]) -> list[str]:
    """The flags that make times of these values: a choice for each form that fits; none where they
    are numbers that are hardly meant as times."""
    named = flag("time", column)
    units = units_of(values)
    if units == ["seconds"]:
        return [named]
    return [f"{named} {flag('time_unit', unit)}" for unit in units[:2]]


def is_number(value: str) -> bool:
    return bool(NUMBER.fullmatch(value))


def header(path: str, fields: Sequence[str], separator: str) -> str:
    """The command that adds a first line of names, where the first line is a row."""
    names = {2: "user,item", 3: "user,item,rating", 4: "user,item,rating,time"}.get(len(fields), "")
    if not names or not any(map(is_number, fields)) or path.lower().endswith(".gz"):
        return ""
    said = f"echo {shlex.quote(names.replace(',', separator))}"
    if separator == "\t":
        said = "printf '" + names.replace(",", r"\t") + r"\n'"
    return f"`({said}; cat {shlex.quote(path)}) > {_beside(path, 'named')}`"


def remedied(
    problems: list[Problem], rating: Column | None, time: Column | None, known: Sequence[float]
) -> list[Problem]:
    """The problems with what to do about them as flags and commands. known: ratings of the file."""
    late = [problem.value for problem in problems if time and problem.of == time.name]
    mended = []
    for problem in problems:
        fix = problem.fix
        if rating and problem.of == rating.name and is_number(problem.value):
            fix = _scaled(problem, known)
        elif time and problem.of == time.name:
            fix = _timed(problem, time, late)
        elif problem.expected in ("UTF-8", LINE_ENDS):
            fix = _written(problem)
        mended.append(replace(problem, fix=fix))
    return mended


def _scaled(problem: Problem, known: Sequence[float]) -> str:
    ends = [*known, float(problem.value)]
    if not all(map(math.isfinite, ends)):
        return problem.fix
    return f"{problem.fix}, or say the scale, {scale(min(ends), max(ends))}"


def _timed(problem: Problem, time: Column, values: list[str]) -> str:
    units = [unit for unit in units_of(values) if unit != time.unit][:2]
    choices = [flag("time_unit", unit) for unit in units]
    if time.unit not in MICROSECONDS or not choices:
        choices = [f"{problem.fix}", *choices]
    return ", or ".join([*choices, flag("time", "none")])


def _written(problem: Problem) -> str:
    """The command that writes the text again as it should be."""
    path = problem.path
    if path.lower().endswith(".gz"):
        return f"`gunzip -k {shlex.quote(path)}` and read {path[:-3]}"
    source, new = shlex.quote(path), _beside(path, "utf8")
    if problem.expected == LINE_ENDS:
        return f"`tr '\\r' '\\n' < {source} > {new}`"
    kind = "UTF-16" if problem.value == "UTF-16" else "LATIN1"
    command = f"`iconv -f {kind} -t UTF-8 {source} > {new}`"
    is_csv = re.search(r"\.(csv|tsv)$", path.lower())
    return (
        f"{flag('encoding', 'latin-1')}, or {command}" if is_csv and kind != "UTF-16" else command
    )


def _beside(path: str, what: str) -> str:
    return shlex.quote(str(Path(path).with_name(f"{what}-{Path(path).name}")))
