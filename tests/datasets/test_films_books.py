"""Loaders of films and books, on made-up files of exactly the published form."""

from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from coldbench import registry
from coldbench.errors import BadFile, UserError
from tests.published import load, rows


def test_ml_latest_small_has_half_stars_quoted_titles_and_films_without_a_genre(place: Any) -> None:
    place("ml-latest-small")
    log, films = load("ml-latest-small")
    assert rows(log, films) == [
        (0, "7", 0.5, 1000000100),
        (0, "8", 3.5, 1000000200),
        (0, "10", 4.0, 1000000300),
        (1, "10", 5.0, 1000000200),
    ]
    assert films.text == (
        "The Lantern of Ghent (1971): Drama, Fantasy",
        "The Keeper: Été à Gand (2008): Children",
        'A "Quoted" Pond (a.k.a. Étang, L\') (1999)',
    )
    assert films.tags == (("Drama", "Fantasy"), ("Children",), ())


def test_ml_1m_is_read_between_double_colons_in_latin_1(place: Any) -> None:
    place("ml-1m")
    log, films = load("ml-1m")
    assert rows(log, films) == [
        (0, "10", 5.0, 978300760),
        (1, "10", 3.0, 978300100),
        (1, "7", 1.0, 978300300),
    ]
    assert films.text == (
        "The Lantern of Ghent (1971): Drama, Fantasy",
        "L' Été (Summer) (1960): Children's",
    )
    assert films.tags == (("Drama", "Fantasy"), ("Children's",))


def test_a_film_without_a_plot_keeps_its_title_and_genres(place: Any) -> None:
    place("ml-100k")
    place("ml-100k-plots")
    log, films = load("ml-100k-plots")
    assert films.text == (
        "The Quiet Pond (1990): A \U0001f438 sits.",
        "Étang (1991): Action",
        "Moss (1992): It grows.",
    )
    plain, plain_films = load("ml-100k")
    assert log.hash() == plain.hash() and films.tags == plain_films.tags == (("Action",),) * 3
    assert rows(log, films)[:2] == [(0, "1", 5.0, 881250900), (0, "2", 3.0, 881250949)]


def test_the_titles_of_book_crossing_are_put_together_again(place: Any) -> None:
    place("book-crossing")
    log, books = load("book-crossing")
    assert books.ids == ("1", "2", "5"), "books that nobody rated are left out"
    assert books.text == (
        "Salt & Rope by Ann Fen (Oar & Sons, 1991)",
        "Ponds (Waters; Vol. 2) by Li Ó Moss (Heron)",
        "Moss (2001)",
    )
    assert rows(log, books) == [
        (0, "1", 8.0, None),
        (0, "5", 1.0, None),
        (0, "2", 7.0, None),
        (1, "1", 10.0, None),
    ]


def test_goodbooks_keeps_the_order_of_the_file_and_of_two_ratings_the_later(place: Any) -> None:
    place("goodbooks-10k")
    log, books = load("goodbooks-10k")
    assert rows(log, books) == [
        (0, "2", 5.0, None),
        (0, "1", 1.0, None),
        (1, "3", 2.0, None),
        (1, "1", 3.0, None),
    ]
    assert log.duplicates == 1
    assert registry.find("datasets", "goodbooks-10k").ordered


def test_a_book_of_goodbooks_is_its_title_authors_year_and_telling_shelves(place: Any) -> None:
    place("goodbooks-10k")
    _, books = load("goodbooks-10k")
    assert books.text == (
        "Pond (Waters, #1) by Ann Fen, Li Ó Moss (2008)",
        'A Pond Called "Moss" by Ann Fen (750 BC)',
        "بركة by بركة",
    )
    assert books.tags == (("fantasy", "ponds"), ("frogs",), ())


def test_a_book_has_five_shelves_at_most(place: Any) -> None:
    numbers = range(10, 17)
    more = "".join(f"70,{number},{number}\n" for number in numbers)
    named = "".join(f"{number},shelf-{number}\n" for number in numbers)
    place("goodbooks-10k", ("70,7,20\n", more), ("8,frogs\n", f"8,frogs\n{named}"))
    _, books = load("goodbooks-10k")
    assert books.tags[0] == ("fantasy", "shelf-16", "shelf-15", "shelf-14", "shelf-13")


@pytest.mark.parametrize(
    ("name", "old", "new", "said"),
    [
        ("ml-latest-small", "2,7,0.5,", "2,7,5.5,", r"ratings\.csv:4:5: value '5\.5', .*0\.5 to 5"),
        ("ml-latest-small", ",Children\n", "\n", r"movies\.csv:3:3: .*3 fields, found 2"),
        ("ml-1m", "2::7::1::", "2::7::1.5::", r"ratings\.dat:2:7: value '1\.5', .*a whole number"),
        ("ml-1m", "::Comedy", "", r"movies\.dat:2:4: .*expected 3 fields, found 2"),
        ("ml-1m", "978300300", "978300300000", r"ratings\.dat:2:10: .*expected a time in seconds"),
        ("book-crossing", "1.000000", "0.000000", r"book_ratings\.dat:3:5: .*from 1 to 10"),
        ("book-crossing", "1991\tHeron", "19\tO\tHeron", r"items_info\.dat:4:.*9 fields, found 11"),
        ("book-crossing", "\t2001\t", "\tMMI\t", r"items_info\.dat:5:.*9 fields, found 10"),
        ("goodbooks-10k", "2,3,2\n", "2,3,\n", r"ratings\.csv:5:5: value '', .*from 1 to 5"),
        ("goodbooks-10k", ",-750.0,", ",long ago,", r"books\.csv:3:25: value 'long ago'"),
        ("goodbooks-10k", "70,6,30", "70,6", r"book_tags\.csv:4:4: .*3 fields, found 2"),
        ("goodbooks-10k", "6,fantasy", "6", r"tags\.csv:4:1: .*2 fields, found 1"),
    ],
)
def test_a_damaged_row_is_named(place: Any, name: str, old: str, new: str, said: str) -> None:
    place(name, (old, new))
    with pytest.raises(BadFile, match=said):
        load(name)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("[[[1", "[[1", r"metadata\.json:1:\d+: value .*expected JSON"),
        (
            '"Plot": "It grows."',
            '"Plot": null',
            r"metadata\.json: record 3 is .*expected \[\[number",
        ),
        ('[3, "Moss (1992)", "03"]', '["3"]', r"metadata\.json: record 3 is"),
    ],
)
def test_damaged_plots_are_named(place: Any, old: str, new: str, said: str) -> None:
    place("ml-100k-plots", (old, new))
    with pytest.raises(UserError, match=said):
        load("ml-100k-plots")


@pytest.mark.parametrize(
    "content", [b"\xff\xfe[", b"{}", b"[" * 200_000], ids=["16", "one", "deep"]
)
def test_what_is_no_list_of_plots_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "plots.json"
    path.write_bytes(content)
    with pytest.raises(UserError, match=str(path)):
        import_module("coldbench.datasets.ml_100k_plots").read_plots(path)
