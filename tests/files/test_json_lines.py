"""JSON lines of one's own: what is read, and what is told of a file that is bad."""

import json
import re
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from coldbench.files import json_lines
from coldbench.files.schema import Column

source: Any = import_module("coldbench.benchmarks.dataset_names")
LINE = re.compile(r"^coldbench: (.+?):(\d+):(\d+): value (?:'.*'|\".*\"), expected .+; fix: .+$")
ROW = '{"user": "u1", "item": 4, "rating": 5, "time": 1260759148}'
COLUMNS = (Column("user", "id"), Column("rating", "number", 1, 5), Column("title"))


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def log(bent: str = ROW) -> bytes:
    """Twelve rows, the fifth as it is given."""
    rows = [
        {"user": f"u{n % 3}", "item": n, "rating": 1 + n % 5, "time": 1_260_759_144 + n}
        for n in range(12)
    ]
    lines = [json.dumps(row) for row in rows]
    return "\n".join([*lines[:4], bent, *lines[5:], ""]).encode("utf-8", "surrogateescape")


@pytest.mark.parametrize("change", ["as it is", "mark", "line ends"])
def test_a_sound_log_is_sound(ask: Any, change: str) -> None:
    content = {"mark": b"\xef\xbb\xbf" + log(), "line ends": log().replace(b"\n", b"\r\n")}
    Path("log.jsonl").write_bytes(content.get(change, log()))
    assert "sound: 3 users, 12 items, 12 interactions" in ask("validate", "log.jsonl").stdout


BENT = {  # of the fifth row: what is found, and from which place
    "no user": (ROW.replace('"user": "u1", ', ""), 1),
    "null for a user": (ROW.replace('"u1"', "null"), 10),
    "empty user": (ROW.replace('"u1"', '""'), 10),
    "nan for a user": (ROW.replace('"u1"', '"nan"'), 10),
    "float user": (ROW.replace('"u1"', "12.0"), 10),
    "user in exponents": (ROW.replace('"u1"', "1e+05"), 10),
    "overflowing user": (ROW.replace('"u1"', "9" * 20), 10),
    "5,000 digits for a user": (ROW.replace('"u1"', "9" * 5000), 10),
    "true for a user": (ROW.replace('"u1"', "true"), 10),
    "list for a user": (ROW.replace('"u1"', '["u1"]'), 10),
    "space before a user": (ROW.replace('"u1"', '" u1"'), 10),
    "bell in a user": (ROW.replace('"u1"', '"u\\u0007"'), 10),
    "half a letter in a user": (ROW.replace('"u1"', '"\\ud83d"'), 10),
    "float item": (ROW.replace("4,", "4.0,"), 24),
    "no rating": (ROW.replace('"rating": 5, ', ""), 1),
    "null rating": (ROW.replace("5,", "null,"), 37),
    "rating in quotes": (ROW.replace("5,", '"5",'), 37),
    "rating in words": (ROW.replace("5,", '"good",'), 37),
    "true for a rating": (ROW.replace("5,", "true,"), 37),
    "rating too big for a float": (ROW.replace("5,", "1e999,"), 37),
    "rating above the scale": (ROW.replace("5,", "5.5,"), 37),
    "negative rating": (ROW.replace("5,", "-3,"), 37),
    "list of ratings": (ROW.replace("5,", "[5],"), 37),
    "nan rating": (ROW.replace("5,", "NaN,"), 1),
    "infinite rating": (ROW.replace("5,", "-Infinity,"), 1),
    "hexadecimal rating": (ROW.replace("5,", "0x4,"), 38),
    "leading nought": (ROW.replace("5,", "05,"), 38),
    "negative time": (ROW.replace("1260759148", "-1"), 48),
    "time in milliseconds": (ROW.replace("1260759148", "1260759148000"), 48),
    "time in quotes": (ROW.replace("1260759148", '"1260759148"'), 48),
    "date for a time": (ROW.replace("1260759148", '"2009-12-14"'), 48),
    "key twice": (ROW.replace("time", "user"), 1),
    "key twice within": (ROW.replace("5,", '5, "x": {"y": 1, "y": 2},'), 1),
    "cut row": (ROW[:-9], None),
    "blank line": ("", 1),
    "two objects": (ROW + ROW, 59),
    "a comma after the last": (ROW.replace("}", ",}"), None),
    "single quotes": (ROW.replace('"', "'"), 2),
    "a list": ('["u1", 4, 5, 1260759148]', 1),
    "a number": ("5", 1),
    "lists in lists": ("[" * 100_000, 1),
    "Latin-1": (ROW.replace("u1", "\udce9"), 11),
    "NUL": (ROW.replace("u1", "u\0"), 12),
    "lone carriage return": (ROW.replace("u1", "u\r"), 12),
    "line of 10 MB": (ROW.replace("u1", "x" * 10_000_000), 10),
}


