"""Every remedy that an error of a reader or a loader names is typed as it stands, and works.

A remedy works where the file is then read, or where the next error is another one whose own
remedy works. Choices stand apart by ", or "; flags that stand together belong together.
"""

import gzip
import json
import re
import shlex
import subprocess
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from coldbench.errors import UserError
from coldbench.interactions import SECOND

asked: Any = import_module("coldbench.benchmarks.commands.grid_options")
source: Any = import_module("coldbench.benchmarks.dataset_names")
ROOM = Path(__file__).parents[2]
LOG = "user,item,rating,time\nann,p1,5,1600000000\nbob,p2,2,1600000100\nann,p3,4,1600000050\n"
TIMES = ("1600000000", "1600000100", "1600000050")


def column(name: str, *values: str) -> bytes:
    """The log with another last column but one: users, items, this, times."""
    head, *rows = LOG.splitlines()
    lines = [head.replace("rating", name)]
    for row, value in zip(rows, values, strict=True):
        user, item, _, time = row.split(",")
        lines.append(f"{user},{item},{value},{time}")
    return "\n".join(lines).encode()


def timed(*values: str, name: str = "time") -> bytes:
    text = LOG.replace("rating,time", f"rating,{name}")
    for old, new in zip(TIMES, values, strict=True):
        text = text.replace(old, new)
    return text.encode()


def rows_of_json(*, lines: bool) -> bytes:
    rows = pl.read_csv(LOG.encode()).to_dicts()
    text = "\n".join(map(json.dumps, rows)) if lines else json.dumps(rows, indent=1)
    return text.encode()


