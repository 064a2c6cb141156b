"""A corpus of bad files: each gives path:line:column, what was found and expected, and exit code 2.

The files are made here, from one sound log in each format, by one thing that goes wrong in life.
"""

import gzip
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

LINE = re.compile(r"^coldbench: (.+?):(\d+):(\d+): value '.*', expected .+; fix: .+$")
HEADERS = {
    "csv": ["user", "item", "rating", "time"],
    "tsv": ["user", "item", "rating", "time"],
    "inter": ["user:token", "item:token", "rating:float", "time:float"],
}
SEPARATORS = {"csv": ",", "tsv": "\t", "inter": "\t"}
ROWS = 12  # of the sound log; the fifth is the one that goes wrong, on line 6
AT = 4

Rows = list[list[str]]
Bend = Callable[[Rows], None]


def sound() -> Rows:
    return [[f"u{n % 3}", str(n), str(1 + n % 5), str(1_260_759_144 + n)] for n in range(ROWS)]


def value(column: int, text: str) -> Bend:
    def bend(rows: Rows) -> None:
        rows[AT][column] = text

    return bend


def fields(change: Callable[[list[str]], list[str]]) -> Bend:
    def bend(rows: Rows) -> None:
        rows[AT] = change(rows[AT])

    return bend


VALUES: dict[str, tuple[int, str]] = {  # column that goes wrong, and what stands there
    "no user": (0, ""),
    "nan for a user": (0, "nan"),
    "NULL for a user": (0, "NULL"),
    "float user": (0, "12.0"),
    "user in exponents": (0, "1e+05"),
    "overflowing user": (0, "99999999999999999999"),
    "space before a user": (0, " u1"),
    "space after a user": (0, "u1 "),
    "bell in a user": (0, "u\x07"),
    "no item": (1, ""),
    "None for an item": (1, "None"),
    "float item": (1, "5.0"),
    "item in exponents": (1, "1.2E+16"),
    "overflowing item": (1, "-9223372036854775809"),
    "right-to-left mark in an item": (1, "i\u202e1"),
    "no rating": (2, ""),
    "nan rating": (2, "nan"),
    "NaN rating": (2, "NaN"),
    "infinite rating": (2, "inf"),
    "minus infinity": (2, "-Infinity"),
    "rating too big for a float": (2, "1e999"),
    "rating above the scale": (2, "5.5"),
    "rating below the scale": (2, "0"),
    "negative rating": (2, "-3"),
    "rating in words": (2, "good"),
    "rating with a unit": (2, "4*"),
    "hexadecimal rating": (2, "0x4"),
    "underscored rating": (2, "1_0"),
    "full-width rating": (2, "４"),
    "Arabic rating": (2, "٤"),
    "true for a rating": (2, "true"),
    "two points": (2, "4.5.1"),
    "no time": (3, ""),
    "negative time": (3, "-1"),
    "time in milliseconds": (3, "1260759144000"),
    "time in microseconds": (3, "1260759144000000"),
    "infinite time": (3, "inf"),
    "nan time": (3, "nan"),
    "date for a time": (3, "2009-12-14"),
    "time in words": (3, "yesterday"),
    "time of another century": (3, "9999999999"),
}
BENDS: dict[str, Bend] = {name: value(*what) for name, what in VALUES.items()} | {
    "truncated row": fields(lambda row: row[:-1]),
    "row of one field": fields(lambda row: row[:1]),
    "blank line": fields(lambda row: [""]),
    "extra field": fields(lambda row: [*row, "1"]),
    "extra empty field": fields(lambda row: [*row, ""]),
    "line of 10 MB": value(1, "x" * 10_000_000),
}