@pytest.mark.parametrize("name", BENT)
def test_a_bad_row_is_told_where_it_is_bad(ask: Any, name: str) -> None:
    bent, column = BENT[name]
    Path("log.jsonl").write_bytes(log(bent))
    ended = ask("describe", "log.jsonl", code=2)
    out, err = ended.stdout, ended.stderr
    assert out == "" and len(err.splitlines()) == 1 and len(err) < 600, err
    place = LINE.match(err)
    assert place and place[1] == "log.jsonl" and place[2] == "5", err
    assert column is None or int(place[3]) == column, err
    assert [path.name for path in Path().iterdir()] == ["log.jsonl"], "nothing is written"


WHOLE = {
    "empty": b"",
    "one newline": b"\n",
    "UTF-16": log().decode().encode("utf-16"),
    "old Mac's line ends": log().replace(b"\n", b"\r"),
    "no key of users": log().replace(b"user", b"who"),
    "a web page": b"<!DOCTYPE html>\n<html><body>404</body></html>\n",
    "an error": b'{"error": "not found"}\n',
    "one list over lines": json.dumps([{"user": 1}], indent=1).encode(),
    "cut in the middle": log()[:-30],
}


@pytest.mark.parametrize("name", WHOLE)
def test_a_bad_file_is_told(ask: Any, name: str) -> None:
    Path("log.jsonl").write_bytes(WHOLE[name])
    err = ask("describe", "log.jsonl", code=2).stderr
    assert LINE.match(err) and len(err.splitlines()) == 1, err


def test_keys_may_lie_deeper_and_lists_of_texts_are_tags() -> None:
    rows = [{"by": {"id": 7}, "of": f"p{n}", "stars": n + 1, "time": n} for n in range(5)]
    things = [{"of": f"p{n}", "title": f"Lamp {n}", "kinds": ["a", "b c"]} for n in range(5)]
    for name, table in (("log.jsonl", rows), ("things.ndjson", things)):
        Path(name).write_text("\n".join(map(json.dumps, table)))
    named = ["user=by.id", "item=of", "items=things.ndjson", "tags=kinds"]
    read, items = source.Source.of("log.jsonl", source.options(named)).dataset().load()
    assert read.ratings.tolist() == [1, 2, 3, 4, 5] and items.text[0] == "Lamp 0"
    assert items.tags[0] == ("a", "b c")


def test_a_key_that_a_row_lacks_is_an_empty_text() -> None:
    content = b'{"user": 1, "rating": 5, "title": "a"}\n{"rating": 1.50, "user": "b"}\n'
    assert json_lines.read(COLUMNS, Path("f"), content).rows() == [("1", 5.0, "a"), ("b", 1.5, "")]


def test_a_large_log_is_checked_a_column_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_lines, "_closely", None)
    content = b'{"user": 1, "rating": 5, "title": "a"}\n' * 9
    assert json_lines.read(COLUMNS, Path("f"), content).height == 9
