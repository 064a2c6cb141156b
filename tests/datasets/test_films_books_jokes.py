"""Loaders of films, books and jokes, on made-up files of exactly the published form.

With COLDBENCH_TEST_DATA, a folder of the originals, the counts of the originals too.
"""

import gzip
import json
import os
import struct
import sys
import zipfile
from collections.abc import Sequence
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from coldbench import registry
from coldbench.dataset import File
from coldbench.errors import BadFile, Unavailable, UserError
from coldbench.files.locate import local_path, sha256
from coldbench.interactions import SECOND, Catalogue, Interactions

Row = tuple[int, str, float, float | None]  # user, item, rating, time
PUBLISHED = {
    "ml-latest-small": {
        "ratings.csv": (
            "userId,movieId,rating,timestamp\n11,10,5.0,1000000200\n2,10,4.0,1000000300\n"
            "2,7,0.5,1000000100\n2,8,3.5,1000000200\n"
        ),
        "movies.csv": (
            'movieId,title,genres\n7,"Lantern of  Ghent, The (1971)",Drama|Fantasy\n'
            '8,"Keeper, The: Été à Gand (2008)",Children\n9,Never Rated (2001),Comedy\n'
            '10,"""Quoted"" Pond, A (a.k.a. Étang, L\') (1999)",(no genres listed)\n'
        ),
    },
    "ml-1m": {
        "ml-1m/ratings.dat": "1::10::5::978300760\n2::7::1::978300300\n2::10::3::978300100\n",
        "ml-1m/movies.dat": (
            "7::Lantern of Ghent, The (1971)::Drama|Fantasy\n9::Never Rated (1999)::Comedy\n"
            "10::Été, L' (Summer) (1960)::Children's\n"
        ),
        "ml-1m/users.dat": "1::F::1::10::48067\n2::M::56::16::70072\n",
        "ml-1m/README": "SUMMARY\n",
    },
    "ml-100k": {
        "ml-100k/u.data": "1\t2\t3\t881250949\n1\t1\t5\t881250900\n2\t3\t1\t881250000\n",
        "ml-100k/u.item": "".join(
            f"{film}|{title}|01-Jan-1990||http://address|{'|'.join('0100000000000000000')}\n"
            for film, title in (
                (1, "Quiet Pond, The (1990)"),
                (2, "Étang (1991)"),
                (3, "Moss (1992)"),
            )
        ),
    },
    "ml-100k-plots": {
        "ml-100k_omdb_metadata.json": json.dumps(
            [
                [
                    [1, "Quiet Pond, The (1990)", "01"],
                    {"Title": "T", "Plot": "A \U0001f438\n sits."},
                ],
                [[2, "Étang (1991)", "02"], {"Title": "T", "Plot": "N/A", "imdbRating": "9"}],
                [[3, "Moss (1992)", "03"], {"Title": "T", "Plot": "It grows."}],
            ]
        ),
    },
    "book-crossing": {
        "book_crossing/book_ratings.dat": (
            "user\titem\trating\n3\t1\t8.000000\n3\t5\t1.000000\n20\t1\t10.000000\n3\t2\t7.000000\n"
        ),
        "book_crossing/items_info.dat": (
            "Book_ID\tISBN\tBook-Title\tBook-Author\tYear-Of-Publication\tPublisher\tImage-URL-S"
            "\tImage-URL-M\tImage-URL-L\n"
            "1\t000000001X\tSalt &amp\t Rope\tAnn Fen\t1991\tOar &amp\t Sons\thttp://s\thttp://m"
            "\thttp://l\t\n"
            "2\t0000000020\tPonds  (Waters\t Vol. 2)\tLi  Ó Moss\t0\tHeron\thttp://s\thttp://m"
            "\thttp://l\t\n"
            "4\t0000000040\tNever Rated\tAnn Fen\t1991\tHeron\thttp://s\thttp://m\thttp://l\t\n"
            "5\t0000000050\tMoss\t\t2001\tNot Avail\thttp://s\thttp://m\thttp://l\t\n"
        ),
        "book_crossing/README": "SUMMARY\n",
    },
    "goodbooks-10k": {
        "ratings.csv": "user_id,book_id,rating\n1,2,5\n2,1,4\n1,1,1\n2,3,2\n2,1,3\n",
        "books.csv": (
            "book_id,goodreads_book_id,best_book_id,work_id,books_count,isbn,isbn13,authors,"
            "original_publication_year,original_title,title,language_code,average_rating,"
            "ratings_count,work_ratings_count,work_text_reviews_count,ratings_1,ratings_2,ratings_3,"
            "ratings_4,ratings_5,image_url,small_image_url\n"
            '1,70,70,700,2,439023483,9.78043902348e+12,"Ann Fen, Li Ó Moss",2008.0,Pond,"Pond  '
            '(Waters, #1)",eng,4.34,9,9,9,1,2,3,4,5,https://m,https://s\n'
            '2,80,80,800,2,,,Ann Fen,-750.0,,"A Pond Called ""Moss""",,4.00,9,9,9,1,2,3,4,5,https://m,'
            "https://s\n"
            "3,90,90,900,2,,,بركة,,,بركة,ara,4.00,9,9,9,1,2,3,4,5,https://m,https://s\n"
        ),
        "tags.csv": "tag_id,tag_name\n0,-\n5,to-read\n6,fantasy\n7,ponds\n8,frogs\n",
        "book_tags.csv": (
            "goodreads_book_id,tag_id,count\n70,5,900\n70,7,20\n70,6,30\n80,5,800\n80,8,-1\n"
        ),
        "to_read.csv": "user_id,book_id\n1,3\n",
    },
}
LATIN_1 = ("ml-1m", "ml-100k")
NAMES = [*(name for name in PUBLISHED if name != "ml-100k"), "jester"]


