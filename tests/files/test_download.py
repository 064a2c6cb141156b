"""Files are found nearest first, and none is opened whose hash is not the right one."""

import ctypes
import hashlib
import runpy
import signal
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from coldbench.cache import home, installed
from coldbench.dataset import File
from coldbench.errors import UserError
from coldbench.files.locate import checksum_file, data_dir, local_path, locate, pin, sha256
from coldbench.files.patience import Patience

web: dict[str, Any] = runpy.run_path(str(Path(__file__).parents[1] / "hostile.py"))
CONTENT = b"1\t2\t5\n"
SHA256 = hashlib.sha256(CONTENT).hexdigest()
LONG = CONTENT * 50_000
PAGE = b"<html>moved</html>"
QUICK = Patience(stall=0.25, tries=2, pause=0.01)
PACKAGED = File("toy.tsv", SHA256, package="toy-films==1.0", inside="toy_films/toy.tsv")


class World:
    """A made-up web and package index, and what was asked of them in turn."""

    def __init__(self, site: Any, tmp_path: Path) -> None:
        self.site = site
        self.index: bytes | None = CONTENT  # None: it does not answer
        self.tmp_path = tmp_path
        self.asked_index: list[str] = []
        self.address = site.at("/toy.tsv", web["whole"](CONTENT))
        self.file = replace(PACKAGED, urls=(self.address,))

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
    with web["served"]() as site:
        made = World(site, tmp_path)
        monkeypatch.setattr(subprocess, "run", made.run)
        yield made


