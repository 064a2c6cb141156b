"""A download from a server that errs or lies: what came right is kept, what came wrong is not."""

import io
import os
import runpy
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from coldbench.files.http import MAX_REDIRECTS, DownloadFailed, Transfer
from coldbench.files.patience import Patience

web: dict[str, Any] = runpy.run_path(str(Path(__file__).parents[1] / "hostile.py"))
CONTENT = bytes(range(256)) * 1200  # 307,200 bytes
HALF = 150_000
QUICK = Patience(stall=0.25, tries=3, pause=0.01)


@pytest.fixture
def site() -> Iterator[Any]:
    with web["served"]() as site:
        yield site


@pytest.fixture
def transfer(tmp_path: Path) -> Transfer:
    return Transfer(tmp_path / ".toy.part", patience=QUICK)


def brought(transfer: Transfer, url: str) -> bytes:
    target = transfer.part.with_name("toy")
    transfer(url, str(target))
    assert os.listdir(target.parent) == ["toy"], "something is left beside the file"
    return target.read_bytes()


def refused(transfer: Transfer, url: str) -> str:
    with pytest.raises(DownloadFailed) as error:
        transfer(url, str(transfer.part.with_name("toy")))
    assert not transfer.part.with_name("toy").exists()
    assert "\n" not in str(error.value) and url in str(error.value)
    return str(error.value)


def ranges(site: Any) -> list[str | None]:
    return [span for _, span in site.asked]