@pytest.fixture(autouse=True)
def shelves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLDBENCH_DATA", str(tmp_path))
    monkeypatch.setenv("COLDBENCH_OFFLINE", "1")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Put a dataset's files, changed a little, where its loader finds them, and pin them."""

    def placed(name: str, *changes: tuple[str, str]) -> None:
        folder = tmp_path / name
        folder.mkdir()
        files = dict(PUBLISHED[name])
        for old, new in changes:
            assert any(old in text for text in files.values())
            files = {path: text.replace(old, new) for path, text in files.items()}
        encoding = "latin-1" if name in LATIN_1 else "utf-8"
        module: Any = import_module(f"coldbench.datasets.{name.replace('-', '_')}")
        zipped = getattr(module, "ZIP", None)
        if zipped:
            with zipfile.ZipFile(folder / zipped.name, "w", zipfile.ZIP_DEFLATED) as archive:
                for path, text in files.items():
                    archive.writestr(path, text.encode(encoding))
            zipped = replace(zipped, sha256=sha256(folder / zipped.name))
        else:
            for path, text in files.items():
                (folder / path).write_bytes(text.encode(encoding))
        for attribute, file in list(vars(module).items()):
            if isinstance(file, File) and file.archive:
                monkeypatch.setattr(module, attribute, replace(file, archive=zipped, sha256=""))
            elif isinstance(file, File) and (folder / file.name).is_file():
                pinned = replace(file, sha256=sha256(folder / file.name))
                monkeypatch.setattr(module, attribute, pinned)

    return placed


def load(name: str) -> tuple[Interactions, Catalogue]:
    log, items = registry.find("datasets", name)().load()
    return log, items


def rows(log: Interactions, items: Catalogue) -> list[Row]:
    times: Sequence[float | None] = [None] * len(log)
    if log.times is not None:
        times = (log.times / SECOND).tolist()
    names = [items.ids[item] for item in log.items]
    return list(zip(log.users.tolist(), names, log.ratings.tolist(), times, strict=True))


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


@pytest.mark.parametrize("name", [n for n in NAMES if n != "goodbooks-10k"])  # its hash is unknown
def test_a_file_of_another_hash_is_not_opened(tmp_path: Path, name: str) -> None:
    first = registry.find("datasets", name).files[0]
    pinned = first.archive or first
    (tmp_path / name).mkdir()
    (tmp_path / name / pinned.name).write_bytes(b"another")
    with pytest.raises(UserError, match=f"expected {pinned.sha256}"):
        load(name)


def _flags(kind: int, *, attributes: bool = False, tag: bool = False, levels: int = 0) -> bytes:
    is_object = kind == 25
    bits = kind | is_object << 8 | attributes << 9 | tag << 10 | levels << 12
    return struct.pack(">i", bits)


def _char(text: str) -> bytes:
    content = text.encode()
    return _flags(9, levels=64 if text.isascii() else 8) + struct.pack(">i", len(content)) + content


def _strings(texts: Sequence[str], **attributes: bytes) -> bytes:
    head = _flags(16, attributes=bool(attributes)) + struct.pack(">i", len(texts))
    return head + b"".join(map(_char, texts)) + (_pairs(attributes) if attributes else b"")


def _numbers(values: Sequence[float], kind: str) -> bytes:
    head = _flags({"i": 13, "d": 14}[kind]) + struct.pack(">i", len(values))
    return head + struct.pack(f">{len(values)}{kind}", *values)