CASES: dict[str, tuple[str, bytes, str]] = {  # file, what stands in it, what is told
    "half stars": ("log.csv", column("rating", "0.5", "2.5", "5"), "'scale=[0.5, 5]' --with like_"),
    "ten points": ("log.csv", column("rating", "1", "10", "7"), "scale=[1, 10]"),
    "hundred points": ("log.csv", column("rating", "0", "80", "100"), "scale=[0, 100]"),
    "thumbs": ("log.csv", column("rating", "-1", "1", "1"), "scale=[-1, 1]"),
    "odd scale": ("log.csv", column("rating", "-300", "17", "200"), "scale=[-300, 200]"),
    "all likes": ("log.csv", column("rating", "4", "5", "5"), "like_above=4"),
    "no likes": ("log.csv", column("rating", "1", "2", "2"), "like_above=1"),
    "ones": ("log.csv", column("rating", "1", "1", "1"), "rating=none"),
    "no ratings": ("log.csv", b"user,item\na,p1\nb,p2\n", "rating=none"),
    "milliseconds": ("log.csv", timed(*(t + "000" for t in TIMES)), "time_unit=milliseconds"),
    "microseconds": ("log.csv", timed(*(t + "000000" for t in TIMES)), "time_unit=microseconds"),
    "nanoseconds": ("log.csv", timed(*(t + "000000000" for t in TIMES)), "time_unit=nanoseconds"),
    "dates": ("log.csv", timed("2020-09-13", "2020-09-14", "2020-09-15"), "time_unit=iso"),
    "moments": (
        "log.csv",
        timed("2020-09-13T12:26:40.5Z", "2020-09-13 12:26:41", "2020-09-14"),
        "time_unit=iso",
    ),
    "days and months": ("log.csv", timed("1/2/2020", "3/4/2020", "5/6/2020"), "%d/%m/%Y"),
    "months and days": ("log.csv", timed("1/2/2020", "3/14/2020", "5/6/2020"), "=%m/%d/%Y, or"),
    "Amazon's dates": (
        "log.tsv",
        timed("09 13; 2009", "10 1; 2010", "1 2; 2011").replace(b",", b"\t").replace(b";", b","),
        "'time_unit=%m %d, %Y'",
    ),
    "times in words": ("log.csv", timed("now", "then", "never"), "time=none"),
    "a time before 1970": ("log.csv", timed("-5", "1", "2"), "time=none"),
    "semicolons": ("log.csv", LOG.replace(",", ";").encode(), "separator=;"),
    "tabs": ("log.csv", LOG.replace(",", "\t").encode(), 'separator="\\t"'),
    "bars": ("log.csv", LOG.replace(",", "|").encode(), "'separator=|'"),
    "commas in a TSV": ("log.tsv", LOG.encode(), "separator=,"),
    "Latin-1": ("log.csv", LOG.replace("ann", "zoë").encode("latin-1"), "encoding=latin-1, or `ic"),
    "Latin-1 in RecBole": (
        "log.inter",
        "user:token\titem:token\trating:float\nzoë\t1\t5\nbob\t2\t1\n".encode("latin-1"),
        "fix: `iconv -f LATIN1",
    ),
    "Latin-1, packed": (
        "log.csv.gz",
        gzip.compress(LOG.replace("ann", "zoë").encode("latin-1")),
        "`gunzip -k log.csv.gz` and read log.csv",
    ),
    "UTF-16": ("log.csv", LOG.encode("utf-16"), "iconv -f UTF-16"),
    "old Mac": ("log.csv", LOG.replace("\n", "\r").encode(), "`tr "),
    "a name with a blank": ("my log.csv", LOG.encode("utf-16"), "'my log.csv' > 'utf8-my log.csv'"),
    "no header": ("log.csv", LOG.split("\n", 1)[1].encode(), "(echo user,item,rating,time; cat"),
    "no header, tabs": (
        "log.tsv", LOG.split("\n", 1)[1].replace(",", "\t").encode(),
        r"`(printf 'user\titem\trating\ttime\n'; cat log.tsv) > named-log.tsv`",
    ),
    "no header, semicolons": (
        "log.csv", LOG.split("\n", 1)[1].replace(",", ";").encode(), "--with 'separator=;'",
    ),
    "u.data": (
        "u.data", LOG.split("\n", 1)[1].replace(",", "\t").encode(),
        r"`(printf 'user\titem\trating\ttime\n'; cat u.data) > u.tsv` and read u.tsv",
    ),
    "blanks": (
        "log.dat", b"1 11  5\n2 12 2\n1 13 4\n",
        "`(echo user,item,rating; cat log.dat | sed -E 's/ +/,/g') > log.csv` and read log.csv",
    ),
    "MovieLens with names": ("log.dat", LOG.replace(",", "::").encode(), "fix: `cat log.dat | sed"),
    "two of users": ("log.csv", LOG.replace("time", "uid").encode(), "--with user=user, or --with"),
    "no user": ("log.csv", LOG.replace("user", "member").encode(), "user=member"),
    "no item": ("log.csv", LOG.replace("item", "which of 3").encode(), "'item=which of 3'"),
    "a number for a name": ("log.csv", LOG.replace("user", "7").encode(), "'user=\"7\"'"),
    "JSON lines called JSON": ("log.json", rows_of_json(lines=True), "read_ndjson"),
    "JSON lines called JSON, packed": (
        "log.json.gz",
        gzip.compress(rows_of_json(lines=True)),
        "read_ndjson",
    ),
    "JSON": ("my log.json", rows_of_json(lines=False), "read_json"),
    "MovieLens": ("ratings.dat", LOG.split("\n", 1)[1].replace(",", "::").encode(), "sed"),
    "text": ("log.txt", LOG.encode(), "cat log.txt > log.csv"),
    "text with tabs": ("log.txt", LOG.replace(",", "\t").encode(), "cat log.txt > log.tsv"),
    "data with semicolons": ("log.data", LOG.replace(",", ";").encode(), "cat log.data > log.csv"),
}  # fmt: skip
RATINGS = (
    "user_rating my_rating review_score stars_given preference value label plays rating:float "
    "click weight"
).split()
MOMENTS = {
    "review_date": "2020-09-13", "date": "2020-09-13 10:00:00",
    "created_at": "2020-09-13T10:00:00Z",
    "reviewTime": "1600000000", "ts": "1600000000000", "posted": "13.09.2020",
    "timestamp_ms": "1600000000000",
}  # fmt: skip
for name in RATINGS:
    CASES[f"ratings called {name}"] = "log.csv", column(name, "5", "2", "4"), f"rating={name}, or"
