"""Files are found nearest first, and none is opened whose hash is not the right one."""

import ctypes
import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from coldbench.cache import home
from coldbench.dataset import File
from coldbench.files.locate import checksum_file, data_dir, local_path, pin, sha256
from tests import hostile

CONTENT = b"1\t2\t5\n"
SHA256 = hashlib.sha256(CONTENT).hexdigest()
PAGE = b"<html>moved</html>"


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


# Where a file is looked for, and where it is put


@pytest.mark.parametrize(
    ("places", "nearest"),
    [("cache installed", "cache"), ("shared cache", "shared"), ("installed", "installed")],
)
def test_the_users_folder_comes_first_then_the_cache_then_an_installed_package(
    world: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, places: str, nearest: str
) -> None:
    paths = {
        "shared": tmp_path / "shared/toy/toy.tsv",
        "cache": world.cache / "toy.tsv",
        "installed": world.install() / "toy_films/toy.tsv",
    }
    if "installed" in places:
        monkeypatch.syspath_prepend(tmp_path / "site")
    if "shared" in places:
        monkeypatch.setenv("COLDBENCH_DATA", str(tmp_path / "shared"))
        paths["shared"].parent.mkdir(parents=True)
        paths["shared"].write_bytes(CONTENT)
    if "cache" in places:
        world.cached(b"not asked for" if "shared" in places else CONTENT)
    assert world.get() == paths[nearest]
    assert world.get(offline=True) == paths[nearest]
    assert world.asked == []


def test_what_the_data_folder_lacks_the_cache_may_have(world: Any, shared: Path) -> None:
    cached = world.cached()
    assert world.get() == cached
    assert world.asked == []


def test_the_official_address_comes_before_the_package_index(world: Any) -> None:
    path = world.get()
    assert path.read_bytes() == CONTENT
    assert world.asked == ["/toy.tsv"]
    assert world.files() == [path], "and nothing beside it"


@pytest.mark.parametrize("answer", [hostile.status(404), hostile.whole(PAGE), hostile.hang_up])
@pytest.mark.parametrize("then", ["/toy.tsv", "toy-films==1.0"], ids=["address", "index"])
def test_the_next_address_is_asked_where_the_first_fails_and_at_last_the_package_index(
    world: Any, answer: Any, then: str
) -> None:
    dead = world.site.at("/dead", answer)
    path = world.get(replace(world.file, urls=(dead, world.address) if "/" in then else (dead,)))
    assert path.read_bytes() == CONTENT
    assert list(dict.fromkeys(world.asked)) == ["/dead", then]
    assert world.files() == [path]


def test_what_was_downloaded_is_found_in_the_cache_the_next_time(world: Any) -> None:
    first = world.get()
    world.site.asked.clear()
    assert world.get() == local_path("toy", world.file) == first
    assert world.asked == []


def test_a_download_goes_into_the_users_data_folder(
    world: Any, shared: Path, tmp_path: Path
) -> None:
    assert world.get().parent == shared
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize("marked", [".", ".."])
def test_a_folder_marked_read_only_is_not_written_into_even_by_root(
    world: Any, shared: Path, marked: str
) -> None:
    if marked == "..":
        shared.rmdir()
    (shared.parent if marked == ".." else shared).chmod(0o555)
    assert world.get() == world.cache / "toy.tsv"
    assert marked == ".." or list(shared.iterdir()) == []
    assert list(shared.parent.iterdir()) == ([] if marked == ".." else [shared])


def test_a_folder_that_only_others_may_write_into_is_passed_over(
    world: Any, shared: Path, powerless: None
) -> None:
    shared.chmod(0o577)
    assert world.get() == world.cache / "toy.tsv"


def test_where_no_folder_can_be_written_each_is_named(
    world: Any, shared: Path, tmp_path: Path
) -> None:
    shared.chmod(0o555)
    (tmp_path / "cache").write_bytes(b"")
    reason = world.refused()
    assert f"{shared} (marked read-only)" in reason
    assert str(tmp_path / "cache") in reason and "COLDBENCH_CACHE" in reason


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


