"""Models to serve, servers of them in processes of their own, and what a server costs meanwhile."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import torch

from coldbench import registry
from coldbench.encoder import Encoder, Items
from coldbench.episode import Episodes, Users
from coldbench.interactions import Catalogue, Interactions
from coldbench.recommend.artefact import About
from coldbench.recommend.ratings import Scale
from coldbench.recommend.recommender import Recommender
from coldbench.seeds import Seeds

WIDTH, WARM, EACH = 384, 600, 80
FIXED: dict[
    str, dict[str, Any]
] = {  # nothing is chosen, and little is learnt: scores cost the same
    "fold-in": {"ridge": 8.0, "noise": 0.6},
    "protonet": {"meta_steps": 1},
    "maml": {"meta_steps": 1},
}
CLIENTS = Path(__file__).with_name("clients.py")


def model(method: str, n_items: int, folder: Path) -> Path:
    """A method that learnt random ratings of a made-up catalogue, exported."""
    rng = np.random.default_rng(0)
    seen = np.concatenate([rng.choice(n_items, EACH, replace=False) for _ in range(WARM)])
    ratings = rng.integers(1, 6, len(seen)).astype(np.float32)
    log = Interactions.from_rows(np.repeat(np.arange(WARM), EACH), seen, ratings, None, n_items)
    warm = Users(log, ((log.ratings - 1) / 4).astype(np.float32), np.arange(WARM))
    nobody = Episodes(warm, *(np.zeros((0, *size), np.int64) for size in ((), (16,), (10,))))
    vectors = rng.normal(size=(n_items, WIDTH)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    titles = tuple(f"Film {number} ({1930 + number % 95})" for number in range(n_items))
    catalogue = Catalogue(tuple(map(str, range(n_items))), titles, ((),) * n_items)
    items = Items(torch.from_numpy(vectors), catalogue, Encoder("vectors"))
    learner = registry.find("methods", method)(**FIXED[method])
    learner.meta_train(warm, nobody, items, Seeds())
    about = About(
        method, learner.params(), Scale(1, 5, 3.5, "rating"), catalogue.hash(),
        asdict(items.encoder), items.encoder.hash,
        {"method": method, "dataset": "made up", "fingerprint": "0" * 16},
    )  # fmt: skip
    Recommender(learner, items, about, warm.item_counts(), "# made up\n").save(folder)
    return folder


def asked(n_items: int) -> str:
    """500 users of 1 to 16 ratings, a line each."""
    rng = np.random.default_rng(1)
    lines = []
    for _ in range(500):
        rated = rng.choice(n_items, rng.choice([1, 2, 4, 8, 16]), replace=False)
        ratings = {str(item): int(rng.integers(1, 6)) for item in rated}
        lines.append(json.dumps({"ratings": ratings, "n": 10}))
    return "\n".join(lines)


@dataclass(frozen=True)
class Server:
    process: psutil.Process
    port: int

    def ask(self, lines: str, clients: int, seconds: float) -> dict[str, float]:
        """What `clients.py` found, and the milliseconds that an answer cost this server's cores."""
        before = self.process.cpu_times()
        words = [sys.executable, str(CLIENTS), str(self.port), str(clients), str(seconds)]
        done = subprocess.run(words, input=lines, capture_output=True, text=True, check=True)
        measured: dict[str, float] = json.loads(done.stdout)
        assert not measured["failed"], measured
        after = self.process.cpu_times()
        spent = after.user + after.system - before.user - before.system
        return measured | {"cpu_ms": 1e3 * spent / measured["answers"]}

    def memory(self) -> float:
        """Megabytes that are its own."""
        return self.process.memory_full_info().uss / 1e6


@contextmanager
def started(words: list[str], port: int | None = None, **env: str) -> Iterator[Server]:
    """A server's process; without a port its first line names it. One thread computes."""
    out = subprocess.PIPE if port is None else subprocess.DEVNULL
    surroundings = {**os.environ, "OMP_NUM_THREADS": "1", **env}
    err = None if port is None else subprocess.DEVNULL
    with subprocess.Popen(words, stdout=out, stderr=err, text=True, env=surroundings) as process:
        try:
            if port is None:
                assert process.stdout
                port = int(process.stdout.readline().split(":")[2].split()[0])
            yield Server(psutil.Process(process.pid), port)
        finally:
            process.terminate()


def coldbench(folder: Path, batch: int = 64) -> list[str]:
    script = str(Path(sys.executable).with_name("coldbench"))
    return [script, "serve", str(folder), "--port", "0", "--batch", str(batch), "--device", "cpu"]
