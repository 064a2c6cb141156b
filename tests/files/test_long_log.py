"""A log that COLDBENCH_MEMORY does not let memory hold is the same log, bit for bit."""

import gzip
import json
import os
import re
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coldbench import registry, spilled
from coldbench.errors import BadFile, UserError
from coldbench.files import json_lines
from coldbench.files.delimited import Table, read, scan
from coldbench.files.frames import from_frames
from coldbench.files.long_log import LongLog
from coldbench.files.schema import Column
from coldbench.interactions import Catalogue, Interactions

long_log: Any = import_module("coldbench.files.long_log")
USER, ITEM = (Column(name, "id", many=True) for name in ("user", "item"))
RATING, TIME = Column("rating", "number", 1, 5), Column("time", "time")
IDS = ["0", "7", "007", "12", "9", "a", "é", "4294967296", "u 1"]
FEW = st.sampled_from(IDS)
ROWS = st.lists(st.tuples(FEW, FEW, st.integers(1, 5), st.integers(0, 3)), min_size=1, max_size=12)


def logs(
    path: Path, columns: tuple[Column, ...], block: str = "40"
) -> list[tuple[Interactions, Catalogue]]:
    """What memory holds, and what it may not."""
    table, found = Table(columns, quoted=True), []
    for bound in ("1GB", "1"):
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("COLDBENCH_MEMORY", bound)
            patch.setenv("COLDBENCH_BLOCK", block)
            patch.setattr(long_log, "MOST_FILES", 3)
            log = scan(table, path)
            assert isinstance(log, LongLog) == (bound == "1")
            ids = read(table, path)["item"].unique().cast(pl.String).sort()
            found.append(from_frames(log, pl.DataFrame({"item": ids, "text": ids})))
    return found


@settings(max_examples=10, deadline=None)
@given(ROWS, st.booleans())
def test_ties_duplicates_and_users_in_any_order_come_out_the_same(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[Any, ...]], timed: bool
) -> None:
    path = tmp_path_factory.mktemp("log") / "log.csv"
    columns = (USER, ITEM, RATING, TIME) if timed else (USER, ITEM, RATING)
    lines = [",".join(map(str, row[: len(columns)])) for row in rows]
    path.write_text("\n".join(["user,item,rating,time"[: 21 if timed else 16], *lines, ""]))
    (held, catalogue), (bounded, same) = logs(path, columns)
    assert catalogue == same
    assert held.hash() == bounded.hash()
    assert held.duplicates == bounded.duplicates
    for name in ("offsets", "items", "ratings", "times"):
        one, other = getattr(held, name), getattr(bounded, name)
        assert (one is None and other is None) or one.dtype == other.dtype


def test_a_long_log_of_many_users_is_sorted_some_at_a_time(tmp_path: Path) -> None:
    rng, n = np.random.default_rng(0), 5000
    table = {"user": rng.integers(0, 200, n), "item": rng.integers(0, 40, n),
             "rating": rng.integers(1, 6, n), "time": rng.integers(0, 50, n)}  # fmt: skip
    pl.DataFrame(table).write_csv(tmp_path / "log.csv")
    (held, _), (bounded, _) = logs(tmp_path / "log.csv", (USER, ITEM, RATING, TIME), "9000")
    assert held.hash() == bounded.hash()
    assert held.duplicates == bounded.duplicates > 0


def test_a_users_own_file_is_the_same_log_under_a_bound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "likes.csv"
    path.write_text("user,item,time\nb,x,1\na,y,2\nb,x,3\na,x,2\n", encoding="utf-8")
    dataset = registry.find("datasets", "csv")(path=str(path), rating="none")
    held, ids = dataset.load()[0].hash(), dataset.user_ids()
    monkeypatch.setenv("COLDBENCH_MEMORY", "1")
    assert isinstance(dataset.tables()[0], LongLog)
    assert (dataset.load()[0].hash(), dataset.user_ids()) == (held, ids)


