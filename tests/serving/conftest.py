"""A server of a toy model, in a thread of this process, and what a client sees of it."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests

pytest.importorskip("fastapi")

import uvicorn

from coldbench.benchmarks.commands.serve import bind
from coldbench.serving.app import app_of
from coldbench.serving.service import Service

JSON = {"content-type": "application/json"}


@dataclass(frozen=True)
class Site:
    service: Service
    url: str

    def post(self, path: str, body: Any = None, **how: Any) -> requests.Response:
        given = {"data": body} if isinstance(body, str | bytes) else {"json": body}
        return requests.post(self.url + path, **given, **{"headers": JSON, "timeout": 20} | how)

    def get(self, path: str, **how: Any) -> requests.Response:
        return requests.get(self.url + path, timeout=20, **how)


@contextmanager
def running(folder: Path, key: str = "", **how: Any) -> Iterator[Site]:
    service = Service(folder, **how)
    bound = bind("127.0.0.1", 0)
    server = uvicorn.Server(uvicorn.Config(app_of(service, key), log_level="warning"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]})
    thread.start()
    try:
        yield Site(service, f"http://127.0.0.1:{bound.getsockname()[1]}")
    finally:
        server.should_exit = True
        thread.join(20)
        assert not thread.is_alive()


@pytest.fixture(scope="session")
def serving() -> Callable[..., Any]:
    return running
