"""`coldbench serve` under load: 1, 8 and 64 clients, batched and one at a time; its memory; a peer.

Server and clients share the machine's cores. `cpu_ms` is what an answer cost the server's cores,
which other work on the machine changes little; answers a second and percentiles it changes a lot.
"""

import json
import os
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from .served import Server, asked, coldbench, model, started

SECONDS = float(os.environ.get("COLDBENCH_SERVE_SECONDS", "1"))  # of each row
METHODS, SIZES, MANY = ("fold-in", "protonet", "maml"), (1_682, 100_000), 64
OUT = Path("runs/serve.json")
rows: list[dict[str, object]] = []


def row(server: Server, lines: str, clients: int, **labels: object) -> dict[str, float]:
    server.ask(lines, clients, 0.3)  # what is slow once only
    seen = server.ask(lines, clients, SECONDS)
    rows.append({**labels, "clients": clients} | seen)
    words = "  ".join(f"{value}" for value in labels.values())
    print(
        f"{words:32} {clients:3} clients {seen['rate']:8.1f}/s  p50 {1e3 * seen['p50']:7.1f} ms  "
        f"p95 {1e3 * seen['p95']:7.1f} ms  {seen['cpu_ms']:7.2f} ms of a core each"
    )
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text(json.dumps(rows, indent=1), encoding="utf-8")
    return seen


@pytest.mark.parametrize("n_items", SIZES)
@pytest.mark.parametrize("method", METHODS)
def test_serve(method: str, n_items: int, tmp_path: Path) -> None:
    folder, lines = model(method, n_items, tmp_path / "model"), asked(n_items)
    by_batch = {}
    for batch in (MANY, 1):
        with started(coldbench(folder, batch)) as server:
            for clients in (1, 8, MANY) if batch > 1 else (MANY,):
                how = "batched" if batch > 1 else "one at a time"
                by_batch[batch] = row(server, lines, clients, method=method, items=n_items, how=how)
    both, alone = by_batch[MANY], by_batch[1]
    more, cheaper = both["rate"] / alone["rate"], alone["cpu_ms"] / both["cpu_ms"]
    print(
        f"{method}, {n_items:,} items, {MANY} clients: batched: {more:.1f} times the answers a "
        f"second, {cheaper:.1f} times those of a core's second"
    )


@pytest.mark.parametrize("n_items", SIZES)
@pytest.mark.parametrize("method", METHODS)
def test_memory(method: str, n_items: int, tmp_path: Path) -> None:
    """Beyond a server of 100 items: files, once loaded, after 500 requests and after
    3,000 (100 and 200 of a large catalogue)."""
    folder, lines = model(method, n_items, tmp_path / "model"), asked(n_items)
    files = sum(path.stat().st_size for path in folder.iterdir()) / 1e6
    with started(coldbench(model(method, 100, tmp_path / "small"))) as server:
        server.ask(asked(100), MANY, 1)
        base = server.memory()
    growth, answers = [], 0.0
    with started(coldbench(folder)) as server:
        growth.append(server.memory() - base)
        for until in (500, 3_000) if n_items < 10_000 else (100, 200):
            while answers < until:
                answers += server.ask(lines, MANY, 1)["answers"]
            growth.append(server.memory() - base)
    shown = ", ".join(f"{value:.1f}" for value in growth)
    print(f"{method}, {n_items:,} items: files {files:.1f} MB; memory {shown} MB; {answers:,.0f}")


PEER = """
import os
from cornac.serving.app import app
app.run(port=int(os.environ["PORT"]), threaded=True)
"""


@pytest.mark.skipif(find_spec("cornac") is None, reason="cornac is not installed")
@pytest.mark.parametrize("n_items", SIZES)
def test_peer(n_items: int, tmp_path: Path) -> None:
    """cornac's app looks up a user who was there at training: it adapts to nobody."""
    import socket
    import time

    import cornac
    import numpy as np

    rng = np.random.default_rng(0)
    log = [
        (f"u{user}", str(item), float(rng.integers(1, 6)))
        for user in range(600)
        for item in rng.choice(n_items, max(80, n_items // 300), replace=False)
    ]
    known = cornac.data.Dataset.build(log)
    fitted = cornac.models.MF(k=16, max_iter=2, verbose=False).fit(known)
    path = fitted.save(str(tmp_path), save_trainset=True)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    lines = "\n".join(f"/recommend?uid=u{user}&k=10&remove_seen=true" for user in range(600))
    env = {"MODEL_PATH": path, "MODEL_CLASS": "cornac.models.MF", "PORT": str(port)}
    with started([sys.executable, "-c", PEER], port, **env) as server:
        while not any(c.status == "LISTEN" for c in server.process.net_connections()):
            time.sleep(0.05)
        for clients in (1, 8, MANY):
            row(server, lines, clients, method="cornac MF", items=known.num_items, how="a look-up")
