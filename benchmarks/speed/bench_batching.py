"""What a batch is worth: 64 clients of the app itself, in its own process and without a socket.

By turns batched and one at a time, in seconds of a core for each answer: other work on the machine
changes them little. What a socket and HTTP add is measured by an app that answers nothing.
"""

import asyncio
import sys
from pathlib import Path
from time import process_time
from typing import Any

import pytest
import torch

from coldbench.serving.app import app_of
from coldbench.serving.service import Service

from .served import asked, model, started

MANY = 64
EMPTY = """
import socket
from coldbench.serving.http import server_of

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        return await send({"type": "lifespan.shutdown.complete"})
    await receive()
    headers = [(b"content-length", b"2")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"{}"})

bound = socket.create_server(("127.0.0.1", 0))
print(f"on http://127.0.0.1:{bound.getsockname()[1]} ", flush=True)
server_of(app).run(sockets=[bound])
"""


async def answered(app: Any, lines: list[bytes], at: int, count: int) -> None:
    """One client, who asks again once answered."""
    kind = [(b"content-type", b"application/json")]
    for number in range(at, at + count):
        scope = {"type": "http", "method": "POST", "path": "/recommend", "headers": kind,
                 "query_string": b"", "root_path": ""}  # fmt: skip
        body = {"type": "http.request", "body": lines[number % len(lines)], "more_body": False}

        async def receive(body: Any = body) -> Any:
            return body

        async def send(message: Any) -> None:
            assert message.get("status", 200) == 200

        await app(scope, receive, send)


async def cost(folder: Path, lines: list[bytes], batch: int, each: int) -> float:
    """Milliseconds of a core for an answer."""
    service = Service(folder, batch)
    app = app_of(service)
    async with service.open():
        for count in (1, each):
            begun = process_time()
            clients = (answered(app, lines, 7 * number, count) for number in range(MANY))
            await asyncio.gather(*clients)
    return 1e3 * (process_time() - begun) / MANY / each


@pytest.mark.parametrize("n_items", [1_682, 100_000])
@pytest.mark.parametrize("method", ["fold-in", "protonet", "maml"])
def test_batching(method: str, n_items: int, tmp_path: Path) -> None:
    torch.set_num_threads(1)
    folder = model(method, n_items, tmp_path / "model")
    lines = [line.encode() for line in asked(n_items).splitlines()]
    each, turns = (10, 2) if n_items < 10_000 else (1, 3)
    costs_by_batch: dict[int, list[float]] = {MANY: [], 1: []}
    for _ in range(turns):
        for batch, costs in costs_by_batch.items():
            costs.append(asyncio.run(cost(folder, lines, batch, each)))
    together, alone = (min(costs) for costs in costs_by_batch.values())
    print(
        f"{method}, {n_items:,} items: {together:.3f} ms of a core for an answer, one at a time "
        f"{alone:.3f}: {alone / together:.1f} times"
    )


def test_http_alone() -> None:
    with started([sys.executable, "-c", EMPTY]) as server:
        costs = [server.ask(asked(1_682), MANY, 1.0)["cpu_ms"] for _ in range(3)]
    print(f"an app that answers nothing: {min(costs):.3f} ms of a core for an answer")
