"""The fuzzed parsers without a fuzzer: their seeds, some bent seeds, and what fuzzing has found."""

import gzip
import random
import runpy
import struct
import sys
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from coldbench import registry
from coldbench.errors import BadFile, UserError
from coldbench.files import delimited, parquet
from coldbench.files.frames import from_frames
from coldbench.files.schema import Column
from tests.console import ran

HERE = Path(__file__).parents[1] / "fuzz"
fuzz: dict[str, Any] = runpy.run_path(str(HERE / "targets.py"))
given: dict[str, Any] = fuzz["_given"]
TARGETS: dict[str, Callable[[bytes], None]] = fuzz["TARGETS"]
SEEDS: dict[str, list[bytes]] = fuzz["SEEDS"]
MARK: bytes = fuzz["MARK"]
BENT = 200  # inputs of each target
FEWER = dict.fromkeys(("ml-20m", "ml-32m"), 20) | dict.fromkeys(  # read as ml-25m is
    ("parquet", "amazon-2023", "goodreads", "yelp", "movietweetings", "gowalla", "kuairec"), 5
)  # a process for each of parquet; the others' readers are targets of their own


def bent(chance: random.Random, content: bytes) -> bytes:
    """The content after one to four accidents."""
    for _ in range(chance.randint(1, 4)):
        first, last = sorted(chance.choices(range(len(content) + 1), k=2))
        token = chance.choice(fuzz["TOKENS"])
        accidents = (
            content[:first] + token + content[first:],
            content[:first] + token + content[first + len(token) :],
            content[:first] + content[min(last, first + 40) :],
            content[:last] + content[first:],
            content[: max(first, 1)],
            content[:first] + bytes([chance.randrange(256)]) + content[first + 1 :],
        )
        content = chance.choice(accidents)
    return content


@pytest.mark.parametrize("name", TARGETS)
def test_the_seeds_are_sound(tmp_path: Path, name: str) -> None:
    for number, seed in enumerate(SEEDS[name]):
        place = tmp_path / str(number)
        place.mkdir()
        fuzz["PARSERS"][name](seed, place)


