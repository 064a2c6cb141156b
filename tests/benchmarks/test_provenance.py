"""The commit that a cell names: marked where code differs from it, and only there."""

import subprocess
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

import coldbench

provenance: Any = import_module("coldbench.benchmarks.provenance")


def git(house: Path, *words: str) -> str:
    author = ("-c", "user.name=a", "-c", "user.email=a@b")
    command = ["git", "-C", str(house), *author, *words]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def house(tmp_path: Path) -> Path:
    (tmp_path / "methods").mkdir()
    (tmp_path / "methods" / "ridge.py").write_text("1\n")
    (tmp_path / "pyproject.toml").write_text("\n")
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-q", "-m", "all")
    return tmp_path


@pytest.mark.parametrize(
    ("file", "mark"),
    [
        ("methods/ridge.py", "+"),  # changed
        ("methods/mine.py", "+"),  # new
        ("pyproject.toml", "+"),
        ("published/coat.coldbench.zip", ""),
        ("notes.md", ""),
    ],
)
def test_the_commit_is_marked_where_code_differs_from_it(house: Path, file: str, mark: str) -> None:
    head = git(house, "rev-parse", "--short=12", "HEAD")
    assert provenance.commit(house) == head
    (house / file).parent.mkdir(exist_ok=True)
    (house / file).write_text("2\n")
    assert provenance.commit(house) == head + mark


def test_without_a_checkout_it_is_the_version(tmp_path: Path) -> None:
    assert provenance.commit(tmp_path) == coldbench.__version__