def _pairs(parts: dict[str, bytes]) -> bytes:
    named = (_flags(2, tag=True) + _flags(1) + _char(n) + value for n, value in parts.items())
    return b"".join(named) + _flags(254)


def _s4(kind: str, **parts: bytes) -> bytes:
    parts["class"] = _strings([kind], package=_strings(["package"]))
    return _flags(25, attributes=True, levels=16) + _pairs(parts)


def rda(
    x: Sequence[float] = (-9.95, 0.0, 9.9, 1.5),
    i: Sequence[int] = (0, 1, 0, 1),
    p: Sequence[int] = (0, 2, 2, 4),
    users: Sequence[str] = ("u20", "u3"),
    jokes: Sequence[str] = ("Why a \U0001f438?\n Because.", "Nobody  rated.", "A pond walks in."),
) -> bytes:
    """R's own binary form, version 3: a realRatingMatrix over a dgCMatrix, and named texts."""
    names = [f"j{number}" for number in range(1, 4)]
    both = _flags(19) + struct.pack(">i", 2) + _strings(users) + _strings(names)
    cells = {"i": _numbers(i, "i"), "p": _numbers(p, "i"), "Dim": _numbers((2, 3), "i")}
    matrix = _s4("dgCMatrix", **cells, Dimnames=both, x=_numbers(x, "d"))
    ratings = _s4("realRatingMatrix", data=matrix, normalize=_flags(254))
    head = b"RDX3\nX\n" + struct.pack(">4i", 3, 0x40100, 0x30500, 5) + b"UTF-8"
    texts = _strings(jokes, names=_strings(names))
    return gzip.compress(head + _pairs({"Jester5k": ratings, "JesterJokes": texts}))


def put_jester(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    path = tmp_path / "jester" / "Jester5k.rda"
    path.parent.mkdir()
    path.write_bytes(content)
    module: Any = import_module("coldbench.datasets.jester")
    monkeypatch.setattr(module, "RDA", replace(module.RDA, sha256=sha256(path)))


def test_jester_is_read_from_rs_own_form(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put_jester(tmp_path, monkeypatch, rda())
    log, jokes = load("jester")
    assert rows(log, jokes) == [
        (0, "j1", np.float32(-9.95), None),
        (0, "j3", np.float32(9.9), None),
        (1, "j1", 0.0, None),
        (1, "j3", 1.5, None),
    ]
    assert jokes.text == ("Why a \U0001f438? Because.", "A pond walks in.")


@pytest.mark.parametrize(
    "content",
    [
        rda()[:200],
        b"RDX3\nX\n",
        rda(x=(1.0, 2.0, 3.0, 10.0)),
        rda(x=(1.0, 2.0, 3.0, float("nan"))),
        rda(x=(1.0, 2.0)),
        rda(i=(0, 2, 0, 1)),
        rda(i=(0, -1, 0, 1)),
        rda(p=(0, 3, 2, 4)),
        rda(users=("u1",)),
        rda(users=("u1", "")),
        rda(jokes=("One alone.",)),
        gzip.compress(b"RDX3\nX\n" + struct.pack(">4i", 3, 0x40100, 0x30500, 5) + b"UTF-8"),
    ],
    ids="cut head high nan few row-high row-low column user no-id jokes empty".split(),
)
def test_a_damaged_file_of_r_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    put_jester(tmp_path, monkeypatch, content)
    with pytest.raises(UserError, match=r"Jester5k\.rda: .*fix: get it again") as error:
        load("jester")
    assert "\n" not in str(error.value)


def test_without_rdata_jester_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rdata", None)
    with pytest.raises(Unavailable, match=r"pip install 'coldbench\[r\]'"):
        load("jester")


@pytest.mark.parametrize("name", NAMES)
def test_the_original_has_the_counts_that_are_said_of_it(tmp_path: Path, name: str) -> None:
    folder = os.environ.get("COLDBENCH_TEST_DATA")
    if not folder:
        pytest.skip("COLDBENCH_TEST_DATA names no folder of originals")
    (tmp_path / name).mkdir()
    for path in Path(folder, name).glob("*"):  # beside links, archives are unpacked in tmp_path
        (tmp_path / name / path.name).symlink_to(path.resolve())
    dataset = registry.find("datasets", name)()
    absent = [file.name for file in dataset.files if not local_path(name, file)]
    if absent:
        pytest.skip(f"{folder} has no {', '.join(absent)}")
    log, items = dataset.load()
    said = f"{log.n_users:,} users, {len(items):,} items, {len(log):,} ratings"
    assert said == dataset.size and log.duplicates == 0
    assert (log.ratings.min(), log.ratings.max()) == tuple(map(np.float32, dataset.scale))
    assert all(text == " ".join(text.split()) != "" for text in items.text)