WHOLE: dict[str, Callable[[bytes], bytes]] = {  # what goes wrong with a file as a whole
    "empty": lambda _: b"",
    "one newline": lambda _: b"\n",
    "header alone": lambda c: c.split(b"\n")[0] + b"\n",
    "header alone, no newline": lambda c: c.split(b"\n")[0],
    "UTF-16": lambda c: c.decode().encode("utf-16"),
    "UTF-16, big end first": lambda c: b"\xfe\xff" + c.decode().encode("utf-16-be"),
    "UTF-16 without a mark": lambda c: c.decode().encode("utf-16-le") * 4,
    "Latin-1": lambda c: c.replace(b"u2", "é".encode("latin-1")),
    "NUL": lambda c: c.replace(b"u2", b"u\0"),
    "old Mac's line ends": lambda c: c.replace(b"\n", b"\r"),
    "one lone carriage return": lambda c: c.replace(b"u2", b"u\r"),
    "column twice": lambda c: c.replace(b"rating", b"user", 1),
    "no column of users": lambda c: c.replace(b"user", b"who", 1),
    "no header": lambda c: c.split(b"\n", 1)[1],
    "cut in the middle of a row": lambda c: c[: c.rindex(b"\n", 0, -1) + 6],
    "a web page": lambda _: b"<!DOCTYPE html>\n<html><body>404</body></html>\n",
    "an error in JSON": lambda _: b'{"error": "not found"}\n',
    "a picture": lambda _: b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(range(256)),
    "a gzip without its ending": gzip.compress,
}
QUOTES: dict[str, Callable[[bytes], bytes]] = {  # where values may stand in quotes
    "quote opened": lambda c: c.replace(b"u1,4", b'"u1,4', 1),
    "quote opened at the end": lambda c: c.removesuffix(b"\n") + b'\nu1,99,5,"0\n',
    "letters after a quote": lambda c: c.replace(b"u1,4", b'"u1"x,4', 1),
    "a quote inside quotes": lambda c: c.replace(b"u1,4", b'"u"1",4', 1),
    "another separator": lambda c: c.replace(b",", b";"),
    "decimal comma": lambda c: c.replace(b"u1,4,5,", b"u1,4,4,5,", 1),
}


def write(ending: str, rows: Rows) -> bytes:
    lines = [HEADERS[ending], *rows]
    return ("\n".join(SEPARATORS[ending].join(line) for line in lines) + "\n").encode()


def place_of(ending: str, column: int, text: str) -> str:
    """Line and letter of a wrong value, and the value, as the error has them."""
    before = "".join(field + SEPARATORS[ending] for field in sound()[AT][:column])
    return f"6:{len(before) + 1}: value {text!r}"


def corpus() -> Iterator[Any]:
    for ending in HEADERS:
        for name, bend in BENDS.items():
            place = place_of(ending, *VALUES[name]) if name in VALUES else "6:"
            yield pytest.param(ending, bend, None, place, id=f"{ending}: {name}")
        for name, change in WHOLE.items():
            yield pytest.param(ending, None, change, "", id=f"{ending}: {name}")
    for name, change in QUOTES.items():
        yield pytest.param("csv", None, change, "", id=f"csv: {name}")


def test_the_corpus_is_large() -> None:
    assert len(list(corpus())) >= 150


@pytest.mark.parametrize("ending", HEADERS)
def test_the_log_that_is_bent_is_sound(ask: Any, ending: str) -> None:
    for change in (bytes, lambda c: b"\xef\xbb\xbf" + c, lambda c: c.replace(b"\n", b"\r\n")):
        Path(f"log.{ending}").write_bytes(change(write(ending, sound())))
        assert (
            "sound: 3 users, 12 items, 12 interactions" in ask("validate", f"log.{ending}").stdout
        )


@pytest.mark.parametrize(("ending", "bend", "change", "place"), list(corpus()))
def test_a_bad_file_is_told_where_it_is_bad(
    ask: Any,
    ending: str,
    bend: Bend | None,
    change: Callable[[bytes], bytes] | None,
    place: str,
) -> None:
    rows = sound()
    if bend:
        bend(rows)
    content = write(ending, rows)
    path = Path(f"log.{ending}")
    path.write_bytes(change(content) if change else content)
    run = ["run", "-d", str(path), "-m", "constant"]
    words = run if change and ending == "csv" else ["describe", str(path)]
    ended = ask(*words, code=2)
    out, err = ended.stdout, ended.stderr
    assert out == "" and len(err.splitlines()) == 1 and len(err) < 600, err
    assert LINE.match(err) and err.startswith(f"coldbench: {path}:{place}"), err
    assert [p.name for p in Path().iterdir()] == [path.name], "nothing is written"


