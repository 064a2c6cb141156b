"""A log that COLDBENCH_MEMORY does not let memory hold is the same log, bit for bit."""

import os
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coldbench import registry, spilled
from coldbench.errors import UserError
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
