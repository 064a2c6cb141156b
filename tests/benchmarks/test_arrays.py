"""Arrays in a safetensors file: the library reads what we write, and we map what either writes."""

from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

stored: Any = import_module("coldbench.benchmarks.arrays")
ARRAYS: dict[str, Any] = {
    "mask": np.array([True, False, True]),
    "who": np.arange(5),
    "part": np.arange(24, dtype=np.float32).reshape(4, 6)[:, ::2],
    "items": np.arange(7, dtype=np.int32),
    "sums": np.array([0.1, np.nan]),
    "none": np.empty((0, 3), np.int64),
}


def same(found: dict[str, Any], wanted: dict[str, Any]) -> None:
    assert found.keys() == wanted.keys()
    for name, array in wanted.items():
        assert (found[name].dtype, found[name].shape) == (array.dtype, array.shape)
        assert np.array_equal(found[name], array, equal_nan=array.dtype.kind == "f")


def test_the_library_reads_what_is_written(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    stored.save(ARRAYS, path, "words")
    same(load_file(path), ARRAYS)
    with safe_open(path, "numpy") as file:
        assert file.metadata() == {"rest": "words"}


def test_what_either_wrote_is_mapped(tmp_path: Path) -> None:
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    stored.save(ARRAYS, ours, "words")
    whole = {name: np.ascontiguousarray(array) for name, array in ARRAYS.items()}
    save_file(whole, theirs, {"rest": "words"})
    for path in (ours, theirs):
        arrays, words = stored.load(path)
        same(arrays, ARRAYS)
        assert words == "words"


def test_a_change_stays_in_memory(tmp_path: Path) -> None:
    path = tmp_path / "a"
    stored.save(ARRAYS, path, "")
    before = path.read_bytes()
    arrays, _ = stored.load(path)
    arrays["who"][0] = 9
    assert path.read_bytes() == before
    assert stored.load(path)[0]["who"][0] == 0


@pytest.mark.parametrize("arrays", [{}, {"none": np.empty(0)}])
def test_nothing_is_written_and_read(arrays: dict[str, Any], tmp_path: Path) -> None:
    stored.save(arrays, tmp_path / "a", "x")
    same(stored.load(tmp_path / "a")[0], arrays)