@pytest.fixture
def shared(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The toy dataset's folder in a data folder of the user's own."""
    monkeypatch.setenv("COLDBENCH_DATA", str(tmp_path / "shared"))
    (tmp_path / "shared" / "toy").mkdir(parents=True)
    return tmp_path / "shared" / "toy"


@pytest.fixture
def powerless() -> Iterator[None]:
    """Without root's power to write where it may not (Linux capabilities 1 and 2)."""
    libc = ctypes.CDLL(None, use_errno=True)
    head = (ctypes.c_uint32 * 2)(0x20080522, 0)  # version 3, this thread
    before = (ctypes.c_uint32 * 6)()
    assert libc.capget(head, before) == 0
    less = (ctypes.c_uint32 * 6)(*before)
    less[0] &= ~0b110
    assert libc.capset(head, less) == 0
    yield
    assert libc.capset(head, before) == 0


def files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def put(path: Path, content: bytes = CONTENT) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def get(file: File, offline: bool = False) -> Path:
    return locate("toy", file, offline=offline, patience=QUICK)


def refused(file: File, offline: bool = False) -> str:
    with pytest.raises(UserError) as error:
        get(file, offline)
    assert "\n" not in str(error.value)
    return str(error.value)


# Where a file is looked for, and where it is put


def test_the_cache_comes_first(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(world.install())
    cached = put(tmp_path / "cache" / "data" / "toy" / "toy.tsv")
    assert get(world.file) == cached
    assert world.asked == []


def test_the_users_data_folder_comes_before_the_cache(
    world: World, shared: Path, tmp_path: Path
) -> None:
    mine = put(shared / "toy.tsv")
    put(tmp_path / "cache" / "data" / "toy" / "toy.tsv", b"not asked for")
    assert get(world.file) == mine


def test_what_the_data_folder_lacks_the_cache_may_have(
    world: World, shared: Path, tmp_path: Path
) -> None:
    cached = put(tmp_path / "cache" / "data" / "toy" / "toy.tsv")
    assert get(world.file) == cached
    assert world.asked == []


def test_an_installed_package_comes_before_any_download(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = world.install()
    monkeypatch.syspath_prepend(site)
    assert get(world.file) == site / "toy_films" / "toy.tsv"
    assert world.asked == []


def test_the_official_address_comes_before_the_package_index(world: World) -> None:
    found = get(world.file)
    assert found.read_bytes() == CONTENT
    assert world.asked == ["/toy.tsv"]
    assert files(world.tmp_path) == [found], "and nothing beside it"


@pytest.mark.parametrize("answer", [web["status"](404), web["whole"](PAGE), web["hang_up"]])
def test_the_next_address_is_asked_where_the_first_fails(world: World, answer: Any) -> None:
    dead = world.site.at("/dead", answer)
    found = get(replace(world.file, urls=(dead, world.address)))
    assert found.read_bytes() == CONTENT
    assert set(world.asked) == {"/dead", "/toy.tsv"}
    assert files(world.tmp_path) == [found]


@pytest.mark.parametrize("answer", [web["status"](404), web["whole"](PAGE)])
def test_the_package_index_is_asked_where_the_addresses_fail(world: World, answer: Any) -> None:
    world.site.at("/toy.tsv", answer)
    found = get(world.file)
    assert found.read_bytes() == CONTENT
    assert world.asked == ["/toy.tsv", "toy-films==1.0"]
    assert files(world.tmp_path) == [found]


def test_what_was_downloaded_is_found_in_the_cache_the_next_time(world: World) -> None:
    first = get(world.file)
    world.site.asked.clear()
    assert get(world.file) == local_path("toy", world.file) == first
    assert world.asked == []


def test_a_download_goes_into_the_users_data_folder(
    world: World, shared: Path, tmp_path: Path
) -> None:
    assert get(world.file).parent == shared
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize("marked", [".", ".."])
def test_a_folder_marked_read_only_is_not_written_into_even_by_root(
    world: World, shared: Path, tmp_path: Path, marked: str
) -> None:
    if marked == "..":
        shared.rmdir()
    (shared.parent if marked == ".." else shared).chmod(0o555)
    assert get(world.file) == tmp_path / "cache" / "data" / "toy" / "toy.tsv"
    assert marked == ".." or list(shared.iterdir()) == []
    assert list(shared.parent.iterdir()) == ([] if marked == ".." else [shared])


def test_a_folder_that_only_others_may_write_into_is_passed_over(
    world: World, shared: Path, tmp_path: Path, powerless: None
) -> None:
    shared.chmod(0o577)
    assert get(world.file) == tmp_path / "cache" / "data" / "toy" / "toy.tsv"


def test_where_no_folder_can_be_written_each_is_named(
    world: World, shared: Path, tmp_path: Path
) -> None:
    shared.chmod(0o555)
    (tmp_path / "cache").write_bytes(b"")
    said = refused(world.file)
    assert f"{shared} (marked read-only)" in said
    assert str(tmp_path / "cache") in said and "COLDBENCH_CACHE" in said


def test_the_cache_is_the_users_unless_it_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("COLDBENCH_CACHE", str(tmp_path / "mine"))
    assert home() == tmp_path / "mine"
    monkeypatch.delenv("COLDBENCH_CACHE")
    assert home() == tmp_path / "coldbench"
    monkeypatch.setenv("COLDBENCH_CACHE", "")  # empty is not named: no folder where one stands
    monkeypatch.setenv("XDG_CACHE_HOME", "")
    assert home() == Path.home() / ".cache/coldbench"


# Hashes


def test_a_users_file_with_a_wrong_hash_is_named_and_not_touched(
    world: World, tmp_path: Path
) -> None:
    cached = put(tmp_path / "cache" / "data" / "toy" / "toy.tsv", b"torn")
    said = refused(world.file)
    for word in (str(cached), sha256(cached), SHA256, "fix: ", "coldbench fetch toy"):
        assert word in said
    assert cached.read_bytes() == b"torn"
    assert world.asked == []


def test_an_installed_file_with_a_wrong_hash_is_not_opened(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(world.install(b"another edition"))
    assert "SHA-256" in refused(world.file)


@pytest.mark.parametrize("index", [None, b"another edition"])
def test_a_download_with_a_wrong_hash_is_deleted_and_the_message_says_so(
    world: World, tmp_path: Path, index: bytes | None
) -> None:
    world.site.at("/toy.tsv", web["whole"](PAGE))
    world.index = index
    said = refused(world.file)
    assert f"{tmp_path}/cache/data/toy/toy.tsv (absent)" in said
    assert f"{world.address}: SHA256 hash of downloaded file" in said
    assert SHA256 in said and hashlib.sha256(PAGE).hexdigest() in said
    assert "Deleted" in said
    assert ("another than the pinned one" in said) == (index is not None)
    assert f"Put the file into {data_dir('toy')}" in said
    assert files(tmp_path) == []


def test_a_part_that_was_bent_here_is_fetched_anew(world: World, tmp_path: Path) -> None:
    folder = tmp_path / "cache" / "data" / "toy"
    put(folder / ".toy.tsv.part", b"9")
    put(folder / ".toy.tsv.part.from", f'{world.address}\n"1"'.encode())
    assert get(world.file).read_bytes() == CONTENT
    assert [span for _, span in world.site.asked] == ["bytes=1-", None]


def test_a_hash_not_known_beforehand_is_noted_at_the_first_download(world: World) -> None:
    unknown = File("toy.tsv", urls=(world.address,))
    found = get(unknown)
    assert pin(found) == SHA256
    check = f"{SHA256}  toy.tsv\n"
    assert checksum_file(found).read_text() == check, "as sha256sum --check reads it"
    assert get(unknown) == found
    found.write_bytes(b"bent later")
    said = refused(unknown)
    assert sha256(found) in said and SHA256 in said and str(checksum_file(found)) in said


def test_a_noted_hash_holds_for_the_next_download_too(world: World) -> None:
    unknown = File("toy.tsv", urls=(world.address,))
    get(unknown).unlink()
    world.site.at("/toy.tsv", web["whole"](b"a new edition"))
    assert f"(noted in {data_dir('toy')}/toy.tsv.sha256)" in refused(unknown)
    world.site.at("/toy.tsv", web["whole"](CONTENT))
    assert get(unknown).read_bytes() == CONTENT


def test_a_file_of_the_users_own_is_taken_where_no_hash_is_known(
    world: World, tmp_path: Path
) -> None:
    mine = put(tmp_path / "cache" / "data" / "toy" / "toy.tsv", b"mine")
    assert get(File("toy.tsv")) == mine
    assert files(tmp_path) == [mine]


@pytest.mark.parametrize("noted", ["", "abc", "no hash at all\n"])
def test_a_note_that_holds_no_hash_is_named(world: World, tmp_path: Path, noted: str) -> None:
    mine = put(tmp_path / "cache" / "data" / "toy" / "toy.tsv")
    checksum_file(mine).write_text(noted)
    assert f"{checksum_file(mine)}: holds no SHA-256; fix: delete it" in refused(File("toy.tsv"))


def test_an_md5_is_checked_where_the_publisher_gives_no_more(world: World) -> None:
    file = File("toy.tsv", md5=hashlib.md5(CONTENT).hexdigest(), urls=(world.address,))
    found = get(file)
    assert pin(found) == SHA256
    found.write_bytes(b"bent later")
    checksum_file(found).unlink()
    assert f"MD5 is {hashlib.md5(b'bent later').hexdigest()}, expected {file.md5}" in refused(file)
    found.unlink()
    world.site.at("/toy.tsv", web["whole"](PAGE))
    assert "MD5 hash of downloaded file" in refused(file)


def test_a_file_of_another_size_is_not_taken(world: World, tmp_path: Path) -> None:
    said = refused(File("toy.tsv", size=5, urls=(world.address,)))
    assert "offers 6 bytes, expected 5" in said
    assert files(tmp_path) == []


# Archives


@pytest.fixture
def member(world: World, tmp_path: Path) -> File:
    """A member of an archive that lies at an address."""
    path = tmp_path / "made.zip"
    with zipfile.ZipFile(path, "w") as zipped:
        zipped.writestr("toys/toy.tsv", CONTENT)
        zipped.writestr("toys/other.tsv", b"other")
    content = path.read_bytes()
    path.unlink()
    address = world.site.at("/toys.zip", web["whole"](content))
    archive = File("toys.zip", hashlib.sha256(content).hexdigest(), urls=(address,))
    return File("toy.tsv", SHA256, archive=archive, inside="toys/toy.tsv")


def test_a_member_is_taken_out_of_its_archive_which_is_fetched_once(
    world: World, member: File, tmp_path: Path
) -> None:
    found = get(member)
    assert found.read_bytes() == CONTENT
    other = get(File("other.tsv", archive=member.archive, inside="toys/other.tsv"))
    assert other.read_bytes() == b"other"
    assert pin(other) == sha256(other), "its hash was not known"
    assert world.asked == ["/toys.zip"]
    assert [path.name for path in files(tmp_path)] == [
        "other.tsv",
        "other.tsv.sha256",
        "toy.tsv",
        "toys.zip",
    ]


def test_an_archive_here_comes_before_an_address_and_may_lie_in_a_read_only_folder(
    world: World, member: File, shared: Path, tmp_path: Path
) -> None:
    assert member.archive
    get(member.archive)
    world.site.asked.clear()
    shared.chmod(0o555)
    both = replace(member, urls=(world.address,))
    assert local_path("toy", both) == shared / "toys.zip"
    assert get(both) == tmp_path / "cache" / "data" / "toy" / "toy.tsv"
    assert world.asked == []


def test_a_members_own_address_comes_before_an_archive_that_is_not_here(
    world: World, member: File
) -> None:
    both = replace(member, urls=(world.site.at("/dead", web["status"](404)), world.address))
    get(both).unlink()
    assert world.asked == ["/dead", "/toy.tsv"]
    world.site.at("/toy.tsv", web["status"](404))
    get(both)
    assert world.asked[-1] == "/toys.zip"


def test_an_archive_with_a_wrong_hash_is_not_opened(
    world: World, member: File, tmp_path: Path
) -> None:
    assert member.archive
    put(tmp_path / "cache" / "data" / "toy" / "toys.zip", b"no zip at all")
    assert f"expected {member.archive.sha256}" in refused(member)


def test_a_member_that_is_another_than_the_pinned_one_is_not_kept(
    world: World, member: File, tmp_path: Path
) -> None:
    said = refused(replace(member, sha256="0" * 64))
    assert "toys.zip: toys/toy.tsv is another than the pinned one" in said and SHA256 in said
    assert [path.name for path in files(tmp_path)] == ["toys.zip"]


def test_a_member_that_the_archive_lacks_is_named(world: World, member: File) -> None:
    said = refused(replace(member, inside="toys/toys.tsv"))
    assert "no member 'toys/toys.tsv'" in said and "did you mean 'toys/toy.tsv'?" in said


def test_a_wheel_that_lacks_the_file_is_named(world: World) -> None:
    said = refused(replace(PACKAGED, inside="toy_films/toys.tsv"))
    assert "PyPI: toy-films==1.0" in said and "no member 'toy_films/toys.tsv'" in said


# Without a network


@pytest.mark.parametrize("by_environment", [False, True])
def test_offline_nothing_is_asked_and_the_message_says_so(
    world: World, member: File, monkeypatch: pytest.MonkeyPatch, by_environment: bool
) -> None:
    if by_environment:
        monkeypatch.setenv("COLDBENCH_OFFLINE", "1")
    said = refused(world.file, offline=not by_environment)
    assert "toy.tsv (absent); no download: offline" in said
    assert "toys.zip (absent); no download: offline" in refused(member, not by_environment)
    assert world.asked == []
    assert files(world.tmp_path) == []


def test_offline_what_is_here_is_found(world: World, tmp_path: Path) -> None:
    cached = put(tmp_path / "cache" / "data" / "toy" / "toy.tsv")
    assert get(world.file, offline=True) == cached


def test_a_zero_switches_offline_off(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLDBENCH_OFFLINE", "0")
    get(world.file)
    assert world.asked == ["/toy.tsv"]


# Stopped half-way, or not alone


def test_ctrl_c_leaves_the_part_alone_and_the_next_call_goes_on(
    world: World, tmp_path: Path
) -> None:
    file = File("long", hashlib.sha256(LONG).hexdigest())

    def stop(to: Any) -> None:
        web["lie"](LONG[:100_000], len(LONG))(to)
        to.wfile.flush()
        main = threading.main_thread().ident
        assert main
        part = tmp_path / "cache" / "data" / "toy" / ".long.part"
        while not (part.exists() and part.stat().st_size):
            pass
        signal.pthread_kill(main, signal.SIGINT)
        to.site.over.wait(10)

    url = world.site.at("/long", stop, web["whole"](LONG))
    with pytest.raises(KeyboardInterrupt):
        get(replace(file, urls=(url,)))
    assert [path.name for path in files(tmp_path)] == [".long.part", ".long.part.from"]
    found = get(replace(file, urls=(url,)))
    assert found.read_bytes() == LONG
    assert world.site.sent[-1] < len(LONG)
    assert files(tmp_path) == [found]


CODE = """
import sys
import pooch
from coldbench.files import http
from coldbench.dataset import File
from coldbench.files.locate import locate
print("ready", flush=True)
print(locate("toy", File("long", sys.argv[2], urls=(sys.argv[1],))))
"""


@contextmanager
def child(url: str, sha: str) -> Iterator[subprocess.Popen[str]]:
    words = [sys.executable, "-c", CODE, url, sha]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            assert process.stdout.readline() == "ready\n"
            yield process
        finally:
            process.kill()


@pytest.mark.slow
@pytest.mark.parametrize("sha", [hashlib.sha256(LONG).hexdigest(), ""])
def test_of_two_processes_at_once_one_downloads_and_both_have_the_file(
    world: World, tmp_path: Path, sha: str
) -> None:
    both = threading.Event()

    def slow(to: Any) -> None:
        to.head(200, Content_Length=len(LONG))
        to.body(LONG[:100_000])
        to.wfile.flush()
        both.wait(30)
        to.body(LONG[100_000:])

    url = world.site.at("/long", slow)
    with child(url, sha) as one, child(url, sha) as other:
        time.sleep(0.3)  # for the second to come to where the first is
        both.set()
        told = [each.communicate(timeout=60)[0].strip() for each in (one, other)]
    assert told[0] == told[1] and Path(told[0]).read_bytes() == LONG
    assert len(world.site.asked) == 1
    left = [path.name for path in files(tmp_path)]
    assert left == (["long"] if sha else ["long", "long.sha256"])


@pytest.mark.slow
def test_after_a_kill_the_next_process_goes_on(world: World, tmp_path: Path) -> None:
    sha = hashlib.sha256(LONG).hexdigest()
    url = world.site.at("/long", web["stall"](LONG, 100_000), web["whole"](LONG))
    part = tmp_path / "cache" / "data" / "toy" / ".long.part"
    with child(url, sha) as first:
        while not (part.exists() and part.stat().st_size >= 2**16):
            assert first.poll() is None
            time.sleep(0.01)
        first.kill()
    found = get(File("long", sha, urls=(url,)))
    assert found.read_bytes() == LONG
    assert world.site.sent[-1] < len(LONG)


# Packages


def test_a_package_that_is_not_installed_has_no_file() -> None:
    assert installed("no-such-package-at-all", "a/b.txt") is None


def test_a_file_that_its_package_lists_but_lacks_is_not_found(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = world.install()
    monkeypatch.syspath_prepend(site)
    (site / "toy_films" / "toy.tsv").unlink()
    assert installed("toy-films", "toy_films/toy.tsv") is None