def written(folder: Path, kind: str) -> Path:
    """Five ratings, some twice, in a file of each kind that own logs have."""
    path = folder / f"log.{kind}"
    rows = [("b", "x", 3.0, 9), ("a", "y", 1.0, 2), ("b", "x", 4.0, 9), ("a", "x", 5.0, 2)]
    rows = [*rows, ("7", "y", 2.5, 1)]
    names = ("user", "item", "rating", "time")
    plain = kind.removesuffix(".gz")
    if plain == "parquet":
        pl.DataFrame(rows, names, orient="row").write_parquet(path, row_group_size=2)
        return path
    if plain == "jsonl":
        lines = [json.dumps(dict(zip(names, row, strict=True))) for row in rows]
    else:
        mark = "," if plain == "csv" else "\t"
        types = ":token", ":token", ":float", ":float"
        typed = [name + of for name, of in zip(names, types, strict=True)]
        lines = [mark.join(map(str, row)) for row in ((names if mark == "," else typed), *rows)]
    content = ("\n".join(lines) + "\n").encode()
    path.write_bytes(gzip.compress(content) if kind.endswith(".gz") else content)
    return path


KINDS = ["csv", "csv.gz", "inter", "inter.gz", "jsonl", "jsonl.gz", "parquet"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("block", ["1", "60", "1000"])
def test_own_files_of_each_kind_are_the_same_log_under_a_bound(
    kind: str, block: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(tmp_path, kind)
    loader = {"inter": "recbole", "jsonl": "json-lines"}
    name = kind.removesuffix(".gz")
    dataset = registry.find("datasets", loader.get(name, name))(path=str(path))
    held = dataset.load()
    monkeypatch.setenv("COLDBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("COLDBENCH_MEMORY", "1")
    monkeypatch.setenv("COLDBENCH_BLOCK", block)
    assert isinstance(dataset.tables()[0], LongLog)
    bounded = dataset.load()
    assert (bounded[0].hash(), bounded[1]) == (held[0].hash(), held[1])
    assert bounded[0].duplicates == held[0].duplicates == 1
    assert not list((tmp_path / "cache").iterdir())


@pytest.mark.parametrize(
    ("at", "line"),
    [(0, ""), (2, ""), (1, "{"), (3, '{"user": "a"}'), (4, "[]"), (5, "\ufeff{}"), (2, "\x00")],
)
@pytest.mark.parametrize("block", ["1", "60", "1000"])
def test_a_wrong_line_of_a_long_file_of_json_is_said_as_of_a_short_one(
    at: int, line: str, block: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(tmp_path, "jsonl")
    lines = path.read_text(encoding="utf-8").splitlines()
    path.write_text("\n".join([*lines[:at], line, *lines[at:], "", ""]), encoding="utf-8")
    dataset = registry.find("datasets", "json-lines")(path=str(path))
    said = []
    for bound in ("", "1"):
        monkeypatch.setenv("COLDBENCH_MEMORY", bound)
        monkeypatch.setenv("COLDBENCH_BLOCK", block)
        with pytest.raises(UserError) as error:
            dataset.load()
        first = str(error.value).splitlines()[0]
        said.append(re.sub(r", unread from line \d+ on", "", first))
    assert said[0] == said[1]


def test_blank_lines_at_the_end_of_a_long_file_of_json_do_not_matter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(tmp_path, "jsonl")
    dataset = registry.find("datasets", "json-lines")(path=str(path))
    held = dataset.load()[0].hash()
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n") + b"\r\n\n\n")
    monkeypatch.setenv("COLDBENCH_MEMORY", "1")
    for block in ("1", "60", "1000"):
        monkeypatch.setenv("COLDBENCH_BLOCK", block)
        assert dataset.load()[0].hash() == held


@pytest.mark.parametrize("content", [b"", b"\n\n", "{}".encode("utf-16")])
def test_a_long_file_of_json_without_a_row_is_said_as_a_short_one(
    content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "log.jsonl"
    path.write_bytes(content)
    columns, said = (Column("user", "id"),), []
    for bound in ("", "1"):
        monkeypatch.setenv("COLDBENCH_MEMORY", bound)
        with pytest.raises(BadFile) as error:
            json_lines.scan(columns, path)
        said.append(str(error.value))
    assert said[0] == said[1]


def test_a_wrong_row_of_a_long_parquet_file_has_its_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(tmp_path, "parquet")
    frame = pl.read_parquet(path)
    frame.with_columns(
        pl.when(pl.int_range(pl.len()) == 3).then(9.0).otherwise("rating").alias("rating")
    ).write_parquet(path)
    dataset = registry.find("datasets", "parquet")(path=str(path))
    for bound in ("", "1"):
        monkeypatch.setenv("COLDBENCH_MEMORY", bound)
        with pytest.raises(UserError, match=r"log\.parquet:4:3: value '9\.0'"):
            dataset.load()


def test_shelves_without_stars_are_left_out_of_a_long_log_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    books: Any = import_module("coldbench.datasets.goodreads")
    path, when = tmp_path / "shelves.json.gz", "Sun Jul 30 07:44:10 -0700 2017"
    rows = [
        {"user_id": u, "book_id": "5", "rating": n, "date_added": when}
        for u, n in (("a", 0), ("b", 4))
    ]
    for kept in (rows, rows[:1]):
        path.write_bytes(gzip.compress("\n".join(map(json.dumps, kept)).encode()))
        items = pl.DataFrame({"item": ["5"], "text": ["A book"]})
        monkeypatch.setenv("COLDBENCH_MEMORY", "1")
        log = books.read_shelves(path)
        assert isinstance(log, LongLog)
        if len(kept) == 2:
            assert from_frames(log, items)[0].ratings.tolist() == [4]
        else:
            with pytest.raises(UserError, match="the log holds no interaction"):
                from_frames(log, items)


def test_films_are_the_same_log_under_a_bound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "ml-latest-small"
    folder.mkdir()
    ratings = "userId,movieId,rating,timestamp\n2,5,0.5,20\n1,7,4.5,10\n1,5,3.0,9\n"
    (folder / "ratings.csv").write_text(ratings, encoding="utf-8")
    movies: Any = import_module("coldbench.datasets._movies")
    (folder / "movies.csv").write_text("movieId,title,genres\n5,A,X\n7,B,Y\n", encoding="utf-8")
    paths = folder / "ratings.csv", folder / "movies.csv"
    held = from_frames(*movies.half_stars(*paths))
    monkeypatch.setenv("COLDBENCH_MEMORY", "1")
    bounded = from_frames(*movies.half_stars(*paths))
    assert (held[0].hash(), held[1]) == (bounded[0].hash(), bounded[1])


def test_what_is_wrong_is_said_in_the_same_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "log.csv"
    path.write_text("user,rating\n1,3\n2,9\n", encoding="utf-8")
    monkeypatch.setenv("COLDBENCH_MEMORY", "1")
    with pytest.raises(UserError, match=r"log\.csv:3:3: value '9', expected a number from 1 to 5"):
        scan(Table((USER, RATING)), path)


def test_a_full_disk_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "log.csv"
    path.write_text("user\n1\n", encoding="utf-8")
    monkeypatch.setenv("COLDBENCH_MEMORY", "1")
    full: Any = lambda **_: os.fdopen(os.open("/dev/full", os.O_RDWR), "w+b", 0)  # noqa: E731
    monkeypatch.setattr(spilled, "TemporaryFile", full)
    with pytest.raises(UserError, match=r"No space left on device.* set COLDBENCH_CACHE"):
        scan(Table((USER,)), path)


@pytest.mark.parametrize("said", ["0", "-1", "2.5GB", "2 TB", "x"])
def test_a_bound_is_a_number_of_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str
) -> None:
    (tmp_path / "log.csv").write_text("user\n1\n", encoding="utf-8")
    monkeypatch.setenv("COLDBENCH_MEMORY", said)
    with pytest.raises(UserError, match=r"COLDBENCH_MEMORY = '.*' is no number of bytes"):
        scan(Table((USER,)), tmp_path / "log.csv")


def test_units_are_of_ten(monkeypatch: pytest.MonkeyPatch) -> None:
    for said, bytes_ in (("7", 7), ("3KB", 3000), ("500 MB", 5e8), ("2GB", 2e9), ("", np.inf)):
        monkeypatch.setenv("COLDBENCH_MEMORY", said)
        assert spilled.memory_bound() == bytes_
