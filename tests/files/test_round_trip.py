"""What is written in a format is what is read of it, for every format that has a reader."""

import gzip
import json
from collections.abc import Callable
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from coldbench import registry
from coldbench.dataset import OneClass
from coldbench.files.schema import ABSENT
from coldbench.interactions import SECOND

Log = list[tuple[str, str, int, int]]  # user, item, rating, time; a pair once


def module(name: str) -> Any:
    return import_module(f"coldbench.datasets.{name}")


names = st.from_regex(r"[A-Za-z][A-Za-z0-9_]{0,5}", fullmatch=True).filter(
    lambda name: name.lower() not in ABSENT
)
logs = st.lists(
    st.tuples(names, names, st.integers(1, 5), st.integers(0, 2_000_000_000)),
    min_size=1,
    max_size=8,
    unique_by=lambda row: row[:2],
)
many = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def table(log: Log, separator: str, header: str = "") -> str:
    lines = [header] if header else []
    lines += [separator.join(map(str, row)) for row in log]
    return "".join(f"{line}\n" for line in lines)


def parquet(log: Log, path: Path) -> None:
    columns = ["user", "item", "rating", "time"]
    pl.DataFrame(log, columns, orient="row").write_parquet(path)


HEADER = "user,item,rating,time"
TYPED = "user:token\titem:token\trating:float\ttime:float"
OWN: dict[str, Callable[[Log, Path], object]] = {
    "log.csv": lambda log, path: path.write_text(table(log, ",", HEADER)),
    "log.tsv": lambda log, path: path.write_text(table(log, "\t", HEADER.replace(",", "\t"))),
    "log.csv.gz": lambda log, path: path.write_bytes(
        gzip.compress(table(log, ",", HEADER).encode())
    ),
    "log.parquet": parquet,
    "log.jsonl": lambda log, path: path.write_text(
        "".join(json.dumps(dict(zip(HEADER.split(","), row, strict=True))) + "\n" for row in log)
    ),
    "log.inter": lambda log, path: path.write_text(table(log, "\t", TYPED)),
}


@pytest.mark.parametrize("name", OWN)
@many
@given(log=logs)
def test_a_log_of_ones_own(name: str, log: Log, tmp_path: Path) -> None:
    OWN[name](log, tmp_path / name)
    loader = {".parquet": "parquet", ".inter": "recbole", ".jsonl": "json-lines"}.get(
        Path(name).suffix, "csv"
    )
    try:
        read, items = registry.find("datasets", loader)(path=str(tmp_path / name)).load()
    except OneClass as error:  # it is read, and cannot be run
        read, items = error.log, error.catalogue
    assert read.times is not None
    users = sorted({row[0] for row in log})
    rows = [
        (users[u], items.ids[i], int(r), int(t) // SECOND)
        for u, i, r, t in zip(read.users, read.items, read.ratings, read.times, strict=True)
    ]
    assert sorted(rows) == sorted(log)
    assert (np.diff(read.times)[np.diff(read.users) == 0] >= 0).all()


def shown(log: Log) -> str:
    def at(time: int) -> str:
        return datetime.fromtimestamp(time, UTC).strftime("%m/%d/%Y %I:%M:%S %p")

    rows = [(n, user, at(t), "", f"{item}-{r % 2}") for n, (user, item, r, t) in enumerate(log)]
    return "".join("\t".join(map(str, row)) + "\n" for row in rows)


PUBLISHED: dict[str, tuple[Callable[[Log], str], Callable[[Path], pl.DataFrame]]] = {
    "MovieLens 1M": (
        lambda log: table(log, "::"),
        lambda path: module("_movies").read_log(path, "::", module("_movies").STARS),
    ),
    "MovieLens 100K": (
        lambda log: table(log, "\t"),
        lambda path: module("_movies").read_log(path, "\t", module("_movies").STARS),
    ),
    "MIND": (
        shown,
        lambda path: module("mind_small").read_shown(path).with_columns(pl.col("rating") + 4),
    ),
}


@pytest.mark.parametrize("name", PUBLISHED)
@many
@given(log=logs)
def test_a_published_log(name: str, log: Log, tmp_path: Path) -> None:
    if name == "MIND":
        log = [(user, item, 4 + rating % 2, time) for user, item, rating, time in log]
    write, read = PUBLISHED[name]
    (tmp_path / "log").write_text(write(log))
    frame = read(tmp_path / "log").select(
        "user", "item", pl.col("rating").cast(int), pl.col("time") // SECOND
    )
    assert frame.rows() == log


sequences = st.dictionaries(names, st.lists(names, min_size=1, max_size=4), min_size=1, max_size=4)


@many
@given(log=sequences)
def test_sequences_of_amazon_beauty(log: dict[str, list[str]], tmp_path: Path) -> None:
    (tmp_path / "log").write_text("".join(f"{u} {' '.join(items)}\n" for u, items in log.items()))
    frame = module("amazon_beauty").read_sequences(tmp_path / "log")
    expected = [(user, item) for user, items in log.items() for item in items]
    assert frame.select("user", "item").rows() == expected


@many
@given(log=sequences)
def test_records_of_msweb(log: dict[str, list[str]], tmp_path: Path) -> None:
    areas = sorted({item for items in log.values() for item in items})
    lines = [f'A,{area},1,"Title of {area}","/{area}"' for area in areas]
    for user, items in log.items():
        lines += [f'C,"{user}",{user}', *(f"V,{item},1" for item in items)]
    (tmp_path / "log").write_text("".join(f"{line}\n" for line in lines))
    visits, titles = module("msweb").read_visits(tmp_path / "log")
    assert visits.select("user", "item").rows() == [(u, i) for u, own in log.items() for i in own]
    assert titles.rows() == [(area, f"Title of {area} (/{area})") for area in areas]


@many
@given(st.lists(st.lists(st.integers(0, 5), min_size=3, max_size=3), min_size=1, max_size=5))
def test_the_matrix_of_coat(tmp_path: Path, matrix: list[list[int]]) -> None:
    (tmp_path / "log").write_text("".join(" ".join(map(str, row)) + "\n" for row in matrix))
    frame = module("coat").read_ratings(tmp_path / "log", 3)
    ratings = {(u, i): r for u, row in enumerate(matrix) for i, r in enumerate(row) if r}
    assert {(int(u), int(i)): r for u, i, r in frame.rows()} == ratings
