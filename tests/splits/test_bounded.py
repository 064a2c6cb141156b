"""A log that COLDBENCH_MEMORY does not let memory hold is cut to the same split, bit for bit."""

import os
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from coldbench import registry, spilled
from coldbench.errors import UserError
from coldbench.interactions import Interactions
from coldbench.item_sums import prior, residuals
from coldbench.protocol import Protocol
from coldbench.seeds import Seeds
from coldbench.splits.groups import Roles
from coldbench.splits.leakage import leaks
from coldbench.splits.split import Split, split

N_USERS, N_ITEMS = 60, 30
BOUND = str(spilled.AT_A_TIME * 100)  # a hundred rows together: some five users
BASE: dict[str, Any] = {"cold_users": 0.3, "valid_users": 0.2, "shots": (0, 3), "query": 4}


def log(*, few: bool = False) -> tuple[Interactions, Any]:
    """Users of 1 to 29 rows, or 14, over time, and their labels."""
    rng = np.random.default_rng(0)
    counts = rng.integers(1, N_ITEMS // 2 if few else N_ITEMS, N_USERS)
    users = np.repeat(np.arange(N_USERS), counts)
    items = np.concatenate([rng.permutation(N_ITEMS)[:n] for n in counts])
    times = rng.integers(0, 1000, len(users)) + 40 * users
    stars = rng.integers(1, 6, len(users)).astype(np.float32)
    made = Interactions.from_rows(users, items, stars, times, N_ITEMS)
    return made, ((made.ratings - 1) / 4).astype(np.float32)


def told(part: Any) -> Any:
    """Every array and number of nested dataclasses, in order."""
    if is_dataclass(part):
        return [(field.name, told(getattr(part, field.name))) for field in fields(part)]
    return (str(part.dtype), part.tolist()) if isinstance(part, np.ndarray) else part


def both(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, protocol: Protocol, **how: Any
) -> list[Split]:
    """The split that memory holds, and the one it may not."""
    whole, labels = log(few="explicit" in how)
    monkeypatch.setenv("COLDBENCH_CACHE", str(tmp_path))
    found = []
    for bound in ("", BOUND):
        monkeypatch.setenv("COLDBENCH_MEMORY", bound)
        found.append(split(whole, labels, protocol, Seeds.of(3), **how))
    return found


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"order": "random"},
        {"split": "time"},
        {"split": "time", "cold": "nothing"},
        {"cold": "item", "cold_items": 0.3},
        {"cold": "both", "cold_items": 0.5, "query": 2},
        {"audience": "development"},
        {"pool": 9},
    ],
)
def test_it_is_the_same_split(
    changed: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    protocol = Protocol(**BASE | changed)
    held, bounded = both(tmp_path, monkeypatch, protocol)
    assert told(bounded) == told(held)
    assert leaks(bounded, protocol) == leaks(held, protocol)
    assert isinstance(bounded.warm.log.items.base, np.memmap), "the warm rows lie in a file"
    assert not isinstance(held.warm.log.items.base, np.memmap)
    of_bounded: list[Any] = []
    of_held: list[Any] = []
    for found, of_found in ((bounded, of_bounded), (held, of_held)):
        monkeypatch.setenv("COLDBENCH_MEMORY", "" if found is held else BOUND)
        mean, counts, sums = residuals(found.warm)
        of_found += [mean, told(counts), told(sums), told(prior(found.warm))]
        of_found += [told(found.warm.item_counts())]
    assert of_bounded == of_held


def test_so_it_is_where_roles_are_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    roles = Roles(np.arange(N_USERS) % 3 == 0, np.ones(N_USERS, bool), 1500)
    held, bounded = both(tmp_path, monkeypatch, Protocol(**BASE), roles=roles)
    assert told(bounded) == told(held)
    assert held.warm.log.times is not None
    assert held.warm.log.times.max() < 1500


def test_a_log_of_likes_alone_is_cut_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held, bounded = both(tmp_path, monkeypatch, Protocol(**BASE), explicit=False)
    assert told(bounded) == told(held)


def test_too_few_rows_are_told_of_all_users(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, labels = log()
    monkeypatch.setenv("COLDBENCH_CACHE", str(tmp_path))
    said = []
    for bound in ("", BOUND):
        monkeypatch.setenv("COLDBENCH_MEMORY", bound)
        with pytest.raises(UserError, match="no cold user has") as refused:
            split(whole, labels, Protocol(**BASE | {"query": 40}), Seeds.of(3))
        said.append(str(refused.value))
    assert said[0] == said[1]


@pytest.mark.parametrize(("bound", "held"), [("320", True), ("319", False), ("", True)])
def test_an_array_to_be_written_is_held_where_it_is_an_eighth_of_the_bound(
    bound: str, held: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLDBENCH_CACHE", str(tmp_path))
    monkeypatch.setenv("COLDBENCH_MEMORY", bound)
    array = spilled.empty(10, np.int32)
    array[:] = np.arange(10)
    assert isinstance(array.base, np.memmap) != held
    assert array.tolist() == list(range(10))
    assert not list(tmp_path.iterdir())


def test_made_up_users_are_the_same_under_a_bound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = registry.find("datasets", "synthetic")(n_users=50)
    held = dataset.load()[0]
    monkeypatch.setenv("COLDBENCH_CACHE", str(tmp_path))
    monkeypatch.setenv("COLDBENCH_MEMORY", "1KB")
    bounded = dataset.load()[0]
    assert isinstance(bounded.times.base, np.memmap)
    assert bounded.hash() == held.hash()


def test_a_full_disk_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setenv("COLDBENCH_CACHE", str(tmp_path))
    monkeypatch.setenv("COLDBENCH_MEMORY", "1")
    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(UserError, match=r"No space left on device.* set COLDBENCH_CACHE"):
        spilled.empty(10, np.int32)