@pytest.mark.slow
@pytest.mark.parametrize("name", TARGETS)
def test_bent_seeds_end_in_a_sound_result_or_in_one_line(name: str) -> None:
    chance = random.Random(name)
    for number in range(BENT // FEWER.get(name, 1)):
        content = bent(chance, SEEDS[name][number % len(SEEDS[name])])
        try:
            TARGETS[name](content)
        except BaseException:
            print(f"{name} is broken by {content!r}")
            raise


def test_every_loader_of_files_is_fuzzed() -> None:
    assert set(registry.names("datasets")) - {"synthetic"} <= set(TARGETS), "add seeds"


@pytest.mark.parametrize("error", [ValueError("x"), UserError("two\nlines"), KeyError("x")])
def test_a_parser_that_fails_otherwise_is_caught(error: Exception) -> None:
    def parse(content: bytes, place: Path) -> None:
        raise error

    with pytest.raises((ValueError, AssertionError, KeyError)):
        fuzz["_run"](parse, b"")


def test_without_atheris_one_line_says_what_to_install(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    main = runpy.run_path(str(HERE / "run.py"))["main"]
    monkeypatch.setitem(main.__globals__, "find_spec", lambda _: None)
    monkeypatch.setattr("sys.argv", ["run.py"])
    assert main() == 2
    assert capsys.readouterr().err == "fuzzing needs atheris: pip install 'coldbench[fuzz]'\n"


CSV = b"user,item,rating,time\n"
PLOTS, BOOKS = SEEDS["ml-100k-plots"][0], SEEDS["book-crossing"][0]
GRID = b'datasets = ["synthetic"]\nmethods = ["item-bias"]\n'
TRADES = b"transaction_date,ticker,asset_description,asset_type,type,senator\n"
FOUND: dict[str, tuple[str, bytes]] = {  # each ended in another exception, or in an unsound result
    "an id of 5,000 digits": ("csv", CSV + b"9" * 5000 + b",1,1,1\n"),
    "a whole number of 400 digits": ("reader", b"\0" + CSV + b"u," + b"9" * 400 + b",1,1\n"),
    "the least of 64 bits": ("reader", b"\0" + CSV + b"u,-9223372036854775808,1,1\n"),
    "digits of another script": ("csv", CSV + "１２,1,1,1\n".encode()),
    "a header that is no UTF-8": ("reader", b"\0user,item,rating,time,\xff\nu,1,1,1,\n"),
    "Latin-1 that begins as UTF-16 does": ("reader", b"\4\xff\xfe\t1/1/2020\t\n"),
    "rows that begin as gzip does": ("csv", CSV + b"\x1f\x8b" + b"x" * 40),
    "a line end in a column's name": ("csv", b"user,item,rating,time,item\x1d\nu,1,1,1,1\n"),
    "no trade that buys or sells": ("senate-trades", TRADES + b"11/13/2020,N/A,,,N/A,Ann Fen\n"),
    "no rating": ("coat", b"0 0 0\n" + MARK + b"0 0 0\n"),
    "no title and no genre": ("ml-1m", b"1::7::5::1" + MARK + b"7::::"),
    "half a letter in JSON": ("ml-100k-plots", PLOTS.replace(b"\\ud83d", b"")),
    "5,000 digits in JSON": ("ml-100k-plots", b"[" + b"9" * 5000 + b"]"),
    "5,000 digits in HTML": ("book-crossing", BOOKS.replace(b"Salt", b"&#" + b"9" * 5000)),
    "a list of seeds by method": ("grid", GRID + b"seeds_for = [1]"),
    "a date in a grid": ("grid", GRID + b"limit = 1979-05-27"),
    "a list for a preset": ("grid", GRID + b"protocol = {preset = [1]}"),
    "a number for a choice": ("grid", GRID + b"protocol = {labels = 5}"),
    "tables in tables": ("grid", GRID + b"limit = " + b"[" * 900 + b"]" * 900),
    "5,000 digits in TOML": ("grid", GRID + b"limit = " + b"9" * 5000),
    "5,000 digits in a change": ("grid", GRID + MARK + b"limit=" + b"9" * 5000),
    "half a letter in a key": (
        "json-lines",
        b'{"user": 1, "item": 2, "rating": 3, "\\ud800": 1}\n',
    ),
    "nan in a grid": ("grid", GRID + b"[params.maml]\nx = nan"),
    "a rare letter in a grid": ("grid", GRID + '[params.maml]\nx = "😀\\u007f"'.encode()),
    "a method in two lines": ("grid", GRID + b'[seeds_for]\n"a\\nb" = [1.5]'),
    "true and false for ratings": ("jester", given["rda"](x=struct.pack(">6i", 10, 4, 1, 0, 1, 1))),
}


@pytest.mark.parametrize("what", FOUND)
def test_what_fuzzing_found_stays_mended(what: str) -> None:
    name, content = FOUND[what]
    TARGETS[name](content)


LONG: dict[str, tuple[str, bytes]] = {  # each took 20 seconds or more
    "digits and a letter": ("csv", CSV + b"u,1," + b"9" * 90_000 + b"x,1\n"),
    "a header of 90,000 columns": ("csv", CSV[:-1] + b"," * 90_000 + b"\n1,1,1,1\n"),
    "quotes that do not close": ("reader", b"\1" + CSV + b'a","\n' * 90_000),
    "dots in a grid": ("grid", b"a" + b".a" * 45_000 + b" = 1\n"),
    "spaces between tags": ("csv", CSV + MARK + b"item,genres\n1,a" + b" " * 90_000 + b"b\n"),
}


@pytest.mark.slow
@pytest.mark.parametrize("what", LONG)
def test_a_long_value_takes_no_long_time(what: str) -> None:
    name, content = LONG[what]
    before = time.perf_counter()
    TARGETS[name](content.replace(CSV + MARK, CSV + b"u,1,1,1\n" + MARK))
    assert time.perf_counter() - before < 10


def _sequence() -> bytes:
    """Two thousand million numbers in 70 bytes, as R keeps 1:2000000000."""
    name = struct.pack(">3i", 1, 9 | 64 << 12, 14) + b"compact_intseq"
    length = struct.pack(">2i3d", 14, 3, 2e9, 1.0, 1.0)
    nothing = struct.pack(">i", 254)
    return struct.pack(">2i", 238, 2) + name + nothing + length + nothing


CALLS = struct.pack(">i", 6 | 1 << 9) * 60 + struct.pack(">i", 254) * 121
MANY = [f"x{n}" for n in range(20_000)]
R: dict[str, tuple[bytes, str]] = {  # objects that ask for all memory, or for all time
    "byte code": (given["rda"](struct.pack(">4i", 21, 2**31 - 1, 254, 0)), "of the kind BCODE"),
    "a sequence": (given["rda"](_sequence()), "compact_intseq"),
    "attributes in attributes": (given["rda"](CALLS), "of the kind LANG"),
    "a long string": (given["rda"](given["_strings"](["x" * 6000])), "a string of 6,000 bytes"),
    "many objects": (
        given["rda"](given["_strings"](MANY)),
        "more than 20,000 objects",
    ),
    "a bomb": (gzip.compress(bytes(20 * 2**20)), "expands to more than"),
    "text": (b"RDA3\nA\n3\n", "no workspace in R's binary form"),
    "a tag where none is": (given["rda"](x=struct.pack(">2i", 14 | 1 << 10, 0)), "Tag not"),
}


@pytest.mark.parametrize("what", R)
def test_a_small_file_of_r_cannot_ask_for_much(tmp_path: Path, what: str) -> None:
    content, reason = R[what]
    with pytest.raises(UserError, match=f"Jester5k.rda: .*{reason}"):
        fuzz["PARSERS"]["jester"](content, tmp_path)


def test_a_parquet_file_that_unpacks_to_much_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "log.parquet"
    pl.select(user=pl.repeat("u", 2_000_000)).write_parquet(path)
    with pytest.raises(BadFile, match=r"value '32,000,000 bytes', expected a file that unpacks to"):
        parquet.read((Column("user", "id"),), path)
    pl.select(title=pl.repeat("x" * 10_000, 10_000)).write_parquet(path)
    with pytest.raises(BadFile, match=r"value '100,000,000 bytes'"):
        parquet.read((Column("title"),), path)


@pytest.fixture
def one_user(tmp_path: Path) -> Path:
    pl.DataFrame({"user": ["u"]}).write_parquet(tmp_path / "log.parquet")
    return tmp_path / "log.parquet"


ABORT, DAMAGED, NO_LIMIT = "import os; os.abort()", "raise SystemExit('damaged')", float("inf")
NOT_WHOLE, NO_MEMORY = ".*expected a whole Parquet file", "there is not enough memory"


@pytest.mark.parametrize(
    ("trial", "limit", "reason"),
    [
        (ABORT, NO_LIMIT, f"reading it ended a process by 6{NOT_WHOLE}"),
        (ABORT, parquet.SPARE, NO_MEMORY),
        (ABORT, parquet.SPARE + 63, NO_MEMORY),
        (ABORT, parquet.SPARE + 64, f"by 6{NOT_WHOLE}"),
        (DAMAGED, NO_LIMIT, f"damaged{NOT_WHOLE}"),
        (DAMAGED, parquet.SPARE, f"damaged{NOT_WHOLE}"),
        (parquet.TRIAL.replace("int(sys.argv[1])", "10**8"), NO_LIMIT, NOT_WHOLE),
        ("import time; time.sleep(60)", NO_LIMIT, f"takes more than 1 seconds{NOT_WHOLE}"),
        ("raise MemoryError", parquet.SPARE, NO_MEMORY),
        ("import os; os.kill(os.getpid(), 9)", NO_LIMIT, NO_MEMORY),
    ],
)
def test_a_parquet_file_that_ends_its_reader_is_damaged_or_there_is_too_little_memory(
    one_user: Path, monkeypatch: pytest.MonkeyPatch, trial: str, limit: float, reason: str
) -> None:
    """One user is read in SPARE + 4 * 16 bytes: with one byte less the limit may be why."""
    monkeypatch.setattr(parquet, "TRIAL", trial)
    monkeypatch.setattr(parquet, "PATIENCE", 0.6 if "sleep" in trial else 60)
    monkeypatch.setattr(parquet, "address_space", lambda: limit)
    with pytest.raises(UserError, match=reason):
        parquet.read((Column("user", "id"),), one_user)


def test_a_sound_parquet_file_is_read_under_a_limit_of_memory(one_user: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from coldbench.files import parquet; "
        "from coldbench.files.schema import Column; "
        "print(parquet.read((Column('user', 'id'),), Path(sys.argv[1])).height)"
    )
    limited = ["bash", "-c", 'ulimit -v 4000000 && exec "$@"', "-"]
    assert ran(*limited, sys.executable, "-P", "-c", code, one_user).stdout == "1\n"


def test_a_panic_of_polars_is_told(one_user: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def panic(*_: object, **__: object) -> None:
        raise pl.exceptions.PanicException("index out of bounds\nand more")

    monkeypatch.setattr(pl, "read_parquet_schema", panic)
    with pytest.raises(BadFile, match="'index out of bounds', expected a whole Parquet file"):
        parquet.names_of(one_user)


@pytest.mark.parametrize("name", ["us\ner", "us\x1ber", "us\u2028er"])
def test_a_column_s_name_cannot_reach_the_terminal(tmp_path: Path, name: str) -> None:
    pl.DataFrame({name: ["u"]}).write_parquet(tmp_path / "log.parquet")
    (tmp_path / "log.csv").write_text(f'item,"{name}"\n'.replace("\n", "\x0b", name.count("\n")))
    with pytest.raises(BadFile, match="expected a name without control characters") as error:
        parquet.names_of(tmp_path / "log.parquet")
    with pytest.raises(BadFile, match="expected a name without control characters") as told_too:
        delimited.header_of(tmp_path / "log.csv", ",")
    assert str(error.value).isprintable() and str(told_too.value).isprintable()


def test_an_item_without_text_is_called_by_its_id_and_text_stands_on_one_line() -> None:
    log = pl.DataFrame({"user": ["u"] * 3, "item": ["a", "b", "c"], "rating": [1.0] * 3})
    kinds = pl.Series([[], ["", " x "], ["y"]], dtype=pl.List(pl.String))
    items = pl.DataFrame({"item": ["a", "b", "c"], "text": [" ", "two\u2028 lines", "x"]})
    _, known = from_frames(log, items.with_columns(tags=kinds))
    assert known.text == ("a", "two lines", "x")
    assert known.tags == ((), ("x",), ("y",))
    with pytest.raises(UserError, match="the log holds no interaction"):
        from_frames(log.clear(), items)


def test_a_film_without_a_title_is_its_genres() -> None:
    assert import_module("coldbench.datasets._movies").line("", ["Drama", "War"]) == "Drama, War"


def test_braces_in_a_column_s_name_are_no_template(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_bytes(CSV + b"u,1,1,1\n")
    (tmp_path / "items.csv").write_bytes(b"item{}\n1\n")
    dataset = registry.find("datasets", "csv")(
        path=str(tmp_path / "log.csv"), items=str(tmp_path / "items.csv"), rating="none"
    )
    assert dataset.load()[1].text == ("1",)


def test_a_shelf_that_is_named_twice_counts_once(tmp_path: Path) -> None:
    (tmp_path / "tags.csv").write_text("tag_id,tag_name\n7,ponds\n7,lakes\n8,seas\n")
    (tmp_path / "book_tags.csv").write_text("goodreads_book_id,tag_id,count\n70,7,2\n80,8,1\n")
    module = import_module("coldbench.datasets.goodbooks_10k")
    shelves = module.read_shelves(tmp_path / "tags.csv", tmp_path / "book_tags.csv")
    assert shelves["tags"].to_list() == [["ponds"], ["seas"]]
