"""HTTP as it arrives: a head that is too long or too slow ends its connection.

httptools costs a third of h11 (docs/speed.md), but keeps a head of any length, and waits for it.
"""

import asyncio
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD = 16_384  # bytes of a request before its body
PATIENCE = 10.0  # seconds for them to arrive


class Bounded(HttpToolsProtocol):
    timer: asyncio.TimerHandle | None = None
    inside = True  # a head, or before one
    length = 0  # bytes of it so far

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)  # type: ignore[arg-type]
        self._wait()

    def data_received(self, data: bytes) -> None:
        self.length += len(data)
        super().data_received(data)
        if not self.inside or self.transport.is_closing():
            return
        if self.length > HEAD:
            self.send_400_response(f"A request has {HEAD} bytes at most before its body.")
        elif self.length and self.timer is None:
            self._wait()

    def on_headers_complete(self) -> None:
        self.inside = False
        self._come()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self.inside, self.length = True, 0
        super().on_message_complete()

    def connection_lost(self, error: Exception | None) -> None:
        self._come()
        super().connection_lost(error)

    def _wait(self) -> None:
        self.timer = self.loop.call_later(PATIENCE, self.transport.close)

    def _come(self) -> None:
        if self.timer:
            self.timer.cancel()
            self.timer = None


def server_of(app: Any) -> uvicorn.Server:
    """A server of an ASGI app; `run(sockets=[...])` serves until it is told to exit."""
    return uvicorn.Server(
        uvicorn.Config(
            app,
            http=Bounded,
            log_level="warning",
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=10,
        )
    )