def test_a_users_file_with_a_wrong_hash_is_named_and_not_touched(world: Any) -> None:
    cached = world.cached(b"torn")
    reason = world.refused()
    for word in (str(cached), sha256(cached), SHA256, "fix: ", "coldbench fetch toy"):
        assert word in reason
    assert cached.read_bytes() == b"torn"
    assert world.asked == []


def test_an_installed_file_with_a_wrong_hash_is_not_opened(
    world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(world.install(b"another edition"))
    assert "SHA-256" in world.refused()


@pytest.mark.parametrize("index", [None, b"another edition"])
def test_a_download_with_a_wrong_hash_is_deleted_and_the_message_says_so(
    world: Any, tmp_path: Path, index: bytes | None
) -> None:
    world.site.at("/toy.tsv", hostile.whole(PAGE))
    world.index = index
    reason = world.refused()
    assert f"{tmp_path}/cache/data/toy/toy.tsv (absent)" in reason
    assert f"{world.address}: SHA256 hash of downloaded file" in reason
    assert SHA256 in reason and hashlib.sha256(PAGE).hexdigest() in reason
    assert "Deleted" in reason
    assert ("another than the pinned one" in reason) == (index is not None)
    assert f"Put the file into {data_dir('toy')}" in reason
    assert world.files() == []


def test_a_part_that_was_bent_here_is_fetched_anew(world: Any) -> None:
    world.cached(b"9", ".toy.tsv.part")
    world.cached(f'{world.address}\n"1"'.encode(), ".toy.tsv.part.from")
    assert world.get().read_bytes() == CONTENT
    assert [span for _, span in world.site.asked] == ["bytes=1-", None]


def test_a_hash_not_known_beforehand_is_noted_at_the_first_download(world: Any) -> None:
    unknown = File("toy.tsv", urls=(world.address,))
    path = world.get(unknown)
    assert pin(path) == SHA256
    check = f"{SHA256}  toy.tsv\n"
    assert checksum_file(path).read_text() == check, "as sha256sum --check reads it"
    assert world.get(unknown) == path
    path.write_bytes(b"bent later")
    reason = world.refused(unknown)
    assert sha256(path) in reason and SHA256 in reason and str(checksum_file(path)) in reason


def test_a_noted_hash_holds_for_the_next_download_too(world: Any) -> None:
    unknown = File("toy.tsv", urls=(world.address,))
    world.get(unknown).unlink()
    world.site.at("/toy.tsv", hostile.whole(b"a new edition"))
    assert f"(noted in {data_dir('toy')}/toy.tsv.sha256)" in world.refused(unknown)
    world.site.at("/toy.tsv", hostile.whole(CONTENT))
    assert world.get(unknown).read_bytes() == CONTENT


def test_a_file_of_the_users_own_is_taken_where_no_hash_is_known(world: Any) -> None:
    mine = world.cached(b"mine")
    assert world.get(File("toy.tsv")) == mine
    assert world.files() == [mine]


@pytest.mark.parametrize("noted", ["", "abc", "no hash at all\n"])
def test_a_note_that_holds_no_hash_is_named(world: Any, noted: str) -> None:
    mine = world.cached()
    checksum_file(mine).write_text(noted)
    reason = world.refused(File("toy.tsv"))
    assert f"{checksum_file(mine)}: holds no SHA-256; fix: delete it" in reason


def test_an_md5_is_checked_where_the_publisher_gives_no_more(world: Any) -> None:
    file = File("toy.tsv", md5=hashlib.md5(CONTENT).hexdigest(), urls=(world.address,))
    path = world.get(file)
    assert pin(path) == SHA256
    path.write_bytes(b"bent later")
    checksum_file(path).unlink()
    reason = world.refused(file)
    assert f"MD5 is {hashlib.md5(b'bent later').hexdigest()}, expected {file.md5}" in reason
    path.unlink()
    world.site.at("/toy.tsv", hostile.whole(PAGE))
    assert "MD5 hash of downloaded file" in world.refused(file)


def test_a_file_of_another_size_is_not_taken(world: Any) -> None:
    reason = world.refused(File("toy.tsv", size=5, urls=(world.address,)))
    assert "offers 6 bytes, expected 5" in reason
    assert world.files() == []
