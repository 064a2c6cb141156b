"""The routes whose answers are computed: from a body's bytes to an answer's, in few steps.

They stand before the framework, which costs more than all else of a request (docs/speed.md).
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from types import MethodType
from typing import Any

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Receive, Scope, Send

from coldbench.errors import UserError

from . import schema
from .batcher import Full
from .guard import header
from .model import Asking, Served
from .service import Service

PATIENCE = 30.0  # seconds that an answer may take


@dataclass(frozen=True)
class Route:
    path: str
    body: type[schema.ToRecommend | schema.ToScore]
    read: Callable[[Served, Any], Asking]  # raises UserError
    answer: Callable[[Served, list[Asking]], list[bytes]]


ROUTES = (
    Route("/recommend", schema.ToRecommend, Served.read, Served.recommend),
    Route("/score", schema.ToScore, Served.read, Served.score),
    Route("/explain", schema.ToScore, Served.read_to_explain, Served.explain),
)


class Computed:
    """ASGI before the app: it answers these routes, and hands all others on."""

    def __init__(self, app: ASGIApp, service: Service) -> None:
        self.app, self.service = app, service
        self.routes = {route.path: route for route in ROUTES}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        route = self.routes.get(scope["path"]) if scope["type"] == "http" else None
        if route is None or scope["method"] != "POST":
            return await self.app(scope, receive, send)
        scope["route"] = route
        body = await self._answer(route, scope, (await receive())["body"])
        headers = [
            (b"content-type", b"application/json"), (b"content-length", b"%d" % len(body)),
        ]  # fmt: skip
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _answer(self, route: Route, scope: Scope, body: bytes) -> bytes:
        served = self.service.served
        try:
            asking = route.read(served, read(route, scope, body))
            async with asyncio.timeout(PATIENCE):
                together = MethodType(route.answer, served)
                return await self.service.ask(together, asking, len(asking.rows))
        except UserError as error:
            raise HTTPException(422, str(error)) from None
        except Full:
            soon = {"retry-after": "1"}
            raise HTTPException(429, "too many requests wait; try again", soon) from None
        except TimeoutError:
            late = f"no answer within {PATIENCE:g} seconds; try again"
            raise HTTPException(503, late, {"retry-after": "1"}) from None


def read(route: Route, scope: Scope, body: bytes) -> Any:
    kind = header(scope, b"content-type").partition(b";")[0].strip().lower()
    if kind != b"application/json":
        raise HTTPException(415, "send JSON, with the header content-type: application/json")
    try:
        return schema.parsed(body, route.body)
    except ValueError as error:
        raise HTTPException(400, f"the body is no JSON: {error}") from None
