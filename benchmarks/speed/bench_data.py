"""Data: a file of 1, 5 and 25 million interactions read, sorted into rows and cut into episodes.

Peers do the same with their own means: pandas as its users write it, and LensKit's own dataset and
splitter. Both cores are there for all of them.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch

from coldbench.files.delimited import Table, read
from coldbench.files.frames import from_frames
from coldbench.files.schema import Column
from coldbench.interactions import Interactions
from coldbench.protocol import Protocol
from coldbench.seeds import Seeds
from coldbench.splits.split import split

EACH, ITEMS = 100, 30_000
SIZES = [1, 5, 25]  # million interactions
TABLE = Table(
    (
        Column("user", "id", many=True),
        Column("item", "id", many=True),
        Column("rating", "number", 1, 5),
        Column("time", "time"),
    )
)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    """Interactions in no order, as a file would bring them."""
    folder, paths = tmp_path_factory.mktemp("logs"), {}
    for millions in SIZES:
        rng, rows = np.random.default_rng(0), millions * 1_000_000
        table = {
            "user": rng.permutation(np.repeat(np.arange(rows // EACH), EACH)),
            "item": rng.integers(0, ITEMS, rows),
            "rating": rng.integers(1, 6, rows),
            "time": rng.integers(10**9, 10**9 + 10**8, rows),
        }
        paths[millions] = folder / f"{millions}.csv"
        pl.DataFrame(table).write_csv(paths[millions])
    return paths


def told(benchmark: Any, millions: int, role: str, name: str) -> None:
    benchmark.group = f"file {millions}M"
    items = millions * 1_000_000
    benchmark.extra_info.update(role=role, name=name, items=items, unit="interactions/s")


def load(path: Path) -> Interactions:
    log = read(TABLE, path)
    items = log.select(pl.col("item").unique().cast(pl.String)).with_columns(text=pl.col("item"))
    return from_frames(log, items)[0]


def cut(log: Interactions) -> int:
    labels = ((log.ratings - 1) / 4).astype(np.float32)
    parts = split(log, labels, Protocol.of("user-cold"), Seeds.of(0))
    return sum(len(batch.users) for batch in parts.cold.batches(16, 4096))


@pytest.mark.parametrize("millions", SIZES)
def test_coldbench(benchmark: Any, files: dict[int, Path], millions: int) -> None:
    told(benchmark, millions, "subject", "coldbench")
    torch.set_num_threads(2)
    met = benchmark.pedantic(lambda: cut(load(files[millions])), rounds=1, iterations=1)
    assert met == millions * 1_000_000 // EACH // 5


@pytest.mark.parametrize("millions", SIZES)
def test_pandas(benchmark: Any, files: dict[int, Path], millions: int) -> None:
    """The same cut as pandas users write it: each user's first K + Q rows."""
    told(benchmark, millions, "peer", "pandas")
    users = millions * 1_000_000 // EACH

    def run() -> int:
        table = pd.read_csv(files[millions])
        table = table.drop_duplicates(["user", "item"], keep="last")
        for column in ("user", "item"):
            table[column] = pd.factorize(table[column], sort=True)[0]
        table = table.sort_values(["user", "time"], kind="stable")
        chosen = np.random.default_rng(0).permutation(users)[: users // 5]
        cold = table[table.user.isin(chosen)]
        warm = table[~table.user.isin(chosen)]
        return len(cold[cold.groupby("user").cumcount() < 26]) + len(warm)

    assert benchmark.pedantic(run, rounds=1, iterations=1)


@pytest.mark.parametrize("millions", SIZES)
def test_lenskit(benchmark: Any, files: dict[int, Path], millions: int) -> None:
    """Read by pandas, as its guide says, into its dataset; a fifth of the users, last ten rows."""
    kit = pytest.importorskip("lenskit.data", reason="pip install --no-deps -r requirements-peers")
    splitting = pytest.importorskip("lenskit.splitting")
    told(benchmark, millions, "peer", "lenskit")
    names = {"user": "user_id", "item": "item_id", "time": "timestamp"}

    def run() -> int:
        table = pd.read_csv(files[millions]).rename(columns=names)
        table = table.drop_duplicates(["user_id", "item_id"], keep="last")
        log = kit.from_interactions_df(table)
        parts = splitting.sample_users(
            log, millions * 1_000_000 // EACH // 5, splitting.LastN(10), rng=1
        )
        return len(parts.test)

    assert benchmark.pedantic(run, rounds=1, iterations=1)


def test_cutting_alone(benchmark: Any, files: dict[int, Path]) -> None:
    log = load(files[5])
    benchmark.group = "episodes 5M"
    benchmark.extra_info.update(
        role="subject", name="coldbench", items=5_000_000, unit="interactions/s"
    )
    assert benchmark.pedantic(cut, (log,), rounds=1, iterations=1) == 10_000


def test_a_python_loop_over_users(benchmark: Any, files: dict[int, Path]) -> None:
    """The cut as most benchmarks write it, on a tenth of the users."""
    log, users = load(files[5]), 5_000
    benchmark.group = "episodes 5M"
    benchmark.extra_info.update(
        role="peer", name="a loop over users", items=users * EACH, unit="interactions/s"
    )

    def run() -> int:
        episodes = []
        for user in range(users):
            items = log.items[log.offsets[user] : log.offsets[user + 1]]
            labels = (log.ratings[log.offsets[user] : log.offsets[user + 1]] - 1) / 4
            support = [(int(i), float(y)) for i, y in zip(items[:16], labels[:16], strict=True)]
            query = [(int(i), float(y)) for i, y in zip(items[16:26], labels[16:26], strict=True)]
            episodes.append((torch.tensor(support), torch.tensor(query)))
        return len(episodes)

    assert benchmark.pedantic(run, rounds=1, iterations=1) == users
