"""Jester, on made-up files in R's own binary form."""

import gzip
import runpy
import sys
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from coldbench.errors import Unavailable, UserError
from coldbench.files.locate import sha256
from tests.published import load, rows

seeds: dict[str, Any] = runpy.run_path(str(Path(__file__).parents[1] / "fuzz/_seeds.py"))
rda, numbers = seeds["rda"], seeds["_numbers"]
jester: Any = import_module("coldbench.datasets.jester")


def put(shelves: Path, monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    path = shelves / "jester" / "Jester5k.rda"
    path.parent.mkdir()
    path.write_bytes(content)
    monkeypatch.setattr(jester, "RDA", replace(jester.RDA, sha256=sha256(path)))


def test_jester_is_read_from_rs_own_form(shelves: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(shelves, monkeypatch, gzip.compress(rda()))
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
        gzip.compress(rda())[:200],
        b"RDX3\nX\n",
        rda(x=numbers("d", 1, 2, 3, 10)),
        rda(x=numbers("d", 1, 2, 3, float("nan"))),
        rda(x=numbers("d", 1, 2)),
        rda(i=(0, 2, 0, 1)),
        rda(i=(0, -1, 0, 1)),
        rda(p=(0, 3, 2, 4)),
        rda(users=("u1",)),
        rda(users=("u1", "")),
        rda(jokes=("One alone.",)),
        seeds["_workspace"]({})[:-4],
    ],
    ids="cut head high nan few row-high row-low column user no-id jokes empty".split(),
)
def test_a_damaged_file_of_r_is_named(
    shelves: Path, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    put(shelves, monkeypatch, content if content[:2] == b"\x1f\x8b" else gzip.compress(content))
    with pytest.raises(UserError, match=r"Jester5k\.rda: .*fix: get it again") as error:
        load("jester")
    assert "\n" not in str(error.value)


def test_without_rdata_jester_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rdata", None)
    with pytest.raises(Unavailable, match=r"pip install 'coldbench\[r\]'"):
        load("jester")
