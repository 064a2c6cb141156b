"""The labels that a method is evaluated on are in no process that runs it.

Covered: whatever the process holds (frames, the collector's objects, modules and their caches), the
order of what is asked, and writes to it. Not covered: a method that opens the data's own file, or
reads another process's memory as the same user (docs/conformance.md).
"""

import os
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch

from coldbench import registry
from coldbench.cell import Cell, read_run
from coldbench.episode import EpisodeBatch
from coldbench.protocol import Protocol
from coldbench.seeds import Seeds
from coldbench.splits.split import Split, split
from tests.console import asked

PEEKING = Path(__file__).parents[1] / "peeking.py"
HOLDERS = ("frames", "garbage", "modules", "log")
SYNTHETIC = "{n_users = 60, n_items = 200, per_user = 24}"


def run(folder: Path, *words: str) -> list[Cell]:
    words = ("run", *words, "--name", "r", "--no-timing", "--include", str(PEEKING))
    asked(folder, *words)
    return read_run(folder / "runs/r")


@pytest.fixture(scope="module")
def cells(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Cell]:
    words = ["-d", "synthetic", "--set", f"dataset_params.synthetic={SYNTHETIC}"]
    words += ["--set", "encoder=vectors", "--set", "protocol.shots=[0,4]"]
    for how in (*HOLDERS, "place", "write"):
        words += ["--set", f"params.peeking:{how}.how={how}", "-m", f"peeking:{how}"]
    cells = run(tmp_path_factory.mktemp("peeking"), *words)
    return {cell.name.partition(":")[2]: cell for cell in cells}


@pytest.mark.slow
@pytest.mark.parametrize("how", HOLDERS)
def test_a_method_that_searches_its_process_finds_no_answer(
    cells: dict[str, Cell], how: str
) -> None:
    for name in ("scores", "swapped", "shuffled"):
        assert (cells[how].scores(name)["score"] == 0.5).all(), f"{how} found labels"


@pytest.mark.slow
def test_what_is_stored_is_what_was_asked_whatever_a_method_writes(cells: dict[str, Cell]) -> None:
    asked = ["user", "shots", "item", "rating", "label"]
    written, other = cells["write"].scores().select(asked), cells["frames"].scores().select(asked)
    assert written.equals(other) and written["item"].n_unique() > 1


@pytest.fixture(scope="module")
def cut() -> Split:
    """A split with its answers, as a process that judges holds it."""
    parts = {"n_users": 60, "n_items": 200, "per_user": 24}
    dataset = registry.find("datasets", "synthetic")(**parts)
    log, _ = dataset.load()
    held.append(log)
    protocol = Protocol.of("user-cold", {"shots": [0, 4]})
    return split(log, dataset.labels(log.ratings, "rating"), protocol, Seeds.of(0))


held: list[Any] = []


@pytest.mark.parametrize("how", HOLDERS)
def test_where_the_answers_are_held_the_same_method_does_find_them(cut: Split, how: str) -> None:
    spec = spec_from_file_location("coldbench_peeking", PEEKING)
    assert spec and spec.loader
    module = module_from_spec(spec)
    sys.modules["coldbench_peeking"] = module
    spec.loader.exec_module(module)
    vars(module)["kept"] = cut  # "modules" looks here
    method = module.Peeking(how)
    batch: EpisodeBatch = next(cut.cold.batches(4))
    scores = method.score(method.adapt(batch.support), batch.query.items)
    assert torch.allclose(scores, batch.query.labels)
    del sys.modules["coldbench_peeking"]


@pytest.mark.slow
def test_the_place_of_an_item_among_popular_ones_tells_nothing(tmp_path: Path) -> None:
    """A query of likes, each with nine sampled items: likes must not stand first."""
    rng = np.random.default_rng(0)
    rows = [(u, i, t) for u in range(80) for t, i in enumerate(rng.permutation(99)[:16])]
    table = pl.DataFrame(rows, ["user", "item", "time"], orient="row")
    table.with_columns(pl.col("time") + 1_000_000_000).write_csv(tmp_path / "likes.csv")
    words = ["-d", "likes.csv", "--with", "rating=none", "-m", "peeking", "--set"]
    words += ["params.peeking.how=place", "--set", 'protocol.candidates="popular"']
    words += ["--set", "protocol.shots=[0,4]", "--set", "protocol.query=5"]
    (cell,) = run(tmp_path, *words)
    scores = cell.scores().filter(shots=0)
    liked, others = scores.filter(label=1)["score"], scores.filter(label=0)["score"]
    wins = (liked.to_numpy()[:, None] > others.to_numpy()).mean()
    assert abs(wins - 0.5) < 0.1, f"likes stand first: AUC {wins:.2f}"
    assert os.path.isfile(cell.split / "answers.parquet")
