"""What comes before a body is bounded too: in bytes, and in seconds."""

from typing import Any

import pytest


def test_a_head_that_does_not_end_is_refused(site: Any) -> None:
    answer = site.raw(b"GET /healthz HTTP/1.1\r\nhost: x\r\nx: " + b"y" * 20_000)
    assert answer.startswith(b"HTTP/1.1 400") and b"16384 bytes" in answer


@pytest.mark.parametrize("sent", [b"", b"GET /healthz HT"], ids=["nothing", "a part"])
def test_a_head_that_does_not_come_is_not_waited_for(
    site: Any, monkeypatch: pytest.MonkeyPatch, sent: bytes
) -> None:
    monkeypatch.setattr("coldbench.serving.http.PATIENCE", 0.05)
    assert site.raw(sent) == b""


def test_a_second_head_is_waited_for_no_longer_than_the_first(
    site: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("coldbench.serving.http.PATIENCE", 0.2)
    with site.connected() as line:
        line.sendall(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")
        assert line.recv(65536).startswith(b"HTTP/1.1 200")
        line.sendall(b"GET /healthz HT")
        line.settimeout(3)
        while line.recv(65536):
            pass


def test_many_requests_of_one_connection_are_answered_in_their_order(site: Any) -> None:
    body = b'{"ratings": {}, "n": 1}'
    head = b"POST /recommend HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
    request = head + b"content-length: %d\r\n\r\n" % len(body) + body
    last = b"GET /nowhere HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
    answers = site.raw(request * 40 + last)
    assert answers.count(b"HTTP/1.1 200") == 40
    assert answers.rfind(b"HTTP/1.1 404") > answers.rfind(b"HTTP/1.1 200")
