"""A server of a toy model, in a thread of this process, and what a client sees of it."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import requests

pytest.importorskip("fastapi")

from coldbench import registry
from coldbench.encoder import Items
from coldbench.recommend.artefact import About
from coldbench.recommend.ratings import Scale
from coldbench.recommend.recommender import Recommender
from coldbench.seeds import Seeds
from coldbench.serving.app import app_of
from coldbench.serving.http import server_of
from coldbench.serving.service import Service
from coldbench.splits.split import Split

JSON = {"content-type": "application/json"}


@dataclass(frozen=True)
class Site:
    service: Service
    url: str

    def post(self, path: str, body: Any = None, **how: Any) -> requests.Response:
        raw = not isinstance(body, dict)
        how = {"headers": JSON, "data" if raw else "json": body} | how
        return requests.post(self.url + path, timeout=20, **how)

    def get(self, path: str, **how: Any) -> requests.Response:
        return requests.get(self.url + path, timeout=20, **how)

    def connected(self) -> socket.socket:
        host, port = self.url.removeprefix("http://").split(":")
        return socket.create_connection((host, int(port)), timeout=20)

    def raw(self, sent: bytes) -> bytes:
        """What comes back for these bytes, until the server closes."""
        with self.connected() as line:
            line.sendall(sent)
            return until_closed(line)


def until_closed(line: socket.socket) -> bytes:
    return b"".join(iter(lambda: line.recv(65536), b""))


@contextmanager
def running(folder: Path, key: str = "", **how: Any) -> Iterator[Site]:
    service = Service(folder, **how)
    bound = socket.create_server(("127.0.0.1", 0))
    server = server_of(app_of(service, key))
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


def exported(method: str, params: dict[str, Any], world: tuple[Split, Items], folder: Path) -> Path:
    """A method that learnt the toy world, as `coldbench export` writes it; with its titles begun by
    other words, where there are some."""
    cut, items = world
    words = params.pop("titles", "")
    text = tuple(f"{words} {title}" if words else title for title in items.catalogue.text)
    items = replace(items, catalogue=replace(items.catalogue, text=text))
    trained = registry.find("methods", method)(**params)
    trained.meta_train(cut.warm, cut.valid, items, Seeds())
    card = {"method": method, "dataset": "synthetic", "fingerprint": f"{method}-0123456789abcdef"}
    about = About(
        method, trained.params(), Scale(1, 5, 3.5, "rating"), items.catalogue.hash(),
        asdict(items.encoder), items.encoder.hash, card,
    )  # fmt: skip
    Recommender(trained, items, about, cut.warm.item_counts(), "# a toy\n").save(folder)
    return folder


@pytest.fixture(scope="session")
def export(world: tuple[Split, Items]) -> Callable[..., Path]:
    def write(folder: Path, method: str = "fold-in", **params: Any) -> Path:
        return exported(method, params, world, folder)

    return write


@pytest.fixture(scope="session")
def toy_model(export: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export(tmp_path_factory.mktemp("models") / "toy", factors=4, ridge=4.0, noise=0.6)


@pytest.fixture(scope="module")
def site(serving: Callable[..., Any], toy_model: Path) -> Iterator[Site]:
    with serving(toy_model) as opened:
        yield opened
