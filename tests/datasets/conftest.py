"""Datasets from made-up files on a shelf, as if they had been downloaded."""

import os
import zipfile
from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from coldbench import registry
from coldbench.dataset import File
from coldbench.files.locate import sha256
from tests.published import LATIN_1, PUBLISHED


@pytest.fixture
def shelves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("COLDBENCH_DATA", str(tmp_path))
    monkeypatch.setenv("COLDBENCH_OFFLINE", "1")
    return tmp_path


@pytest.fixture
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Relative paths are those of a folder of the test's own."""
    monkeypatch.chdir(tmp_path)


def folder_of(name: str) -> str:
    return registry.find("datasets", name).folder or name


@pytest.fixture
def place(shelves: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Put a dataset's files, changed a little, where its loader finds them, and pin them."""

    def placed(name: str, *changes: tuple[str, str], folder: str = "") -> None:
        shelf = shelves / (folder or folder_of(name))
        shelf.mkdir()
        files = dict(PUBLISHED[name])
        for old, new in changes:
            assert any(old in text for text in files.values())
            files = {path: text.replace(old, new) for path, text in files.items()}
        encoding = ("latin-1",) if name in LATIN_1 else ("utf-8", "surrogateescape")
        loader: Any = import_module(f"coldbench.datasets.{name.replace('-', '_')}")
        zipped = getattr(loader, "ZIP", None)
        if zipped:
            with zipfile.ZipFile(shelf / zipped.name, "w", zipfile.ZIP_DEFLATED) as archive:
                for path, text in files.items():
                    archive.writestr(path, text.encode(*encoding))
            zipped = replace(zipped, md5="", sha256=sha256(shelf / zipped.name))
        else:
            for path, text in files.items():
                (shelf / path).write_bytes(text.encode(*encoding))
        for attribute, file in list(vars(loader).items()):
            if isinstance(file, File) and file.archive:
                monkeypatch.setattr(loader, attribute, replace(file, archive=zipped, sha256=""))
            elif isinstance(file, File) and (shelf / file.name).is_file():
                pinned = replace(file, sha256=sha256(shelf / file.name))
                monkeypatch.setattr(loader, attribute, pinned)

    return placed


@pytest.fixture
def originals(shelves: Path) -> Callable[[str], Path]:
    """Put a dataset's originals where its loader finds them; skip where they are not at hand."""

    def linked(name: str) -> Path:
        folder = os.environ.get("COLDBENCH_TEST_DATA")
        if not folder:
            pytest.skip("COLDBENCH_TEST_DATA names no folder of originals")
        shelf = folder_of(name)
        (shelves / shelf).mkdir()
        for path in Path(folder, shelf).glob("*"):  # beside links, archives are unpacked here
            (shelves / shelf / path.name).symlink_to(path.resolve())
        return shelves / shelf

    return linked
