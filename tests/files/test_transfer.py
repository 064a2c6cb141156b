"""A download from a server that errs or lies: what came right is kept, what came wrong is not."""

import io
import os
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
from tests import hostile
from tests.console import until
from tests.hostile import Answer, Site

CONTENT = bytes(range(256)) * 1200  # 307,200 bytes
HALF = 150_000
QUICK = Patience(stall=0.25, tries=3, pause=0.01)
WHOLE, CUT = hostile.whole(CONTENT), hostile.cut(CONTENT, HALF)
DATE = "Wed, 01 Jan 2020 00:00:00 GMT"
REST = f"bytes={HALF}-"


@pytest.fixture
def site() -> Iterator[Site]:
    with hostile.served() as site:
        yield site


@pytest.fixture
def transfer(tmp_path: Path) -> Transfer:
    return Transfer(tmp_path / ".toy.part", patience=QUICK)


def downloaded(transfer: Transfer, url: str) -> bytes:
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


def ranges(site: Site) -> list[str | None]:
    return [span for _, span in site.asked]


def test_a_file_comes_whole_and_without_a_word_where_there_is_no_terminal(
    site: Site, transfer: Transfer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert downloaded(transfer, site.at("/toy", WHOLE)) == CONTENT
    assert ranges(site) == [None]
    assert capsys.readouterr() == ("", "")


RECOVERED: dict[str, tuple[list[Answer], list[str | None]]] = {  # answers, ranges asked for
    "a cut": ([CUT, WHOLE], [None, REST]),
    "a server that knows no ranges": ([CUT, hostile.no_ranges(CONTENT)], [None, REST]),
    "no mark of the edition": ([hostile.cut(CONTENT, HALF, ETag=""), WHOLE], [None, None]),
    "a weak mark": ([hostile.cut(CONTENT, HALF, ETag='W/"1"'), WHOLE], [None, None]),
    "a date that marks the edition": (
        [
            hostile.cut(CONTENT, HALF, ETag='W/"1"', Last_Modified=DATE),
            hostile.whole(CONTENT, DATE),
        ],
        [None, REST],
    ),
    **{
        f"a wrong rest: {shift}, {etag}": (
            [CUT, hostile.wrong_rest(CONTENT, shift, etag), WHOLE],
            [None, REST, None],
        )
        for shift, etag in ((-7, '"1"'), (7, '"1"'), (0, '"2"'))
    },
    **{
        f"an error {code}": ([hostile.status(code, b"oops"), WHOLE], [None, None])
        for code in (500, 502, 503, 429)
    },
    "a connection that breaks": ([hostile.hang_up, WHOLE], [None, None]),
}


@pytest.mark.parametrize("what", RECOVERED)
def test_after_a_fault_only_what_is_missing_and_known_to_fit_is_asked_for(
    site: Site, transfer: Transfer, what: str
) -> None:
    answers, asked = RECOVERED[what]
    assert downloaded(transfer, site.at("/toy", *answers)) == CONTENT
    assert ranges(site) == asked
    if asked == [None, REST] and "no ranges" not in what:
        assert site.sent == [HALF, len(CONTENT) - HALF]


OTHER = CONTENT[::-1]


@pytest.mark.parametrize(
    ("answer", "content"),
    [
        (hostile.whole(OTHER, '"2"'), OTHER),
        (hostile.whole(OTHER, '"2"', tags_the_rest=False), OTHER),
        (hostile.whole(CONTENT[:1000]), CONTENT[:1000]),
    ],
    ids=["another", "another, its rest without a tag", "shorter than the part"],
)
def test_an_edition_that_changed_meanwhile_begins_anew(
    site: Site, transfer: Transfer, answer: Answer, content: bytes
) -> None:
    assert downloaded(transfer, site.at("/toy", CUT, answer)) == content


def test_after_a_stall_it_goes_on_too(site: Site, transfer: Transfer) -> None:
    assert downloaded(transfer, site.at("/toy", hostile.stall(CONTENT, HALF), WHOLE)) == CONTENT
    first, second = ranges(site)
    assert first is None and second, "what had come was asked for again"
    assert HALF - 2**16 <= int(second[6:-1]) <= HALF


def test_what_came_before_a_failure_serves_the_next_call(site: Site, transfer: Transfer) -> None:
    url = site.at("/toy", CUT, hostile.status(503))
    assert "503" in refused(transfer, url)
    assert transfer.part.stat().st_size == HALF
    site.at("/toy", WHOLE)
    assert downloaded(transfer, url) == CONTENT
    assert site.sent[-1] == len(CONTENT) - HALF


def test_a_part_of_one_address_is_not_continued_at_another(site: Site, transfer: Transfer) -> None:
    refused(transfer, site.at("/one", hostile.cut(b"x" * 9000, 5000), hostile.status(503)))
    assert transfer.part.exists()
    assert downloaded(transfer, site.at("/two", WHOLE)) == CONTENT
    assert ranges(site)[-1] is None


@pytest.mark.parametrize("torn", ["", "7", "http://other/toy\n1", "1\n2\n3"])
def test_a_part_of_unknown_origin_is_not_continued(
    site: Site, transfer: Transfer, torn: str
) -> None:
    transfer.part.write_bytes(b"x" * 5000)
    transfer.mark.write_text(torn)
    assert downloaded(transfer, site.at("/toy", WHOLE)) == CONTENT
    assert ranges(site) == [None]


def test_it_asks_as_often_as_it_is_told_and_waits_longer_each_time(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    monkeypatch.setattr(time, "sleep", waits.append)
    transfer = Transfer(tmp_path / "part", patience=Patience(0.25, tries=4, pause=0.5))
    reason = refused(transfer, site.at("/toy", hostile.status(500)))
    assert "answers 500" in reason and "tried 4 times" in reason
    assert len(site.asked) == 4
    assert waits == [0.5, 1.0, 2.0]


def test_where_nobody_listens_it_does_not_wait(transfer: Transfer) -> None:
    with hostile.served() as gone:
        address = gone.address
    assert "refused" in refused(transfer, f"{address}/toy")


def test_a_server_that_always_stalls_is_given_up(site: Site, transfer: Transfer) -> None:
    start = time.monotonic()
    reason = refused(transfer, site.at("/toy", hostile.stall(CONTENT, 0)))
    assert "timed out" in reason and len(site.asked) == QUICK.tries
    assert time.monotonic() - start < 3


LIES: dict[str, tuple[Answer, dict[str, Any], str, int]] = {  # answer, options, reason, asked
    **{f"no file: {code}": (hostile.status(code), {}, f"answers {code}", 1)
       for code in (404, 403, 410)},
    "a length beyond the body": (
        hostile.lie(CONTENT, 400_000, ETag=""), {}, "IncompleteRead", QUICK.tries),
    "neither length nor hash": (
        hostile.unmeasured(CONTENT), {"pinned": False}, "neither length nor hash", 1),
    "no end": (hostile.endless(), {"size": 1000}, "more bytes than 1,000", 1),
    "too much": (hostile.unmeasured(CONTENT), {"size": 1000}, "more bytes than 1,000", 1),
    "too little": (
        hostile.unmeasured(CONTENT), {"size": 400_000}, "stopped after 307,200 of 400,000 bytes",
        QUICK.tries),
    "a byte too much": (WHOLE, {"size": 307_199}, "offers 307,200 bytes, expected 307,199", 1),
    "a byte too little": (WHOLE, {"size": 307_201}, "offers 307,200 bytes, expected 307,201", 1),
    "a packed file": (hostile.packed(CONTENT), {}, "packed", 1),
}  # fmt: skip


@pytest.mark.parametrize("what", LIES)
def test_what_is_not_the_file_is_refused_and_asked_for_again_only_where_it_may_be_a_cut(
    site: Site, tmp_path: Path, what: str
) -> None:
    answer, options, reason, asked = LIES[what]
    transfer = Transfer(tmp_path / ".toy.part", patience=QUICK, **options)
    assert reason in refused(transfer, site.at("/toy", answer))
    assert len(site.asked) == asked
    if asked == 1:
        assert set(os.listdir(tmp_path)) <= (set() if "size" in options else {transfer.mark.name})


def test_a_length_short_of_the_body_is_believed_as_the_hash_will_tell(
    site: Site, transfer: Transfer
) -> None:
    assert downloaded(transfer, site.at("/toy", hostile.lie(CONTENT, 1000))) == CONTENT[:1000]


def test_a_file_without_a_length_whose_hash_is_known_is_taken(
    site: Site, transfer: Transfer
) -> None:
    assert downloaded(transfer, site.at("/toy", hostile.unmeasured(CONTENT))) == CONTENT


def test_chunks_come_whole_and_a_missing_end_is_a_cut(site: Site, transfer: Transfer) -> None:
    assert downloaded(transfer, site.at("/toy", hostile.chunked(CONTENT))) == CONTENT
    transfer.part.with_name("toy").unlink()
    refused(transfer, site.at("/toy", hostile.chunked(CONTENT, end=b"")))


def test_a_file_of_unknown_size_has_a_limit_too(
    site: Site, transfer: Transfer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("coldbench.files.http.MAX_BYTES", 100_000)
    assert "more bytes than 100,000" in refused(transfer, site.at("/toy", hostile.endless()))
    assert "offers 307,200" in refused(transfer, site.at("/toy", WHOLE))


def test_redirects_are_followed_and_the_rest_is_asked_for_at_their_end(
    site: Site, transfer: Transfer
) -> None:
    site.at("/far", CUT, WHOLE)
    assert downloaded(transfer, site.at("/near", hostile.redirect("/far"))) == CONTENT
    assert site.asked[-1] == ("/far", REST)


def test_a_redirect_loop_ends(site: Site, transfer: Transfer) -> None:
    url = site.at("/round", hostile.redirect("/round"))
    assert f"{MAX_REDIRECTS} times" in refused(transfer, url)
    assert len(site.asked) == MAX_REDIRECTS


def test_the_endless_body_of_a_redirect_is_not_read(site: Site, transfer: Transfer) -> None:
    site.at("/far", WHOLE)
    url = site.at("/near", hostile.endless(302, Location="/far"))
    assert downloaded(transfer, url) == CONTENT


@pytest.mark.parametrize("onward", ["file:///etc/hostname", "ftp://127.0.0.1/toy", "http://[", ""])
def test_no_redirect_leads_to_anything_but_the_web(
    site: Site, transfer: Transfer, onward: str
) -> None:
    with pytest.raises(DownloadFailed):
        downloaded(transfer, site.at("/near", hostile.redirect(onward)))
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


def test_ctrl_c_keeps_what_has_come(site: Site, transfer: Transfer) -> None:
    url = site.at("/toy", hostile.stall(CONTENT, HALF), WHOLE)
    words = [url, str(transfer.part), str(transfer.part.with_name("toy"))]
    child = subprocess.Popen([sys.executable, "-c", CODE, *words], stderr=subprocess.PIPE)
    until(lambda: transfer.part.exists() and transfer.part.stat().st_size >= 2**16, 30)
    child.send_signal(signal.SIGINT)
    assert "KeyboardInterrupt" in child.communicate(timeout=30)[1].decode()
    kept = transfer.part.stat().st_size
    assert kept >= 2**16
    assert downloaded(transfer, url) == CONTENT
    assert ranges(site) == [None, f"bytes={kept}-"]