for name, value in MOMENTS.items():
    CASES[f"times called {name}"] = "log.csv", timed(*[value] * 3, name=name), f"time={name}"
CASES["clicks"] = "log.csv", column("click", "0", "1", "1"), "rating=click, or"
CASES["events in words"] = (
    "log.csv",
    column("event", "view", "cart", "view"),
    "fix: --with rating=n",
)
NO_REMEDY = {"a sheet": ("log.xlsx", b"PK\3\4\0\0"), "a pickle": ("log.pkl", b"\x80\4\x95\0\0")}


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def told(path: str, options: list[str]) -> str:
    """The error of reading a file; "" where it is read."""
    try:
        source.Source.of(path, source.options(options)).dataset().load()
    except UserError as error:
        return re.sub(r" \(and [\d,]+ more: coldbench validate\)$", "", str(error))
    return ""


def follow(path: str, options: list[str], error: str, depth: int = 0) -> None:
    """Every choice that the error leaves is taken, and works."""
    assert depth < 5, f"remedies lead nowhere: {error}"
    remedy = error.partition("; fix: ")[2]
    choices = [choice for choice in remedy.split(", or ") if "--with" in choice or "`" in choice]
    assert choices, f"no remedy: {error}"
    for choice in choices:
        command = re.search("`(.*)`", choice)
        after, given = path, list(options)
        if command:
            before = set(Path().iterdir())
            subprocess.run(["bash", "-c", command[1]], check=True, timeout=60, capture_output=True)
            (new,) = set(Path().iterdir()) - before or {Path(choice.rpartition(" read ")[2])}
            after = str(new)
        else:
            words = shlex.split(choice[choice.index("--with") :])
            given += [word for flag, word in pairwise(words) if flag == "--with"]
        next_error = told(after, given)
        if next_error:
            assert next_error.partition("; fix: ")[0] != error.partition("; fix: ")[0], choice
            follow(after, given, next_error, depth + 1)
        if command and after != path:
            new.unlink()


@pytest.mark.parametrize("case", CASES)
def test_a_remedy_that_is_typed_as_it_stands_works(case: str) -> None:
    name, content, says = CASES[case]
    Path(name).write_bytes(content)
    error = told(name, [])
    assert says in error
    assert len(error.splitlines()) == 1
    follow(name, [], error)


@pytest.mark.parametrize("case", NO_REMEDY)
def test_what_no_command_can_mend_promises_none(case: str) -> None:
    name, content = NO_REMEDY[case]
    Path(name).write_bytes(content)
    assert "fix: write it as CSV or Parquet by the program that made it" in told(name, [])


def test_every_flag_that_a_loader_can_name_is_in_a_case() -> None:
    rooms = [*ROOM.glob("datasets/_*.py"), ROOM / "datasets/csv.py", *ROOM.glob("coldbench/*.py")]
    code = "\n".join(path.read_text() for path in rooms)
    named = set(re.findall(r"""flag\(["'](\w+)""", code)) | set(
        re.findall(r"--with '?(\w+)=", code)
    )
    named -= {"key", "text", "tags"}  # the docstrings' own
    named |= {"user", "item"}  # what = ...
    told_of = set()
    for number, (name, content, _) in enumerate(CASES.values()):
        folder = Path(str(number))
        folder.mkdir()
        (folder / name).write_bytes(content)
        told_of |= set(re.findall(r"--with '?(\w+)=", told(str(folder / name), [])))
    assert named <= told_of, named - told_of


