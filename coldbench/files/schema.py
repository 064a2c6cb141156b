"""What a column may hold: the rule for one value, and the same rule for millions at once."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import polars as pl

from coldbench.interactions import SECOND

LONGEST = 100_000  # bytes of a value
BLANK = " \t"  # around a number, and no matter
LATEST = 4_102_444_800  # seconds: the year 2100
NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)
WHOLE = re.compile(r"[+-]?[0-9]+")  # polars takes it too, which knows more digits than these ten
FLOAT_ID = re.compile(
    r"[+-]?(\d+\.\d*|\.\d+)([eE][+-]?\d+)?|\d+[eE][+-]\d+", re.ASCII
)  # 12.0, 1e+05
CONTROL = re.compile("[\0-\x1f\x7f-\x9f\u2028\u2029]")  # ends a line, or moves a cursor
ABSENT = ("nan", "null", "none", "<na>", "inf", "-inf")  # what programs write for no value
MICROSECONDS = {"seconds": 1e6, "milliseconds": 1e3, "microseconds": 1.0, "nanoseconds": 1e-3}
ISO = "iso"  # 2020-09-13, 2020-09-13T12:26:40.5Z and what else ISO 8601 allows
FORMS = (
    "%m/%d/%Y", "%d/%m/%Y", "%d.%m.%Y", "%Y/%m/%d", "%m/%d/%Y %H:%M:%S", "%d/%m/%Y %H:%M:%S",
    "%d.%m.%Y %H:%M:%S", "%Y/%m/%d %H:%M:%S", "%m/%d/%Y %H:%M", "%d/%m/%Y %H:%M",
    "%d.%m.%Y %H:%M", "%m/%d/%Y %I:%M:%S %p", "%m %d, %Y", "%b %d, %Y", "%B %d, %Y",
    "%a %b %d %H:%M:%S %z %Y",
)  # fmt: skip  # of dates, that are known by sight
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
YEAR = 31_536_000  # seconds: numbers below are hardly meant as times


class InvalidValue(ValueError):
    """A value that a column cannot hold: what would be right, and how to mend it."""

    def __init__(self, expected: str, fix: str) -> None:
        super().__init__(expected)
        self.expected, self.fix = expected, fix


@dataclass(frozen=True)
class Column:
    """One column of a table."""

    name: str
    kind: Literal["id", "text", "number", "whole", "time"] = "text"
    low: float = -math.inf
    high: float = math.inf
    empty: bool = False  # a number may be absent; a text always may
    choices: tuple[str, ...] = ()  # an id is one of these
    many: bool = False  # ids of a log: its reader may keep them as an Enum, four bytes a row
    unit: str = "seconds"  # of a time since 1970; of MICROSECONDS, or "iso", or "%d.%m.%Y"

    @property
    def raw(self) -> type[pl.DataType]:
        """What the file's text is parsed as."""
        if self.kind == "number" or (self.kind == "time" and self.unit in MICROSECONDS):
            return pl.Float64
        return pl.Int64 if self.kind == "whole" else pl.String

    @property
    def dtype(self) -> type[pl.DataType]:
        """What the value is read as; a time is whole microseconds since 1970."""
        return pl.Int64 if self.kind == "time" else self.raw

    def parse(self, value: str) -> str | float | int | None:
        """The value as it is meant. Raises Wrong."""
        if len(value.encode("utf-8", "surrogatepass")) > LONGEST:
            raise InvalidValue(f"at most {LONGEST:,} bytes", "shorten the value")
        if self.kind == "text":
            return value
        if self.kind == "id":
            if self.choices and value not in self.choices:
                raise InvalidValue(f"one of {', '.join(self.choices)}", "mend the value")
            return _id(value)
        if self.kind == "time":
            return _time(value, self.unit)
        return self._number(value.strip(BLANK))

    def _number(self, value: str) -> float | int | None:
        whole = self.kind == "whole"
        expected = f"a {'whole ' if whole else ''}number{self._range()}"
        if not value and self.empty:
            return None
        if not (WHOLE if whole else NUMBER).fullmatch(value):
            raise InvalidValue(expected, "write a number, with a point for decimals")
        number = _whole(value) if whole else float(value)
        if not (math.isfinite(number) and self.low <= number <= self.high):
            raise InvalidValue(expected, "mend the value")
        if not -(2**63) <= number < 2**63 and whole:
            raise InvalidValue("a whole number of 64 bits", "number from 0")
        return number

    def _range(self) -> str:
        if self.low == -math.inf and self.high == math.inf:
            return ""
        return f" from {self.low:g} to {self.high:g}"

    def checked(self, values: pl.Series) -> pl.Series | None:
        """(N,) values of `raw` as they are meant, or None where any is wrong."""
        if self.kind == "text":
            values = values.fill_null("")
            return None if (values.str.len_bytes() > LONGEST).any() else values
        if self.kind == "id" or (self.kind == "time" and self.raw == pl.String):
            return self._one_by_one(values)
        if not self.empty and values.null_count():
            return None
        low, high = self.low, self.high
        if self.kind == "time":
            values, low, high = values * MICROSECONDS[self.unit], 0, LATEST * SECOND
        known = values.drop_nulls()
        if self.raw == pl.Float64 and not known.is_finite().all():
            return None
        if len(known) and not (known.min() >= low and known.max() <= high):  # type: ignore[operator]
            return None
        return (values + 0.5).floor().cast(pl.Int64) if self.kind == "time" else values

    def _one_by_one(self, values: pl.Series) -> pl.Series | None:
        """Different values are few: each is parsed once. Numbers from 0 are ids by their form."""
        if values.null_count():
            return None
        numbers = whole_numbers(values) if self.kind == "id" and not self.choices else None
        if numbers is not None:
            return numbers if self.many else values
        different = values.unique()
        try:
            meant = [self.parse(value) for value in different]
        except InvalidValue:
            return None
        if self.kind == "id":
            return values
        return values.replace_strict(different, pl.Series(meant, dtype=pl.Int64))


