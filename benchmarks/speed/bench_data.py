"""Data: a log of 25 million interactions into rows by user, and into episodes."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from coldbench.interactions import Interactions
from coldbench.protocol import Protocol, Seeds, split

USERS, ITEMS, EACH = 250_000, 30_000, 100


@pytest.fixture(scope="module")
def rows() -> dict[str, np.ndarray]:
    """25 M interactions in no order, as a file would bring them."""
    rng = np.random.default_rng(0)
    users = rng.permutation(np.repeat(np.arange(USERS, dtype=np.int32), EACH))
    return {
        "users": users,
        "items": rng.integers(0, ITEMS, len(users)).astype(np.int32),
        "ratings": rng.integers(1, 6, len(users)).astype(np.float32),
        "times": rng.integers(10**9, 10**9 + 10**8, len(users)),
    }


def _cut(log: Interactions) -> int:
    labels = ((log.ratings - 1) / 4).astype(np.float32)
    cut = split(log, labels, Protocol.of("user-cold"), Seeds.of(0))
    return sum(len(batch.users) for batch in cut.cold.batches(16, 4096))


def test_sorting_and_cutting(benchmark: Any, rows: dict[str, np.ndarray]) -> None:
    torch.set_num_threads(2)
    benchmark.group = "data 25M"
    benchmark.extra_info.update(
        role="subject", name="coldbench", items=len(rows["users"]), unit="interactions/s"
    )

    def run() -> int:
        return _cut(Interactions.from_rows(**rows, n_items=ITEMS))

    assert benchmark.pedantic(run, rounds=1, iterations=1) > 0.19 * USERS


def test_cutting_alone(benchmark: Any, rows: dict[str, np.ndarray]) -> None:
    log = Interactions.from_rows(**rows, n_items=ITEMS)
    benchmark.group = "episodes 25M"
    benchmark.extra_info.update(
        role="subject", name="coldbench", items=len(rows["users"]), unit="interactions/s"
    )
    assert benchmark.pedantic(_cut, (log,), rounds=1, iterations=1) > 0.19 * USERS


def _pandas_cut(table: pd.DataFrame) -> int:
    """The same cut as pandas users write it: sort, group, take each user's first K + Q rows."""
    table = table.drop_duplicates(["users", "items"], keep="last")
    table = table.sort_values(["users", "times"], kind="stable")
    chosen = np.random.default_rng(0).permutation(USERS)[: USERS // 5]
    cold = table[table.users.isin(chosen)]
    place = cold.groupby("users").cumcount()
    warm = table[~table.users.isin(chosen)]
    return len(cold[place < 26]) + len(warm)


@pytest.mark.parametrize("group", ["data 25M"])
def test_pandas_sorting_and_cutting(
    benchmark: Any, rows: dict[str, np.ndarray], group: str
) -> None:
    benchmark.group = group
    benchmark.extra_info.update(
        role="peer", name="pandas", items=len(rows["users"]), unit="interactions/s"
    )
    table = pd.DataFrame(rows)
    assert benchmark.pedantic(_pandas_cut, (table,), rounds=1, iterations=1)


def test_a_python_loop_over_users(benchmark: Any, rows: dict[str, np.ndarray]) -> None:
    """The cut as most benchmarks write it, on a fiftieth of the users."""
    log = Interactions.from_rows(**rows, n_items=ITEMS)
    some = USERS // 50
    benchmark.group = "episodes 25M"
    benchmark.extra_info.update(
        role="peer", name="a loop over users", items=some * EACH, unit="interactions/s"
    )

    def run() -> int:
        episodes = []
        for user in range(some):
            items = log.items[log.offsets[user] : log.offsets[user + 1]]
            labels = (log.ratings[log.offsets[user] : log.offsets[user + 1]] - 1) / 4
            support = [(int(i), float(y)) for i, y in zip(items[:16], labels[:16], strict=True)]
            query = [(int(i), float(y)) for i, y in zip(items[16:26], labels[16:26], strict=True)]
            episodes.append((torch.tensor(support), torch.tensor(query)))
        return len(episodes)

    assert benchmark.pedantic(run, rounds=1, iterations=1) == some