def test_a_file_comes_whole_and_without_a_word_where_there_is_no_terminal(
    site: Any, transfer: Transfer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert brought(transfer, site.at("/toy", web["whole"](CONTENT))) == CONTENT
    assert ranges(site) == [None]
    assert capsys.readouterr() == ("", "")


def test_after_a_cut_only_the_rest_is_asked_for_and_sent(site: Any, transfer: Transfer) -> None:
    url = site.at("/toy", web["cut"](CONTENT, HALF), web["whole"](CONTENT))
    assert brought(transfer, url) == CONTENT
    assert ranges(site) == [None, f"bytes={HALF}-"]
    assert site.sent == [HALF, len(CONTENT) - HALF]


def test_after_a_stall_it_goes_on_too(site: Any, transfer: Transfer) -> None:
    url = site.at("/toy", web["stall"](CONTENT, HALF), web["whole"](CONTENT))
    assert brought(transfer, url) == CONTENT
    first, second = ranges(site)
    assert first is None and second, "what had come was asked for again"
    assert HALF - 2**16 <= int(second[6:-1]) <= HALF


def test_what_came_before_a_failure_serves_the_next_call(site: Any, transfer: Transfer) -> None:
    url = site.at("/toy", web["cut"](CONTENT, HALF), web["status"](503))
    assert "503" in refused(transfer, url)
    assert transfer.part.stat().st_size == HALF
    site.at("/toy", web["whole"](CONTENT))
    assert brought(transfer, url) == CONTENT
    assert site.sent[-1] == len(CONTENT) - HALF


def test_a_part_of_one_address_is_not_continued_at_another(site: Any, transfer: Transfer) -> None:
    refused(transfer, site.at("/one", web["cut"](b"x" * 9000, 5000), web["status"](503)))
    assert transfer.part.exists()
    assert brought(transfer, site.at("/two", web["whole"](CONTENT))) == CONTENT
    assert ranges(site)[-1] is None


@pytest.mark.parametrize("torn", ["", "7", "http://other/toy\n1", "1\n2\n3"])
def test_a_part_of_unknown_origin_is_not_continued(
    site: Any, transfer: Transfer, torn: str
) -> None:
    transfer.part.write_bytes(b"x" * 5000)
    transfer.mark.write_text(torn)
    assert brought(transfer, site.at("/toy", web["whole"](CONTENT))) == CONTENT
    assert ranges(site) == [None]


def test_a_server_that_knows_no_ranges_sends_it_all_again(site: Any, transfer: Transfer) -> None:
    url = site.at("/toy", web["cut"](CONTENT, HALF), web["no_ranges"](CONTENT))
    assert brought(transfer, url) == CONTENT
    assert ranges(site) == [None, f"bytes={HALF}-"]


def test_without_a_mark_of_the_edition_it_begins_anew(site: Any, transfer: Transfer) -> None:
    for mark in ("", 'W/"1"'):
        site.asked.clear()
        url = site.at("/toy", web["cut"](CONTENT, HALF, ETag=mark), web["whole"](CONTENT))
        assert brought(transfer, url) == CONTENT
        assert ranges(site) == [None, None]
        transfer.part.with_name("toy").unlink()


def test_a_date_marks_an_edition_where_no_tag_does(site: Any, transfer: Transfer) -> None:
    date = "Wed, 01 Jan 2020 00:00:00 GMT"
    first = web["cut"](CONTENT, HALF, ETag='W/"1"', Last_Modified=date)
    url = site.at("/toy", first, web["whole"](CONTENT, date))
    assert brought(transfer, url) == CONTENT
    assert site.sent[-1] == len(CONTENT) - HALF


def test_an_edition_that_changed_meanwhile_begins_anew(site: Any, transfer: Transfer) -> None:
    other = CONTENT[::-1]
    for tags_the_rest in (True, False):
        changed = web["whole"](other, '"2"', tags_the_rest)
        url = site.at("/toy", web["cut"](CONTENT, HALF), changed)
        assert brought(transfer, url) == other
        transfer.part.with_name("toy").unlink()


@pytest.mark.parametrize(("shift", "etag"), [(-7, '"1"'), (7, '"1"'), (0, '"2"')])
def test_a_wrong_rest_is_not_glued_on(site: Any, transfer: Transfer, shift: int, etag: str) -> None:
    wrong = web["wrong_rest"](CONTENT, shift, etag)
    url = site.at("/toy", web["cut"](CONTENT, HALF), wrong, web["whole"](CONTENT))
    assert brought(transfer, url) == CONTENT
    assert ranges(site) == [None, f"bytes={HALF}-", None]


def test_a_part_longer_than_the_file_begins_anew(site: Any, transfer: Transfer) -> None:
    url = site.at("/toy", web["cut"](CONTENT, HALF), web["whole"](CONTENT[:1000]))
    assert brought(transfer, url) == CONTENT[:1000]


@pytest.mark.parametrize("code", [500, 502, 503, 429])
def test_a_server_that_errs_and_recovers_is_asked_again(
    site: Any, transfer: Transfer, code: int
) -> None:
    url = site.at("/toy", web["status"](code, b"oops"), web["whole"](CONTENT))
    assert brought(transfer, url) == CONTENT


def test_a_connection_that_breaks_is_tried_again(site: Any, transfer: Transfer) -> None:
    url = site.at("/toy", web["hang_up"], web["whole"](CONTENT))
    assert brought(transfer, url) == CONTENT


def test_it_asks_as_often_as_it_is_told_and_waits_longer_each_time(
    site: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    monkeypatch.setattr(time, "sleep", waits.append)
    transfer = Transfer(tmp_path / "part", patience=Patience(0.25, tries=4, pause=0.5))
    said = refused(transfer, site.at("/toy", web["status"](500)))
    assert "answers 500" in said and "tried 4 times" in said
    assert len(site.asked) == 4
    assert waits == [0.5, 1.0, 2.0]


@pytest.mark.parametrize("code", [404, 403, 410])
def test_a_file_that_is_not_there_is_asked_for_once(
    site: Any, transfer: Transfer, code: int
) -> None:
    assert f"answers {code}" in refused(transfer, site.at("/toy", web["status"](code)))
    assert len(site.asked) == 1
    assert not transfer.part.exists()


def test_where_nobody_listens_it_does_not_wait(transfer: Transfer) -> None:
    with web["served"]() as gone:
        address = gone.address
    assert "refused" in refused(transfer, f"{address}/toy")


def test_a_server_that_always_stalls_is_given_up(site: Any, transfer: Transfer) -> None:
    start = time.monotonic()
    said = refused(transfer, site.at("/toy", web["stall"](CONTENT, 0)))
    assert "timed out" in said and len(site.asked) == QUICK.tries
    assert time.monotonic() - start < 3


def test_a_length_beyond_the_body_is_a_cut_and_one_short_of_it_is_believed(
    site: Any, transfer: Transfer
) -> None:
    said = refused(transfer, site.at("/toy", web["lie"](CONTENT, 400_000, ETag="")))
    assert "IncompleteRead" in said and len(site.asked) == QUICK.tries
    url = site.at("/toy", web["lie"](CONTENT, 1000))  # the hash will tell
    assert brought(transfer, url) == CONTENT[:1000]


def test_chunks_come_whole_and_a_missing_end_is_a_cut(site: Any, transfer: Transfer) -> None:
    assert brought(transfer, site.at("/toy", web["chunked"](CONTENT))) == CONTENT
    transfer.part.with_name("toy").unlink()
    refused(transfer, site.at("/toy", web["chunked"](CONTENT, end=b"")))


def test_a_file_that_cannot_be_known_whole_is_refused_unless_a_hash_tells(
    site: Any, tmp_path: Path, transfer: Transfer
) -> None:
    url = site.at("/toy", web["unmeasured"](CONTENT))
    unpinned = Transfer(tmp_path / ".toy.part", pinned=False, patience=QUICK)
    assert "neither length nor hash" in refused(unpinned, url)
    assert brought(transfer, url) == CONTENT


@pytest.mark.parametrize("answer", ["endless", "unmeasured"])
def test_more_bytes_than_the_file_has_are_not_taken(site: Any, tmp_path: Path, answer: str) -> None:
    known = Transfer(tmp_path / ".toy.part", size=1000, patience=QUICK)
    made = web["endless"]() if answer == "endless" else web["unmeasured"](CONTENT)
    assert "more bytes than 1,000" in refused(known, site.at("/toy", made))
    assert os.listdir(tmp_path) == []


def test_a_file_of_unknown_size_has_a_limit_too(
    site: Any, transfer: Transfer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("coldbench.files.http.MAX_BYTES", 100_000)
    assert "more bytes than 100,000" in refused(transfer, site.at("/toy", web["endless"]()))
    assert "offers 307,200" in refused(transfer, site.at("/toy", web["whole"](CONTENT)))


def test_fewer_bytes_than_the_file_has_are_a_cut_even_without_a_length(
    site: Any, tmp_path: Path
) -> None:
    known = Transfer(tmp_path / ".toy.part", size=400_000, patience=QUICK)
    said = refused(known, site.at("/toy", web["unmeasured"](CONTENT)))
    assert "stopped after 307,200 of 400,000 bytes" in said and len(site.asked) == QUICK.tries


@pytest.mark.parametrize("size", [len(CONTENT) - 1, len(CONTENT) + 1])
def test_a_length_that_is_not_the_files_is_refused_before_it_is_read(
    site: Any, tmp_path: Path, size: int
) -> None:
    known = Transfer(tmp_path / ".toy.part", size=size, patience=QUICK)
    said = refused(known, site.at("/toy", web["whole"](CONTENT)))
    assert f"offers 307,200 bytes, expected {size:,}" in said
    assert len(site.asked) == 1 and os.listdir(tmp_path) == []


def test_a_file_that_comes_packed_is_refused(site: Any, transfer: Transfer) -> None:
    assert "packed" in refused(transfer, site.at("/toy", web["packed"](CONTENT)))


def test_redirects_are_followed_and_the_rest_is_asked_for_at_their_end(
    site: Any, transfer: Transfer
) -> None:
    site.at("/far", web["cut"](CONTENT, HALF), web["whole"](CONTENT))
    url = site.at("/near", web["redirect"]("/far"))
    assert brought(transfer, url) == CONTENT
    assert site.asked[-1] == ("/far", f"bytes={HALF}-")


def test_a_redirect_loop_ends(site: Any, transfer: Transfer) -> None:
    url = site.at("/round", web["redirect"]("/round"))
    assert f"{MAX_REDIRECTS} times" in refused(transfer, url)
    assert len(site.asked) == MAX_REDIRECTS


def test_the_endless_body_of_a_redirect_is_not_read(site: Any, transfer: Transfer) -> None:
    site.at("/far", web["whole"](CONTENT))
    assert brought(transfer, site.at("/near", web["endless"](302, Location="/far"))) == CONTENT


@pytest.mark.parametrize("onward", ["file:///etc/hostname", "ftp://127.0.0.1/toy", "http://[", ""])
def test_no_redirect_leads_to_anything_but_the_web(
    site: Any, transfer: Transfer, onward: str
) -> None:
    url = site.at("/near", web["redirect"](onward))
    with pytest.raises(DownloadFailed):
        transfer(url, str(transfer.part.with_name("toy")))
    assert os.listdir(transfer.part.parent) == []


@pytest.mark.parametrize("url", ["file:///etc/hostname", "ftp://127.0.0.1/x", "/etc/hostname", "x"])
def test_only_web_addresses_are_asked(transfer: Transfer, url: str) -> None:
    assert "only https and http" in refused(transfer, url)


def test_a_file_without_a_hash_is_not_taken_from_a_plain_address_behind_a_safe_one(
    transfer: Transfer, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = requests.Response()
    answer.status_code, answer.raw = 302, io.BytesIO()
    answer.headers["Location"] = "http://example.org/toy"
    monkeypatch.setattr(requests.Session, "get", lambda *_, **__: answer)
    unpinned = Transfer(transfer.part, pinned=False, patience=QUICK)
    assert "leads to plain http://example.org/toy" in refused(unpinned, "https://example.org/toy")


CODE = """
import sys
from pathlib import Path
from coldbench.files.http import Transfer
Transfer(Path(sys.argv[2]))(sys.argv[1], sys.argv[3])
"""


def test_ctrl_c_keeps_what_has_come(site: Any, transfer: Transfer) -> None:
    url = site.at("/toy", web["stall"](CONTENT, HALF), web["whole"](CONTENT))
    words = [url, str(transfer.part), str(transfer.part.with_name("toy"))]
    child = subprocess.Popen([sys.executable, "-c", CODE, *words], stderr=subprocess.PIPE)
    deadline = time.monotonic() + 30
    while not (transfer.part.exists() and transfer.part.stat().st_size >= 2**16):
        assert time.monotonic() < deadline and child.poll() is None
        time.sleep(0.01)
    child.send_signal(signal.SIGINT)
    said = child.communicate(timeout=30)[1].decode()
    assert "KeyboardInterrupt" in said
    kept = transfer.part.stat().st_size
    assert kept >= 2**16
    assert brought(transfer, url) == CONTENT
    assert ranges(site) == [None, f"bytes={kept}-"]
