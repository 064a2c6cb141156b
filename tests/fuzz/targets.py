"""Every parser as a function of bytes: it ends in a sound result, or in one line that says why not.

Any other exception, a hang, or a result that breaks a promise is a bug. An input of several files
has MARK between them; a file that it lacks is the sound one of _seeds.py.
"""

import gzip
import os
import runpy
import tempfile
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np

from coldbench import registry
from coldbench.augment import wordnet
from coldbench.errors import UserError
from coldbench.files import json_lines, locate
from coldbench.files.archive import extract, extract_all, gunzip
from coldbench.files.archive_members import LIMITS
from coldbench.files.delimited import Table
from coldbench.files.schema import LATEST, Column
from coldbench.interactions import SECOND
from tests.readings import same_reading

grid: Any = import_module("coldbench.benchmarks.grid")
_given: dict[str, Any] = runpy.run_path(str(Path(__file__).with_name("_seeds.py")))
MARK: bytes = _given["MARK"]
TEXTS: dict[str, dict[str, str]] = _given["TEXTS"]
TOKENS: tuple[bytes, ...] = _given["TOKENS"]
SEEDS: dict[str, list[bytes]] = _given["seeds"]()

BINARY = {
    "jester": ["Jester5k.rda"],
    "un-votes": ["un_votes.rda", "un_roll_calls.rda", "un_roll_call_issues.rda"],
}
EARLIEST = {"politics": -8_766 * 86_400 * SECOND}  # the United Nations voted first in 1946

COLUMNS = (
    Column("user", "id"),
    Column("item", "whole"),
    Column("rating", "number", 1, 5),
    Column("time", "time"),
)
DATED = (
    Column("user", "id"),
    Column("time", "time", unit="%m/%d/%Y"),
    Column("year", "number", empty=True),
)
TABLES = (
    Table(COLUMNS),
    Table(COLUMNS, quoted=True),
    Table(COLUMNS, "::", header=False),
    Table(DATED, "\t", encoding="latin-1"),
    Table(DATED, "\t", header=False, encoding="latin-1"),
)


def table(content: bytes, _: Path) -> None:
    """The first byte says which table the rest is; both ways of reading agree on it, whatever
    the size of a block."""
    kind, content = TABLES[content[0] % len(TABLES) if content else 0], content[1:]
    size = 1 + (content[0] if content else 0)
    wrong = same_reading(kind, content, size)
    assert not wrong or len("\n".join(map(str, wrong)).splitlines()) == len(wrong)


def lines(content: bytes, _: Path) -> None:
    """Both ways of reading JSON lines agree."""
    columns = (COLUMNS, DATED)[content[0] % 2 if content else 0]
    at_once = json_lines._at_once(columns, content[1:])
    closely, wrong = json_lines._closely(columns, "f", content[1:])
    assert not wrong or len("\n".join(map(str, wrong)).splitlines()) == len(wrong)
    if at_once is not None:
        assert not wrong and at_once.equals(closely) and at_once.schema == closely.schema


def own(name: str, ending: str, content: bytes, place: Path) -> None:
    """A user's own log and table of items; `coldbench validate` is content where it loads."""
    parts = _files(content, SEEDS[name][0])
    paths = [place / f"log.{ending}", place / ("log.item" if ending == "inter" else f"i.{ending}")]
    for path, part in zip(paths, parts, strict=False):
        path.write_bytes(part)
    named = {"items": str(paths[1])} | ({"tags": "genres"} if b"genres" in parts[1] else {})
    dataset = registry.find("datasets", name)(path=str(paths[0]), **named)
    check(dataset)
    assert name == "parquet" or not list(dataset.all_problems())  # there it is the same reading


def published(name: str, content: bytes, place: Path) -> None:
    """A dataset from its files on a shelf, whatever their hashes are."""
    dataset = name.partition(".")[0]
    names = TEXTS.get(name) or BINARY[name]
    for file, part in zip(names, _files(content, SEEDS[name][0]), strict=True):
        path = place / (file if "/" in file else f"{dataset}/{file}")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(gzip.compress(part, mtime=0) if path.suffix == ".gz" else part)
    shelf = {"COLDBENCH_DATA": str(place), "COLDBENCH_CACHE": str(place), "COLDBENCH_OFFLINE": "1"}
    with patch.dict(os.environ, shelf), patch.object(locate, "_check", lambda *_: None):
        check(registry.find("datasets", dataset)())


