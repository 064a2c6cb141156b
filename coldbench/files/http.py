"""Bring a file over HTTP: it goes on where it stopped, and what comes is not believed.

What has come so far lies in `.NAME.part`, and the mark the server gave this edition (its ETag or
date) in `.NAME.part.from`. The rest is asked for by Range and If-Range, so that an edition that has
changed since begins anew (RFC 9110, 13.1.5 and 14).
"""

import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn
from urllib3.exceptions import HTTPError, MaxRetryError, ProtocolError, TimeoutError

from coldbench import __version__
from coldbench.files.patience import PATIENCE, Patience

CHUNK = 2**16  # bytes taken from the connection at a time
MAX_BYTES = 16 * 2**30  # bytes of a file whose size nobody has stated
RETRY_STATUS = (408, 425, 429, 500, 502, 503, 504)  # answers that another moment may better
MAX_REDIRECTS = 10  # from one address to the next

BROKEN = (requests.ConnectionError, requests.Timeout, ProtocolError, TimeoutError)
OnProgress = Callable[[int, int | None], object]  # bytes so far, bytes in all where known


class DownloadFailed(Exception):
    """The address does not give the file; the message says what it gave."""


class Retry(Exception):
    """It may give it when asked again."""


class _Session(requests.Session):
    """A session that follows no redirect: requests would read its body to the end, if any."""

    def resolve_redirects(self, *_: object, **__: object) -> Iterator[Any]:  # type: ignore[override]
        return iter(())


