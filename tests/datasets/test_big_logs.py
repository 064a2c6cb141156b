"""Loaders of big public logs, on made-up files of the form that their publishers describe."""

import gzip
import runpy
import zipfile
from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from coldbench import registry
from coldbench.errors import BadFile, UserError
from coldbench.files.locate import digest
from tests.published import load, rows

TEXTS: dict[str, dict[str, str]] = runpy.run_path(
    str(Path(__file__).parents[1] / "fuzz/_seeds.py")
)["TEXTS"]
Row = tuple[int, str, float, float]  # user, item, rating, time
LOGS: dict[str, tuple[list[Row], tuple[str, ...]]] = {
    "movietweetings": (
        [(0, "0114508", 8.0, 1381006850), (1, "0102358", 0.0, 1371884848)],
        ("Species (1995): Action, Horror", "The Léon (1991)"),
    ),
    "gowalla": (
        [(0, "22847", 1.0, 1287532527), (1, "420315", 1.0, 1287440263)],
        ("a place at 30.2, -97.8", "a place at 30.3, -97.7"),
    ),
    "kuairec": (
        [(0, "148", 0.0, 1593898068.378), (0, "183", 1.0, 1593898080.057)],
        ("categories 8", "categories 27, 9"),
    ),
    "amazon-2023": (
        [(0, "B2", 1.0, 1588615855.070), (1, "B0", 5.0, 1588687728.923)],
        ("Spray by Pond", "Moss"),
    ),
    "goodreads": ([(0, "1384", 4.0, 1178728424)], ("The Pond (1997)",)),
    "yelp": ([(0, "XQ", 3.0, 1531001351)], ("Pond, Reed: Bars, Food",)),
}
BAD = [
    ("movietweetings", "::8::", "::11::", r"ratings\.dat:1:13: value '11', .*from 0 to 10"),
    ("gowalla", "23:55:27Z", "25:55:27Z", r"Checkins\.txt\.gz:1:3: .*expected a date like 2020"),
    ("kuairec", ",0.72", ",-0.72", r"small_matrix\.csv:2:68: value '-0\.72', .*from 0 to inf"),
    ("kuairec", '183,"[27', '180,"[27', r"'183' among them"),
    ("amazon-2023", "5.0", "6.0", r"All_Beauty\.jsonl\.gz:1:12: value '6\.0', .*from 1 to 5"),
    ("amazon-2023", "1588615855070", "-1", r"jsonl\.gz:2:70: value '-1', .*milliseconds"),
    ("goodreads", '"rating": 4', '"rating": 4.5', r"poetry\.json\.gz:1:88: .*a whole number"),
    ("goodreads", "Wed May 09", "2007-05-09", r"poetry\.json\.gz:1:135: .*a date like %a %b"),
    ("yelp", '"stars":3.0', '"stars":"3"', r"review\.json:1:62: .*a number, not in quotes"),
    ("yelp", '"MT"', "null", r"business\.json:2:16: .*a value of 'business_id'"),
]


@pytest.fixture
def put(shelves: Path) -> Callable[..., None]:

    def placed(name: str, old: str = "", new: str = "") -> None:
        (shelves / name).mkdir()
        for file, text in TEXTS[name].items():
            content = (text.replace(old, new, 1) if old else text).encode()
            packed = gzip.compress(content) if file.endswith(".gz") else content
            (shelves / name / file).write_bytes(packed)

    return placed


@pytest.mark.parametrize("name", LOGS)
def test_a_log_is_read_in_the_form_that_is_published(put: Callable[..., None], name: str) -> None:
    put(name)
    log, items = load(name)
    assert (rows(log, items), items.text) == LOGS[name]


@pytest.mark.parametrize(("name", "old", "new", "message"), BAD)
def test_a_damaged_row_is_named(
    put: Callable[..., None], name: str, old: str, new: str, message: str
) -> None:
    put(name, old, new)
    with pytest.raises((BadFile, UserError), match=message):
        load(name)


@pytest.mark.parametrize("size", ["20m", "25m", "32m"])
def test_large_movielens_is_read_from_its_zip(
    shelves: Path, monkeypatch: pytest.MonkeyPatch, size: str
) -> None:
    monkeypatch.setenv("COLDBENCH_CACHE", str(shelves))
    loader: Any = import_module(f"coldbench.datasets.ml_{size}")
    path = shelves / f"ml-{size}" / f"ml-{size}.zip"
    path.parent.mkdir()
    with zipfile.ZipFile(path, "w") as archive:
        for file, text in TEXTS[f"ml-{size}"].items():
            archive.writestr(f"ml-{size}/{file}", text)
    zipped = replace(loader.ZIP, md5=digest(path, "md5"))
    for name in ("RATINGS", "MOVIES"):
        monkeypatch.setattr(loader, name, replace(getattr(loader, name), archive=zipped))
    log, films = load(f"ml-{size}")
    assert log.ratings.tolist() == [0.5, 5.0]
    assert films.text == ("The Lantern (1971): Drama, Fantasy", '"Quoted" Pond (1999)')


def test_another_category_or_genre_is_another_file(put: Callable[..., None]) -> None:
    put("amazon-2023")
    with pytest.raises(UserError, match=r"Books\.jsonl\.gz is not to be had"):
        registry.find("datasets", "amazon-2023")(category="Books").load()
    with pytest.raises(UserError, match="no category 'Bokks'; did you mean 'Books'"):
        registry.find("datasets", "amazon-2023")(category="Bokks")
    with pytest.raises(UserError, match=r"interactions_romance\.json\.gz is not to be had"):
        registry.find("datasets", "goodreads")(genre="romance").load()
    with pytest.raises(UserError, match="no genre 'romanze'; did you mean 'romance'"):
        registry.find("datasets", "goodreads")(genre="romanze")