@pytest.mark.parametrize("name", ["a,b.csv", "LOG.CSV", "log.Tsv", "a>b.csv", "log.csv.GZ", "l.PQ"])
def test_a_file_is_read_whatever_its_name(name: str) -> None:
    lower, content = name.lower(), LOG.encode()
    if lower.endswith("pq"):
        pl.read_csv(content).write_parquet(name)
    else:
        content = content.replace(b",", b"\t") if "tsv" in lower else content
        Path(name).write_bytes(gzip.compress(content) if lower.endswith("gz") else content)
    assert asked.names([name]) == [name]
    assert told(name, []) == ""
    assert asked.names(["a, b.csv,c"]) == ["a", "b.csv", "c"]


@pytest.mark.parametrize(
    "unit", ["seconds", "milliseconds", "microseconds", "%H:%M:%S.%f %Y", "iso"]
)
def test_what_lies_within_a_second_is_in_order_and_the_last_of_a_pair_stays(unit: str) -> None:
    """The later rating stands first in the file; one microsecond, or one of the unit, apart."""
    values = {
        "seconds": ("1600000000.000002", "1600000000.000001"),
        "milliseconds": ("1600000000002", "1600000000001"),
        "microseconds": ("1600000000000002", "1600000000000001"),
        "%H:%M:%S.%f %Y": ("00:00:00.000002 2020", "00:00:00.000001 2020"),
        "iso": ("2020-01-01T00:00:00.000002", "2020-01-01T00:00:00.000001"),
    }[unit]
    late, soon = values
    rows = [
        f"u,p1,5,{late}",
        f"u,p1,1,{soon}",
        f"u,p2,1,{soon}",
        f"v,p2,4,{late}",
        f"v,p1,1,{soon}",
    ]
    for lines in (rows, rows[::-1]):
        Path("log.csv").write_text("\n".join(["user,item,rating,time", *lines]))
        log, items = source.Source.of("log.csv", {"time_unit": unit}).dataset().load()
        assert [items.ids[i] for i in log.items] == ["p2", "p1", "p1", "p2"]
        assert log.ratings.tolist() == [1, 5, 1, 4] and log.duplicates == 1
        assert log.times is not None and log.times[1] > log.times[0] > 10**6 * SECOND


@pytest.mark.parametrize("unit", ["ms", "us", "ns"])
def test_datetimes_of_parquet_are_kept_to_the_microsecond(unit: Any) -> None:
    step = {"ms": 1000, "us": 1, "ns": 1}[unit]
    moments = pl.Series([1600000000 * SECOND + step, 1600000000 * SECOND]).cast(pl.Datetime("us"))
    table = {"user": ["u"] * 2, "item": ["p1"] * 2, "rating": [5, 1], "time": moments}
    other = pl.DataFrame({"user": ["u"], "item": ["p2"], "rating": [1], "time": moments[:1]})
    frame = pl.concat([pl.DataFrame(table), other]).with_columns(
        pl.col("time").cast(pl.Datetime(unit))
    )
    frame.write_parquet("log.parquet")
    log, _ = source.Source.of("log.parquet", {}).dataset().load()
    assert log.times.tolist() == [1600000000 * SECOND + step] * 2
    assert log.ratings.tolist() == [5, 1]


@pytest.mark.parametrize("name", ["created_at", "ts"])
def test_a_column_of_parquet_that_looks_like_times_is_asked_about(name: str) -> None:
    frame = pl.read_csv(LOG.encode()).rename({"time": name})
    if name == "created_at":
        frame = frame.with_columns(pl.from_epoch(name))
    frame.write_parquet("log.parquet")
    error = told("log.parquet", [])
    assert f"--with time={name}" in error
    follow("log.parquet", [], error)


def test_a_column_that_can_hardly_be_a_time_is_only_left_alone() -> None:
    Path("log.csv").write_bytes(timed("90", "120", "95", name="runtime"))
    assert told("log.csv", []) == ""
    assert source.Source.of("log.csv", {}).dataset().unclaimed == ("runtime",)