def check(dataset: Any) -> None:
    """What every loader promises of what it returns."""
    log, items = dataset.load()
    assert log.n_items == len(items) == len(set(items.ids)) > 0
    assert log.offsets[0] == 0 and log.offsets[-1] == len(log) and (log.counts > 0).all()
    assert log.items.min() >= 0 and log.items.max() < log.n_items
    low, high = map(np.float32, dataset.scale)
    assert low <= log.ratings.min() and log.ratings.max() <= high
    assert len(set(zip(log.users.tolist(), log.items.tolist(), strict=True))) == len(log)
    if log.times is not None:
        assert log.times.min() >= EARLIEST.get(dataset.domain, 0)
        assert log.times.max() <= LATEST * SECOND
        assert (np.diff(log.times)[np.diff(log.users) == 0] >= 0).all()
    for text in items.text:
        assert text.strip() and len(text.splitlines()) == 1 and text.encode(), repr(text)
    assert all(tag.strip() for tags in items.tags for tag in tags)


def archive(content: bytes, place: Path) -> None:
    """Nothing outside the folder, nothing left of a refusal, and no more bytes than allowed."""
    path = place / "in" / "archive"
    path.parent.mkdir()
    path.write_bytes(content)
    target, member = place / "in" / "folder", place / "in" / "one"
    try:
        with one_line():
            extract_all(path, target)
        with one_line():
            extract(path, "ml-1m/movies.dat", member)
    finally:
        above = {p for p in place.rglob("*") if target not in (p, *p.parents)}
        assert above <= {path.parent, path, member}
        paths = [p for p in place.rglob("*") if p != path]
        assert not any(p.is_symlink() for p in paths)
        size = sum(p.stat().st_size for p in paths if p.is_file())
        assert size <= 2 * LIMITS.bytes_of(path)


def packed(content: bytes, place: Path) -> None:
    path = place / "log.csv.gz"
    path.write_bytes(content)
    assert len(gunzip(path)) <= LIMITS.bytes_of(path)
    check(registry.find("datasets", "csv")(path=str(path)))


def synonyms(content: bytes, place: Path) -> None:
    for part in wordnet.PARTS:
        for kind in ("index", "data"):
            (place / f"{kind}.{part}").touch()
    for file, given in zip(TEXTS["wordnet"], _files(content, SEEDS["wordnet"][0]), strict=True):
        (place / file).write_bytes(given)
    for word, others in wordnet._read.__wrapped__(place).items():
        assert others and word not in others
        assert all(other.isalpha() and other.islower() for other in others)


def resolved(content: bytes, place: Path) -> None:
    """A grid file and `--set` changes, a line each; what is resolved is a grid file again."""
    stated, changes = _files(content, SEEDS["grid"][0])
    (place / "grid.toml").write_bytes(stated)
    lines = changes.decode("utf-8", "replace").splitlines()
    resolved_grid = grid.Grid.of(grid.Grid.read(place / "grid.toml"), lines)
    assert list(resolved_grid.protocols())
    again = grid.Grid.of(tomllib.loads(resolved_grid.toml()))
    assert repr(again) == repr(resolved_grid)  # nan is no nan


def _files(content: bytes, sound: bytes) -> list[bytes]:
    """An input's files; those it lacks are sound, those too many are left out."""
    files, given = sound.split(MARK), content.split(MARK)
    return [*given, *files[len(given) :]][: len(files)]


@contextmanager
def one_line() -> Iterator[None]:
    try:
        yield
    except UserError as error:
        assert len(str(error).splitlines()) == 1, str(error)


def _run(parse: Callable[[bytes, Path], None], content: bytes) -> None:
    with tempfile.TemporaryDirectory(prefix="fuzz-") as place, one_line():
        parse(content, Path(place))


PARSERS: dict[str, Callable[[bytes, Path], None]] = {
    **{name: partial(published, name) for name in (*TEXTS, *BINARY)},
    "archive": archive,
    "csv": partial(own, "csv", "csv"),
    "grid": resolved,
    "gzip": packed,
    "json-lines": partial(own, "json-lines", "jsonl"),
    "json-reader": lines,
    "parquet": partial(own, "parquet", "parquet"),
    "reader": table,
    "recbole": partial(own, "recbole", "inter"),
    "wordnet": synonyms,
}
TARGETS: dict[str, Callable[[bytes], None]] = {
    name: partial(_run, parse) for name, parse in sorted(PARSERS.items())
}
