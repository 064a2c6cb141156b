"""What every request passes first: the key, the size and the patience. And how a refusal reads."""

import asyncio
import hmac
import logging
from time import perf_counter

from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from coldbench.errors import printable

from .figures import Figures
from .schema import BODY

OPEN = ("/", "/healthz", "/docs", "/openapi.json")  # say nothing that a key protects
PATIENCE = 10.0  # seconds for a body to arrive


class Guard:
    """ASGI around the app: a request without the key, too large or too slow never reaches it."""

    def __init__(self, app: ASGIApp, figures: Figures, key: str = "") -> None:
        self.app, self.figures, self.key = app, figures, key

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        begun, status = perf_counter(), 500

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] += [(b"x-content-type-options", b"nosniff")]
            await send(message)

        try:
            self._check_key(scope)
            if scope["method"] == "POST":
                receive = replay(await whole(scope, receive))
            await self.app(scope, receive, answer)
        except HTTPException as refused:
            await problem(refused)(scope, receive, answer)
        except Exception:
            logging.getLogger("uvicorn.error").exception("%s failed", scope["path"])
            if status == 500:  # nothing was sent yet
                await problem(HTTPException(500, "our mistake: the log has it"))(
                    scope, receive, answer
                )
        finally:
            path = getattr(scope.get("route"), "path", "other")  # set by who answers
            self.figures.request(path, status, perf_counter() - begun)

    def _check_key(self, scope: Scope) -> None:
        if not self.key or scope["path"] in OPEN:
            return
        given = header(scope, b"authorization").partition(b" ")
        right = given[0].lower() == b"bearer"
        if not (right and hmac.compare_digest(given[2].strip(), self.key.encode())):
            raise HTTPException(
                401,
                "this needs the key: Authorization: Bearer KEY",
                {"www-authenticate": "Bearer"},
            )


async def whole(scope: Scope, receive: Receive) -> bytes:
    """The body; HTTPException where it is too large, too slow, or broken off."""
    large = HTTPException(413, f"a request has {BODY:,} bytes at most", {"connection": "close"})
    length = header(scope, b"content-length")
    if length.isdigit() and int(length) > BODY:
        raise large
    body = bytearray()
    try:
        async with asyncio.timeout(PATIENCE):
            more = True
            while more:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise HTTPException(400, "the request broke off")
                body += message.get("body", b"")
                if len(body) > BODY:
                    raise large
                more = message.get("more_body", False)
    except TimeoutError:
        late = f"the request did not arrive within {PATIENCE:g} seconds"
        raise HTTPException(408, late, {"connection": "close"}) from None
    return bytes(body)


def replay(body: bytes) -> Receive:
    """A body that was read, to be read again."""
    left: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Message:
        return left.pop() if left else {"type": "http.disconnect"}

    return receive


def header(scope: Scope, name: bytes) -> bytes:
    return next((value for key, value in scope["headers"] if key == name), b"")


def problem(error: HTTPException) -> JSONResponse:
    """One line, as every refusal reads."""
    return JSONResponse(
        {"error": printable(" ".join(str(error.detail).splitlines()))},
        error.status_code,
        dict(error.headers or {}),
    )
