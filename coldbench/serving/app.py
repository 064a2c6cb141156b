"""The service over HTTP: its routes, what each answers, and the page for people."""

import asyncio
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any

from fastapi import FastAPI, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, PlainTextResponse
from starlette.exceptions import HTTPException as Refusal

from coldbench import __version__
from coldbench.errors import UserError

from . import schema
from .computed import Computed
from .guard import Guard, problem
from .service import Service

HERE = Path(__file__).parent
WRONG: dict[int | str, dict[str, Any]] = {
    code: {"model": schema.Problem, "description": why}
    for code, why in {
        400: "no JSON", 401: "no key, or a wrong one", 408: "the body came too slowly",
        413: "the body is too large", 415: "the body is not called JSON",
        422: "an unknown item, a rating off the scale, a field that is missing or of a wrong type",
        429: "too many requests wait", 503: "no answer in time",
    }.items()
}  # fmt: skip


def app_of(service: Service, key: str = "") -> FastAPI:
    """An ASGI app that serves while it lives; with a key, only who says it is answered."""

    @asynccontextmanager
    async def life(_: FastAPI) -> AsyncIterator[None]:
        async with service.open():
            yield

    app = FastAPI(
        title="coldbench", version=__version__, lifespan=life, docs_url=None, redoc_url=None,
        description="Recommendations for a user who is met for the first time. Nothing is kept.",
    )  # fmt: skip
    app.add_middleware(Computed, service=service)  # answers the three that are told of below
    app.add_middleware(Guard, figures=service.figures, key=key)
    for kind in (Refusal, UserError, RequestValidationError):
        app.add_exception_handler(kind, refused)

    @app.post(
        "/recommend", response_model=schema.Answer, responses=WRONG, **takes(schema.ToRecommend)
    )
    async def recommend() -> None:
        """The best items for a user, best first; what the user rated is left out."""

    @app.post("/score", response_model=schema.Answer, responses=WRONG, **takes(schema.ToScore))
    async def score() -> None:
        """The user's expected label of each item, in the order asked: 0 dislike, 1 like."""

    @app.post("/explain", response_model=schema.Answer, responses=WRONG, **takes(schema.ToScore))
    async def explain() -> None:
        """The same, and what each of the user's ratings adds to each score: exactly."""

    @app.get("/items", responses={key: WRONG[key] for key in (401, 422)})
    async def items(
        q: Annotated[str, Query(max_length=200, description="Words of a title, or an id.")] = "",
        limit: Annotated[int, Query(ge=1, le=schema.BEST)] = 20,
    ) -> schema.Titles:
        """Items whose titles have all these words."""
        titles = await asyncio.to_thread(service.served.titles, q, limit)
        return schema.Titles(items=[schema.Title(**title) for title in titles])

    @app.get("/healthz")
    async def health() -> schema.Health:
        """What serves now."""
        return schema.Health(status="ok", problem=service.problem, **service.served.facts())

    @app.get("/metrics", response_class=PlainTextResponse, responses={401: WRONG[401]})
    async def metrics() -> Response:
        """Counts and seconds, as Prometheus reads them."""
        return Response(service.figures.text(), media_type="text/plain; version=0.0.4")

    @app.get("/", include_in_schema=False)
    async def page() -> HTMLResponse:
        return html("page.html")

    @app.get("/docs", include_in_schema=False)
    async def docs() -> HTMLResponse:
        return html("docs.html")

    return app


async def refused(request: Request, error: Exception) -> JSONResponse:
    """What a user can mend, in one line."""
    if isinstance(error, RequestValidationError):
        return problem(Refusal(422, schema.said(list(error.errors()))))
    if isinstance(error, UserError):
        return problem(Refusal(422, str(error)))
    assert isinstance(error, Refusal)
    where = f"{request.method} {request.url.path[:60]} is not served; GET /docs says what is"
    lost = error.status_code in (404, 405)
    return problem(Refusal(error.status_code, where, error.headers) if lost else error)


def takes(model: type[schema.Asked]) -> dict[str, Any]:
    """The body of a route for its OpenAPI: it is read here, where every mistake gets its line."""
    content = {"application/json": {"schema": model.model_json_schema()}}
    return {"openapi_extra": {"requestBody": {"required": True, "content": content}}}


def html(name: str) -> HTMLResponse:
    """A page of ours under a policy that lets nothing else run, and nothing be asked elsewhere."""
    text = (HERE / name).read_text(encoding="utf-8")
    style, script = (digest(text, tag) for tag in ("style", "script"))
    policy = (
        f"default-src 'none'; style-src {style}; script-src {script}; connect-src 'self'; "
        "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    return HTMLResponse(text, headers={"content-security-policy": policy})


def digest(text: str, tag: str) -> str:
    inside = text.split(f"<{tag}>", 1)[1].split(f"</{tag}>", 1)[0]
    return f"'sha256-{b64encode(sha256(inside.encode()).digest()).decode()}'"
