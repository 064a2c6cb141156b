"""A web server on this machine that answers as it is told, badly for the most part."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from threading import Event, Thread


class Handler(BaseHTTPRequestHandler):
    site: "Site"
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.close_connection = True
        answers = self.site.answers.get(self.path, [status(404)])
        self.site.asked.append((self.path, self.headers.get("Range")))
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        answer(self)

    def head(self, code: int, **headers: object) -> None:
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.send_header("Connection", "close")
        self.end_headers()

    def body(self, content: bytes) -> None:
        self.site.sent.append(len(content))
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


Answer = Callable[[Handler], None]


class Site:
    """What to answer at which path, in turn (the last for ever), and what was asked and sent."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.answers: dict[str, list[Answer]] = {}
        self.asked: list[tuple[str, str | None]] = []  # path and Range
        self.sent: list[int] = []  # bytes of each body
        self.over = Event()

    def at(self, path: str, *answers: Answer) -> str:
        """The address at which these answers are given."""
        self.answers[path] = list(answers)
        return self.address + path


class Quiet(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        pass  # a client that has gone


@contextmanager
def served() -> Iterator[Site]:
    class Sited(Handler):
        pass

    with Quiet(("127.0.0.1", 0), Sited) as server:
        site = Sited.site = Site(f"http://127.0.0.1:{server.server_port}")
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield site
        finally:
            site.over.set()
            server.shutdown()


def whole(content: bytes, etag: str | None = '"1"', tags_the_rest: bool = True) -> Answer:
    """An honest server: the file, or the rest of it where this edition's rest is asked for."""

    def answer(to: Handler) -> None:
        tag = {"ETag": etag} if etag else {}
        span = re.fullmatch(r"bytes=(\d+)-", to.headers.get("Range", ""))
        if span and to.headers.get("If-Range") in (None, etag):
            start, size = int(span[1]), len(content)
            if start >= size:
                to.head(416, Content_Length=0, Content_Range=f"bytes */{size}")
                return
            places = f"bytes {start}-{size - 1}/{size}"
            marked = tag if tags_the_rest else {}
            to.head(206, Content_Length=size - start, Content_Range=places, **marked)
            to.body(content[start:])
        else:
            to.head(200, Content_Length=len(content), **tag)
            to.body(content)

    return answer


def reply(body: bytes, code: int = 200, /, **headers: object) -> Answer:
    """Just that, and no length where none is among the headers."""

    def answer(to: Handler) -> None:
        to.head(code, **headers)
        to.body(body)

    return answer


def no_ranges(content: bytes, etag: str = '"1"') -> Answer:
    """The whole file, whatever is asked for."""
    return reply(content, Content_Length=len(content), ETag=etag)


def cut(content: bytes, at: int, **headers: object) -> Answer:
    """Announces the file, sends a part and hangs up."""
    return lie(content[:at], len(content), **headers)


def lie(content: bytes, length: int, **headers: object) -> Answer:
    return reply(content, Content_Length=length, **({"ETag": '"1"'} | headers))


def stall(content: bytes, at: int) -> Answer:
    """Sends a part, and then neither more nor goodbye."""

    def answer(to: Handler) -> None:
        to.head(200, Content_Length=len(content), ETag='"1"')
        to.body(content[:at])
        to.wfile.flush()
        to.site.over.wait(10)

    return answer


def wrong_rest(content: bytes, shift: int, etag: str = '"1"') -> Answer:
    """Answers a Range with bytes from elsewhere, or of another edition."""

    def answer(to: Handler) -> None:
        start = int(to.headers.get("Range", "bytes=0-")[6:-1]) + shift
        size = len(content)
        places = f"bytes {start}-{size - 1}/{size}"
        to.head(206, Content_Length=size - start, Content_Range=places, ETag=etag)
        to.body(content[start:])

    return answer


def status(code: int, body: bytes = b"") -> Answer:
    return reply(body, code, Content_Length=len(body))


def redirect(onward: str) -> Answer:
    return reply(b"", 302, Location=onward, Content_Length=0)


def endless(code: int = 200, **headers: object) -> Answer:
    """No length, and no end."""

    def answer(to: Handler) -> None:
        to.head(code, **headers)
        for _ in count():
            to.body(b"for ever and ever " * 4000)

    return answer


def unmeasured(content: bytes) -> Answer:
    """Neither a length nor chunks: the end is where the line goes dead."""
    return reply(content)


def chunked(content: bytes, end: bytes = b"0\r\n\r\n") -> Answer:
    def answer(to: Handler) -> None:
        to.head(200, Transfer_Encoding="chunked")
        to.wfile.write(b"%x\r\n" % len(content) + content + b"\r\n" + end)

    return answer


def packed(content: bytes) -> Answer:
    return reply(content, Content_Length=len(content), Content_Encoding="gzip")


def hang_up(to: Handler) -> None:
    """Not a word."""
    to.connection.close()
