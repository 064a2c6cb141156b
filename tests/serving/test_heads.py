"""What comes before a body is bounded too: in bytes, and in seconds."""

import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="module")
def site(serving: Callable[..., Any], toy_model: Path) -> Iterator[Any]:
    with serving(toy_model) as found:
        yield found


def connected(site: Any) -> socket.socket:
    host, port = site.url.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), timeout=20)


def until_closed(line: socket.socket) -> bytes:
    got = b""
    while part := line.recv(65536):
        got += part
    return got


def test_a_head_that_does_not_end_is_refused(site: Any) -> None:
    with connected(site) as line:
        line.sendall(b"GET /healthz HTTP/1.1\r\nhost: x\r\nx: " + b"y" * 20_000)
        said = until_closed(line)
    assert said.startswith(b"HTTP/1.1 400") and b"16384 bytes" in said


@pytest.mark.parametrize("sent", [b"", b"GET /healthz HT"], ids=["nothing", "a part"])
def test_a_head_that_does_not_come_is_not_waited_for(
    site: Any, monkeypatch: pytest.MonkeyPatch, sent: bytes
) -> None:
    monkeypatch.setattr("coldbench.serving.http.PATIENCE", 0.05)
    with connected(site) as line:
        line.sendall(sent)
        assert until_closed(line) == b""


def test_a_second_head_is_waited_for_no_longer_than_the_first(
    site: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("coldbench.serving.http.PATIENCE", 0.2)
    with connected(site) as line:
        line.sendall(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")
        assert line.recv(65536).startswith(b"HTTP/1.1 200")
        line.sendall(b"GET /healthz HT")
        line.settimeout(3)
        until_closed(line)


def test_many_requests_of_one_connection_are_answered_in_their_order(site: Any) -> None:
    body = b'{"ratings": {}, "n": 1}'
    head = b"POST /recommend HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
    one = head + b"content-length: %d\r\n\r\n" % len(body) + body
    last = b"GET /nowhere HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
    with connected(site) as line:
        line.sendall(one * 40 + last)
        said = until_closed(line)
    assert said.count(b"HTTP/1.1 200") == 40
    assert said.rfind(b"HTTP/1.1 404") > said.rfind(b"HTTP/1.1 200")