FRAMES: dict[str, Callable[[pl.DataFrame], pl.DataFrame]] = {
    "null rating": lambda f: f.with_columns(rating=pl.Series([None, *f["rating"][1:]])),
    "nan rating": lambda f: f.with_columns(rating=pl.lit(float("nan"))),
    "infinite rating": lambda f: f.with_columns(rating=pl.lit(float("inf"))),
    "rating above the scale": lambda f: f.with_columns(rating=pl.lit(7)),
    "rating in words": lambda f: f.with_columns(rating=pl.lit("good")),
    "true for a rating": lambda f: f.with_columns(rating=pl.lit(True)),
    "list of ratings": lambda f: f.with_columns(rating=pl.lit([1.0])),
    "float users": lambda f: f.with_columns(user=pl.lit(12.0)),
    "null user": lambda f: f.with_columns(user=pl.Series([None, *f["user"][1:]])),
    "null item": lambda f: f.with_columns(item=pl.lit(None, pl.Int64)),
    "negative time": lambda f: f.with_columns(time=-pl.col("time")),
    "time in milliseconds": lambda f: f.with_columns(time=1000 * pl.col("time")),
    "time in words": lambda f: f.with_columns(time=pl.lit("now")),
    "no rows": lambda f: f.head(0),
    "no column of users": lambda f: f.drop("user"),
}


def frame() -> pl.DataFrame:
    rows = sound()
    return pl.DataFrame(
        {
            "user": [row[0] for row in rows],
            "item": [int(row[1]) for row in rows],
            "rating": [float(row[2]) for row in rows],
            "time": [int(row[3]) for row in rows],
        }
    )


@pytest.mark.parametrize("name", FRAMES)
def test_a_bad_parquet_file_is_told_where_it_is_bad(ask: Any, name: str) -> None:
    FRAMES[name](frame()).write_parquet("log.parquet")
    err = ask("describe", "log.parquet", code=2).stderr
    assert LINE.match(err) and len(err.splitlines()) == 1, err


@pytest.mark.parametrize("cut", [0, 3, 50, -1])
def test_a_parquet_file_cut_short_is_told(ask: Any, cut: int) -> None:
    frame().write_parquet("log.parquet")
    whole = Path("log.parquet").read_bytes()
    Path("log.parquet").write_bytes(whole[:cut])
    assert "expected a whole Parquet file" in ask("describe", "log.parquet", code=2).stderr


def test_a_sound_parquet_file_is_read_with_dates_or_seconds(ask: Any) -> None:
    dated = frame().with_columns(time=pl.from_epoch("time"))
    for each in (frame(), dated):
        each.write_parquet("log.parquet")
        assert '"first": "2009-12-14T02:52:24"' in ask("describe", "log.parquet", "--json").stdout


@pytest.mark.parametrize("cut", ["truncated", "corrupt", "no gzip", "empty"])
def test_a_bad_gzip_is_told(ask: Any, cut: str) -> None:
    packed = gzip.compress(write("csv", sound()))
    bad = {
        "truncated": packed[:-20],
        "corrupt": packed[:30] + b"\0\0\0\0" + packed[34:],
        "no gzip": b"user,item,rating,time\n",
        "empty": b"",
    }[cut]
    Path("log.csv.gz").write_bytes(bad)
    err = ask("describe", "log.csv.gz", code=2).stderr
    assert err.startswith("coldbench: log.csv.gz") and len(err.splitlines()) == 1, err


def test_a_sound_gzip_is_read(ask: Any) -> None:
    Path("log.csv.gz").write_bytes(gzip.compress(write("csv", sound())))
    ask("validate", "log.csv.gz")


def test_duplicates_are_dropped_counted_and_told(ask: Any) -> None:
    rows = [*sound(), ["u0", "0", "5", "1999999999"]]
    Path("log.csv").write_bytes(write("csv", rows))
    assert (
        "12 interactions, 1 duplicates dropped (the last was kept)"
        in ask("validate", "log.csv").stdout
    )
    output = ask("describe", "log.csv", "--json").stdout
    assert '"duplicates_dropped": 1' in output and '"users_too_short": 3' in output
