"""Downloads from archives and packages, without a network, stopped half-way, or not alone."""

import hashlib
import io
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

from coldbench.cache import installed
from coldbench.dataset import File
from coldbench.files.locate import local_path, pin, sha256
from tests import hostile
from tests.console import until

CONTENT = b"1\t2\t5\n"
SHA256 = hashlib.sha256(CONTENT).hexdigest()
LONG = CONTENT * 50_000


# Archives


@pytest.fixture
def member(world: Any) -> File:
    """A member of an archive that lies at an address."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("toys/toy.tsv", CONTENT)
        archive.writestr("toys/other.tsv", b"other")
    content = packed.getvalue()
    address = world.site.at("/toys.zip", hostile.whole(content))
    whole = File("toys.zip", hashlib.sha256(content).hexdigest(), urls=(address,))
    return File("toy.tsv", SHA256, archive=whole, inside="toys/toy.tsv")


def test_a_member_is_taken_out_of_its_archive_which_is_fetched_once(
    world: Any, member: File
) -> None:
    found = world.get(member)
    assert found.read_bytes() == CONTENT
    other = world.get(File("other.tsv", archive=member.archive, inside="toys/other.tsv"))
    assert other.read_bytes() == b"other"
    assert pin(other) == sha256(other), "its hash was not known"
    assert world.asked == ["/toys.zip"]
    names = [path.name for path in world.files()]
    assert names == ["other.tsv", "other.tsv.sha256", "toy.tsv", "toys.zip"]


def test_an_archive_here_comes_before_an_address_and_may_lie_in_a_read_only_folder(
    world: Any, member: File, shared: Path
) -> None:
    assert member.archive
    world.get(member.archive)
    world.site.asked.clear()
    shared.chmod(0o555)
    both = replace(member, urls=(world.address,))
    assert local_path("toy", both) == shared / "toys.zip"
    assert world.get(both) == world.cache / "toy.tsv"
    assert world.asked == []


def test_a_members_own_address_comes_before_an_archive_that_is_not_here(
    world: Any, member: File
) -> None:
    both = replace(member, urls=(world.site.at("/dead", hostile.status(404)), world.address))
    world.get(both).unlink()
    assert world.asked == ["/dead", "/toy.tsv"]
    world.site.at("/toy.tsv", hostile.status(404))
    world.get(both)
    assert world.asked[-1] == "/toys.zip"


def test_an_archive_with_a_wrong_hash_is_not_opened(world: Any, member: File) -> None:
    assert member.archive
    world.cached(b"no zip at all", "toys.zip")
    assert f"expected {member.archive.sha256}" in world.refused(member)


def test_a_member_that_is_another_than_the_pinned_one_is_not_kept(world: Any, member: File) -> None:
    reason = world.refused(replace(member, sha256="0" * 64))
    assert "toys.zip: toys/toy.tsv is another than the pinned one" in reason and SHA256 in reason
    assert [path.name for path in world.files()] == ["toys.zip"]


def test_a_member_that_the_archive_lacks_is_named(world: Any, member: File) -> None:
    reason = world.refused(replace(member, inside="toys/toys.tsv"))
    assert "no member 'toys/toys.tsv'" in reason and "did you mean 'toys/toy.tsv'?" in reason


def test_a_wheel_that_lacks_the_file_is_named(world: Any) -> None:
    reason = world.refused(replace(world.file, urls=(), inside="toy_films/toys.tsv"))
    assert "PyPI: toy-films==1.0" in reason and "no member 'toy_films/toys.tsv'" in reason


# Without a network


@pytest.mark.parametrize("by_environment", [False, True])
def test_offline_nothing_is_asked_and_the_message_says_so(
    world: Any, member: File, monkeypatch: pytest.MonkeyPatch, by_environment: bool
) -> None:
    if by_environment:
        monkeypatch.setenv("COLDBENCH_OFFLINE", "1")
    reason = world.refused(offline=not by_environment)
    assert "toy.tsv (absent); no download: offline" in reason
    assert "toys.zip (absent); no download: offline" in world.refused(
        member, offline=not by_environment
    )
    assert world.asked == []
    assert world.files() == []


def test_a_zero_switches_offline_off(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLDBENCH_OFFLINE", "0")
    world.get()
    assert world.asked == ["/toy.tsv"]


# Stopped half-way, or not alone


def test_ctrl_c_leaves_the_part_alone_and_the_next_call_goes_on(world: Any) -> None:
    file = File("long", hashlib.sha256(LONG).hexdigest())

    def stop(to: Any) -> None:
        hostile.lie(LONG[:100_000], len(LONG))(to)
        to.wfile.flush()
        main = threading.main_thread().ident
        assert main
        part = world.cache / ".long.part"
        while not (part.exists() and part.stat().st_size):
            pass
        signal.pthread_kill(main, signal.SIGINT)
        to.site.over.wait(10)

    url = world.site.at("/long", stop, hostile.whole(LONG))
    with pytest.raises(KeyboardInterrupt):
        world.get(replace(file, urls=(url,)))
    assert [path.name for path in world.files()] == [".long.part", ".long.part.from"]
    found = world.get(replace(file, urls=(url,)))
    assert found.read_bytes() == LONG
    assert world.site.sent[-1] < len(LONG)
    assert world.files() == [found]


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
    world: Any, sha: str
) -> None:
    both = threading.Event()

    def slow(to: Any) -> None:
        to.head(200, Content_Length=len(LONG))
        to.body(LONG[:100_000])
        to.wfile.flush()
        both.wait(30)
        to.body(LONG[100_000:])

    url = world.site.at("/long", slow)
    with child(url, sha) as first, child(url, sha) as other:
        time.sleep(0.3)  # for the second to come to where the first is
        both.set()
        paths = [each.communicate(timeout=60)[0].strip() for each in (first, other)]
    assert paths[0] == paths[1] and Path(paths[0]).read_bytes() == LONG
    assert len(world.site.asked) == 1
    left = [path.name for path in world.files()]
    assert left == (["long"] if sha else ["long", "long.sha256"])


@pytest.mark.slow
def test_after_a_kill_the_next_process_goes_on(world: Any) -> None:
    sha = hashlib.sha256(LONG).hexdigest()
    url = world.site.at("/long", hostile.stall(LONG, 100_000), hostile.whole(LONG))
    part = world.cache / ".long.part"
    with child(url, sha) as first:
        until(lambda: part.exists() and part.stat().st_size >= 2**16, 60)
        first.kill()
    path = world.get(File("long", sha, urls=(url,)))
    assert path.read_bytes() == LONG
    assert world.site.sent[-1] < len(LONG)


# Packages


def test_a_package_that_is_not_installed_has_no_file() -> None:
    assert installed("no-such-package-at-all", "a/b.txt") is None


def test_a_file_that_its_package_lists_but_lacks_is_not_found(
    world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = world.install()
    monkeypatch.syspath_prepend(site)
    (site / "toy_films" / "toy.tsv").unlink()
    assert installed("toy-films", "toy_films/toy.tsv") is None
