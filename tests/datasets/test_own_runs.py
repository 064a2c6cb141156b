"""A file of one's own in a grid, in a cell's fingerprint, in a run and in its report."""

import os
import random
from importlib import import_module
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from coldbench.cell import read_run
from coldbench.errors import UserError
from coldbench.testing import tiny_encoder
from tests.console import asked
from tests.datasets.test_own import ITEMS, LOG, write

grids: Any = import_module("coldbench.benchmarks.grid")
plan: Any = import_module("coldbench.benchmarks.plan")
pytestmark = pytest.mark.usefixtures("nowhere")


def cells(path: str, **params: object) -> list[str]:
    stated = {"datasets": [path], "methods": ["constant"], "encoder": "vectors"}
    grid = grids.Grid.of(stated | {"dataset_params": {path: params}})
    return [spec.fingerprint for spec in plan.resolve(grid, "cpu")]


def test_where_a_file_lies_is_in_no_fingerprint_and_what_it_says_is() -> None:
    for folder in ("here", "there/deeper"):
        Path(folder).mkdir(parents=True)
        write(f"{folder}/log.csv", LOG)
        write(f"{folder}/items.csv", ITEMS)
    near = cells("here/log.csv", items="here/items.csv")
    assert near == cells("there/deeper/log.csv", items="there/deeper/items.csv")
    assert near == cells(str(Path("here/log.csv").resolve()), items="here/items.csv")
    other = [
        cells("here/log.csv"),
        cells("here/log.csv", items="here/items.csv", like_above=2.5),
        cells("here/log.csv", items="here/items.csv", rating="none"),
        cells(write("here/log.csv", LOG.replace(",5,", ",4,")), items="here/items.csv"),
    ]
    assert len({near[0], *(fingerprints[0] for fingerprints in other)}) == 5


def test_two_files_that_a_report_would_call_alike_are_told(ask: Any) -> None:
    Path("old").mkdir()
    both = f"{write('log.csv', LOG)},{write('old/log.csv', LOG)}"
    assert (
        "two datasets would be called 'log' in a report"
        in ask("run", "-d", both, "-m", "constant", code=2).stderr
    )
    assert not Path("runs").exists()


def test_options_are_for_one_dataset(ask: Any) -> None:
    both = f"{write('log.csv', LOG)},synthetic"
    assert (
        "--with is for one dataset; state several in a grid"
        in ask("run", "-d", both, "-m", "constant", "--with", "time=none", code=2).stderr
    )
    stated = {"datasets": ["log.csv"], "methods": ["constant"], "dataset_params": {"lag.csv": {}}}
    with pytest.raises(UserError, match=r"'lag.csv'; did you mean 'log.csv'\?"):
        grids.Grid.of(stated)


def test_options_go_over_those_of_a_grid_file(ask: Any) -> None:
    write("log.csv", LOG)
    write(
        "own.toml",
        'datasets = ["log.csv"]\nmethods = ["constant"]\nencoder = "vectors"\n'
        '[dataset_params."log.csv"]\nrating = "none"\ntime = "none"\n',
    )
    assert (
        '{"rating" = "rating", "time" = "none"}'
        in ask("run", "own.toml", "--with", "rating=rating", "--dry-run").stdout
    )


def shop(folder: Path) -> None:
    draw = random.Random(0)
    lines = [
        f"u{user},p{item},{draw.randint(1, 5)},{1_600_000_000 + order}"
        for user in range(30)
        for order, item in enumerate(draw.sample(range(60), 12))
    ]
    folder.mkdir()
    (folder / "shop.csv").write_text("\n".join(["user,item,rating,time", *lines]))
    titles = [f"p{i},Number {i}" for i in range(60)]
    (folder / "items.csv").write_text("\n".join(["item,title", *titles]))


def coldbench(*words: str) -> str:
    return asked(Path.cwd(), *words, timeout=240).stdout


@pytest.mark.slow
def test_a_file_is_run_and_reported_and_not_again_when_it_has_moved(tmp_path: Path) -> None:
    shop(tmp_path / "old")
    encoder = tiny_encoder(tmp_path / "tiny").name
    short = ["--set", f"encoder={encoder}", "--set", "protocol.query=5", "--no-timing"]
    words = ["-m", "item-bias,fold-in,constant", *short, "--set", "protocol.shots=[0,4]"]
    words += ["--name", "r", "--with", "text={title}"]
    output = coldbench("run", "-d", "old/shop.csv", "--with", "items=old/items.csv", *words)
    assert "3 of 3 cells done" in output
    coldbench("report", "r", "--format", "md,csv")
    table = pl.read_csv("runs/r/report/results.csv")
    assert set(table["dataset"]) == {"shop"}
    assert {"item-bias", "fold-in", "constant"} <= set(table["method"])
    os.rename("old", "new")
    again = coldbench("run", "-d", "new/shop.csv", "--with", "items=new/items.csv", *words)
    assert "3 cells, 0 to run" in again


@pytest.mark.slow
def test_likes_alone_are_ranked_in_the_catalogue_or_among_popular_items_as_tables_say(
    tmp_path: Path,
) -> None:
    shop(tmp_path / "old")
    encoder = tiny_encoder(tmp_path / "tiny").name
    words = ["-d", "old/shop.csv", "-m", "popularity", "--with", "rating=none", "--name", "r"]
    short = "query = 5, shots = [0, 4]"
    both = f'[{{{short}}}, {{{short}, candidates = "popular", unseen = 2}}]'
    words += ["--set", f"encoder={encoder}", "--set", f"protocol={both}", "--no-timing"]
    coldbench("run", *words)
    for cell in read_run(Path("runs/r")):
        assert cell.status == "done", cell.reason
        scores = cell.scores()
        if cell.spec.protocol_fields["candidates"] == "popular":
            assert scores["label"].mean() == pytest.approx(1 / 3)
        else:
            assert cell.spec.protocol_fields["candidates"] == "all"
            assert set(scores["label"]) == {1} and set(scores["candidates"]) == {60 - 4}
    coldbench("report", "r", "--format", "md")
    text = Path("runs/r/report/report.md").read_text(encoding="utf-8")
    captions = [line for line in text.splitlines() if line.startswith("*Protocol")]
    popular = [line for line in captions if 'candidates = "popular"' in line]
    assert popular and len(popular) < len(captions)
    for line in captions:
        among = "unseen items drawn by their popularity" if line in popular else "all items but"
        assert f"ranked among {among}" in line