def whole_numbers(ids: pl.Series) -> pl.Series | None:
    """(N,) UInt32 or Int64 ids, or None where one is no whole number from 0 as programs write it:
    a value that is as long as its number has digits has no sign, blank or leading 0."""
    numbers = ids.cast(pl.Int64, strict=False)
    least, most = numbers.min(), numbers.max()
    if numbers.null_count() or not isinstance(least, int) or not isinstance(most, int) or least < 0:
        return None
    numbers = numbers.cast(pl.UInt32) if most < 2**32 else numbers
    length = pl.repeat(1, len(ids), dtype=pl.UInt32, eager=True)
    for power in range(1, len(str(most))):
        length += numbers >= 10**power
    return numbers if (ids.str.len_bytes() == length).all() else None


def validate(frame: pl.DataFrame, columns: tuple[Column, ...]) -> pl.DataFrame | None:
    """The columns' values as they are meant, or None where any is wrong."""
    meant: dict[str, Any] = {}
    for column in columns:
        values = column.checked(frame[column.name])
        if values is None:
            return None
        meant[column.name] = values
    return pl.DataFrame(meant)


def _whole(value: str) -> int:
    """The number; what has 20 digits or more as 2^64, since Python refuses thousands of them."""
    digits = value.lstrip("+-").lstrip("0")
    number = int(digits or "0") if len(digits) < 20 else 2**64
    return -number if value.startswith("-") else number


def _id(value: str) -> str:
    if not value or value.lower() in ABSENT:
        raise InvalidValue("an id", "remove the row, or write whose it is")
    if value != value.strip() or not value.isprintable():
        raise InvalidValue("an id without spaces around it or control characters", "remove them")
    if FLOAT_ID.fullmatch(value):
        fix = "write 12, not 12.0: a program took the ids for measurements"
        raise InvalidValue("an id that is a whole number or a name", fix)
    if WHOLE.fullmatch(value) and abs(_whole(value)) >= 2**63:
        raise InvalidValue("an id of 64 bits, or a name", "put a letter before it")
    return value


def units_of(values: Sequence[str]) -> list[str]:
    """The units or forms that make times of all these: none, one, or some that cannot be told
    apart, such as 1/2/2020."""
    numbers = [float(value) for value in values if NUMBER.fullmatch(value.strip(BLANK))]
    if numbers and len(numbers) == len(values):
        for unit, scale in MICROSECONDS.items():
            if all(YEAR <= number * scale / SECOND <= LATEST for number in numbers):
                return [unit]
    fit = [form for form in (ISO, *FORMS) if values and all(_is_time(v, form) for v in values)]
    return fit[:1] if fit[:1] == [ISO] else fit


def _is_time(value: str, unit: str) -> bool:
    try:
        _time(value, unit)
    except InvalidValue:
        return False
    return True


def _time(value: str, unit: str) -> int:
    if unit not in MICROSECONDS:
        try:
            iso = unit == ISO
            moment = datetime.fromisoformat(value) if iso else datetime.strptime(value, unit)
        except ValueError:
            expected = f"a date like {'2020-09-13T12:26:40' if unit == ISO else unit}"
            raise InvalidValue(expected, "write the date so") from None
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        time = (moment - EPOCH) // timedelta(microseconds=1)
        if not 0 <= time <= LATEST * SECOND:
            raise InvalidValue("a date from 1970 to 2100", "mend the date")
        return time
    expected = f"a time in {unit} since 1970, up to the year 2100"
    if not NUMBER.fullmatch(value.strip(BLANK)):
        raise InvalidValue(expected, "write a number")
    number = float(value) * MICROSECONDS[unit]
    if not 0 <= number <= LATEST * SECOND:
        raise InvalidValue(expected, "mend the time")
    return math.floor(number + 0.5)