@dataclass(frozen=True)
class Transfer:
    """A downloader as pooch calls it, for one file."""

    part: Path  # what has come so far
    size: int | None = None  # bytes, where known
    pinned: bool = True  # a hash will prove that the right file came whole
    patience: Patience = PATIENCE

    @property
    def mark(self) -> Path:
        return self.part.with_name(f"{self.part.name}.from")

    def __call__(self, url: str, target: str, _pooch: object = None) -> None:
        """Write the whole file to `target`, or raise NotSent; a part that came is kept."""
        console = Console(stderr=True)
        columns = TextColumn("{task.description}"), BarColumn(), DownloadColumn()
        quiet = not console.is_terminal or os.environ.get("COLDBENCH_QUIET", "0") not in ("", "0")
        with Progress(
            *columns, TransferSpeedColumn(), console=console, transient=True, disable=quiet
        ) as bar:
            task = bar.add_task(Path(urlsplit(url).path).name, total=self.size)
            self.bring(url, lambda done, total: bar.update(task, completed=done, total=total))
        os.replace(self.part, target)
        self.mark.unlink()

    def bring(self, url: str, tell: OnProgress) -> None:
        """Fill `part`, asking again where that may help."""
        last: Exception | None = None
        for tried in range(self.patience.tries):
            if tried:
                time.sleep(self.patience.pause * 2 ** (tried - 1))
            try:
                return self._once(url, tell)
            except (Retry, *BROKEN) as e:
                cause = e.args[0] if e.args else e
                if isinstance(cause, MaxRetryError):  # no connection: another address is quicker
                    raise DownloadFailed(f"{url}: {_line(cause.reason or cause)}") from e
                last = e
            except (requests.RequestException, HTTPError, ValueError) as error:
                raise DownloadFailed(f"{url}: {_line(error)}") from error
        raise DownloadFailed(f"{url}: {_line(last)} (tried {self.patience.tries} times)") from last

    def forget(self) -> None:
        """Drop what has come so far."""
        self.part.unlink(missing_ok=True)
        self.mark.unlink(missing_ok=True)

    def _once(self, url: str, tell: OnProgress) -> None:
        have, mark = self._so_far(url)
        headers = {"Accept-Encoding": "identity", "User-Agent": f"coldbench/{__version__}"}
        if have:
            headers |= {"Range": f"bytes={have}-", "If-Range": mark}
        with _Session() as session, closing(self._ask(session, url, headers)) as answer:
            if answer.status_code in RETRY_STATUS:
                raise Retry(f"answers {answer.status_code} {answer.reason}")
            if (have and answer.status_code == 416) or not _goes_on(answer, have, mark):
                self.forget()
                raise Retry("has another edition than the one begun")
            if answer.status_code not in (200, 206):
                raise DownloadFailed(f"{url}: answers {answer.status_code} {answer.reason}")
            have = have if answer.status_code == 206 else 0
            if not have:
                self.forget()
                self.mark.write_text(f"{url}\n{_mark(answer)}")
            self._take(url, answer, have, tell)

    def _ask(
        self, session: requests.Session, url: str, headers: dict[str, str]
    ) -> requests.Response:
        """The answer at the end of all redirects."""
        for _ in range(MAX_REDIRECTS):
            if urlsplit(url).scheme not in ("https", "http"):
                raise DownloadFailed(f"{url}: only https and http are asked")
            answer = session.get(url, headers=headers, stream=True, timeout=self.patience.stall)
            if not answer.is_redirect:
                return answer
            answer.close()
            onward = urljoin(url, answer.headers["Location"])
            if url.startswith("https:") and onward.startswith("http:") and not self.pinned:
                raise DownloadFailed(f"{url}: leads to plain {onward}, and no hash is known")
            url = onward
        raise DownloadFailed(f"{url}: leads from one address to the next, {MAX_REDIRECTS} times")

    def _take(self, url: str, answer: requests.Response, have: int, tell: OnProgress) -> None:
        """The body, after the `have` bytes that are here."""
        if answer.headers.get("Content-Encoding", "identity") != "identity":
            raise DownloadFailed(f"{url}: sends the file packed, though not asked to")
        length = answer.headers.get("Content-Length", "")
        chunked = answer.raw.chunked
        whole = have + int(length) if length.isdecimal() and not chunked else self.size
        if whole is None and not chunked and not self.pinned:
            raise DownloadFailed(
                f"{url}: neither length nor hash would tell that the file came whole"
            )
        most = MAX_BYTES if self.size is None else self.size
        try:
            if whole is not None and (whole > most or self.size not in (None, whole)):
                raise DownloadFailed(f"{url}: offers {whole:,} bytes, expected {_bytes(self.size)}")
            with self.part.open("ab") as out:
                # requests would wait for a full block, and drop what it has where the line breaks
                while block := answer.raw.read1(CHUNK, decode_content=False):
                    have += len(block)
                    if have > most:
                        raise DownloadFailed(f"{url}: sends more bytes than {_bytes(self.size)}")
                    out.write(block)
                    tell(have, whole)
        except DownloadFailed:
            self.forget()
            raise
        if whole is not None and have != whole:
            raise Retry(f"stopped after {have:,} of {whole:,} bytes")

    def _so_far(self, url: str) -> tuple[int, str]:
        """Bytes that are here and the mark of their edition; 0 where it is not this address's."""
        try:
            source, mark = self.mark.read_text().split("\n")
            have = self.part.stat().st_size
        except (FileNotFoundError, ValueError):  # not there, or not two lines
            return 0, ""
        return (have, mark) if source == url and mark else (0, "")


def _goes_on(answer: requests.Response, have: int, mark: str) -> bool:
    """Whether a part is the rest of what is here."""
    if answer.status_code != 206:
        return True
    span = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+|\*)", answer.headers.get("Content-Range", ""))
    if not span or int(span[1]) != have or span[3] not in ("*", str(int(span[2]) + 1)):
        return False
    return _mark(answer) in (mark, "")


def _mark(answer: requests.Response) -> str:
    """What tells this edition from another; a weak ETag does not."""
    tag = answer.headers.get("ETag", "")
    return tag if tag and not tag.startswith("W/") else answer.headers.get("Last-Modified", "")


def _bytes(size: int | None) -> str:
    return f"{size:,}" if size is not None else f"{MAX_BYTES:,} at most"


def _line(error: object) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
