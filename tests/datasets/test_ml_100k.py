"""ml-100k's two editions: GroupLens's zip as published, made here from RecBole's tables."""

import zipfile
from collections.abc import Iterator
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from coldbench import registry
from coldbench.errors import BadFile, UserError
from coldbench.files.locate import local_path, sha256
from coldbench.interactions import SECOND

ml: Any = import_module("coldbench.datasets.ml_100k")


@pytest.fixture(scope="module")
def tables() -> tuple[Path, Path]:
    paths = local_path("ml-100k", ml.RATINGS), local_path("ml-100k", ml.MOVIES)
    assert paths[0] and paths[1], "recbole is in requirements-nodeps.txt"
    return paths[0], paths[1]


@pytest.fixture(scope="module")
def zipped(tables: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """u.data with tabs and u.item with bars and 19 flags, in Latin-1."""
    ratings, movies = tables
    log = pl.read_csv(ratings, separator="\t")
    lines = ["\t".join(str(int(x)) for x in row) for row in log.iter_rows()]
    path = tmp_path_factory.mktemp("grouplens") / "ml-100k.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("ml-100k/u.data", "\n".join(lines) + "\n")
        archive.writestr("ml-100k/u.item", "\n".join(_movies(movies)).encode("latin-1"))
    return path


@pytest.fixture
def unzipped(zipped: Path, tmp_path: Path) -> tuple[Path, Path]:
    with zipfile.ZipFile(zipped) as archive:
        archive.extractall(tmp_path)
    return tmp_path / "ml-100k" / "u.data", tmp_path / "ml-100k" / "u.item"


def _movies(path: Path) -> Iterator[str]:
    rows = pl.read_csv(path, separator="\t", infer_schema=False, quote_char=None).fill_null("")
    for number, title, year, genres in rows.iter_rows():
        flags = ["1" if genre in genres.split() else "0" for genre in ml.GENRES]
        dated = f"{title} ({year})" if year else title
        yield "|".join([number, dated, f"01-Jan-{year}", "", "http://address", *flags])


def test_both_editions_are_the_same_log_and_the_same_films(
    tables: tuple[Path, Path], unzipped: tuple[Path, Path]
) -> None:
    (log, films), (other_log, other_films) = ml.read_recbole(*tables), ml.read_grouplens(*unzipped)
    assert (log.n_users, len(films), len(log)) == (943, 1682, 100_000)
    assert other_log.hash() == log.hash()
    assert other_films.text == films.text
    assert [set(tags) for tags in other_films.tags] == [set(tags) for tags in films.tags]


def test_the_log_and_the_films_are_those_of_the_first_results(tables: tuple[Path, Path]) -> None:
    log, films = ml.read_recbole(*tables)
    assert log.times is not None
    in_seconds = replace(log, times=log.times // SECOND)  # as the first results had them
    assert (in_seconds.hash(), films.hash()) == ("681dc5d5360382f9", "4cbfe90f60dadfbb")
    assert log.hash() == "104b715265facf7f"


def test_titles_read_as_they_are_spoken(tables: tuple[Path, Path]) -> None:
    _, films = ml.read_recbole(*tables)
    assert films.text[0] == "Toy Story (1995): Animation, Children's, Comedy"
    assert not [text for text in films.text if ", The (" in text]


def test_a_zip_in_the_cache_is_preferred_and_one_of_another_hash_refused(
    zipped: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf = tmp_path / "ml-100k"
    shelf.mkdir()
    (shelf / "ml-100k.zip").write_bytes(zipped.read_bytes())
    monkeypatch.setenv("COLDBENCH_DATA", str(tmp_path))
    dataset = registry.find("datasets", "ml-100k")()
    with pytest.raises(
        UserError, match=r"SHA-256 is [0-9a-f]+, expected 50d2a982.*coldbench fetch"
    ):
        dataset.load()
    pinned = replace(ml.ZIP, sha256=sha256(zipped))
    for name in ("DATA", "ITEM"):
        monkeypatch.setattr(ml, name, replace(getattr(ml, name), archive=pinned))
    log, _ = dataset.load()
    assert np.bincount(log.ratings.astype(int)).tolist() == [0, 6110, 11370, 27145, 34174, 21201]
    assert (shelf / "u.data").is_file(), "the zip was not what was read"


@pytest.mark.parametrize(
    ("file", "wrong", "message"),
    [
        (0, "7\t3\t6\t881250949", r"u\.data:2:5: value '6', expected a whole number from 1 to 5"),
        (0, "7\t3\t5", r"u\.data:2:5: value '5', expected 4 fields, found 3"),
        (0, "7\t3\t5\t-1", r"u\.data:2:7: value '-1', expected a time in seconds"),
        (1, "2|Made Up (1990)|0|1", r"u\.item:2:20: value '1', expected 24 fields, found 4"),
    ],
)
def test_a_damaged_row_of_grouplens_is_named(
    unzipped: tuple[Path, Path], file: int, wrong: str, message: str
) -> None:
    lines = unzipped[file].read_text(encoding="latin-1").split("\n")[:20]
    lines[1] = wrong
    unzipped[file].write_text("\n".join(lines), encoding="latin-1")
    with pytest.raises(BadFile, match=message):
        ml.read_grouplens(*unzipped)
