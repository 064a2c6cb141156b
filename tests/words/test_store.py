"""The store is not trusted: what is torn, foreign or missing is set aside, told and made again."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from coldbench import store
from coldbench.cell import RECORD, Cell, read_run
from tests.console import asked, stored

RUN = (
    "run -d synthetic -m item-bias,fold-in,ridge,knn,constant,popularity --name r -j 2 --set "
    "encoder=vectors --set seeds=[0,1] --set protocol.shots=[0,4] --no-timing"
).split()
SMALL = ["--set", "dataset_params.synthetic={n_users = 60, per_user = 30}"]
ONE = (
    "run -d synthetic -m constant --name r --set encoder=vectors --set seeds=[0] "
    "--set protocol.shots=[0,4] --no-timing"
).split()


def sealed(folder: Path) -> Path:
    partial = folder.with_name(".partial")
    partial.mkdir()
    (partial / "a.txt").write_text("a")
    (partial / "log.txt").write_text("one")
    store.seal(partial, RECORD, {"status": "done"}, folder)
    return folder


def test_a_sealed_folder_is_read_back_and_its_log_is_in_no_record(tmp_path: Path) -> None:
    folder = sealed(tmp_path / "one")
    kept = store.read(folder, RECORD)
    assert kept is not None and kept["status"] == "done"
    assert list(kept["files"]) == ["a.txt"] and kept["volatile"] == ["log.txt"]
    assert [path.name for path in tmp_path.iterdir()] == ["one"]


def torn(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def other(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b" ")


def gone(path: Path) -> None:
    path.unlink()


def a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def linked(path: Path) -> None:
    away = path.parents[1] / "away"
    path.rename(away)
    path.symlink_to(away)


DAMAGES = (torn, emptied, other, gone, a_folder, linked)


# a link to the very record, or a blank behind a JSON document, says the same
SAME = [(name, damage) for name in (RECORD, store.SIDE) for damage in (linked, other)]


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        pytest.param(name, damage, id=f"{name}-{damage.__name__}")
        for name in (RECORD, "a.txt", "log.txt", store.SIDE)
        for damage in DAMAGES
        if (name, damage) not in SAME
    ],
)
def test_damage_to_any_file_is_seen(
    tmp_path: Path, name: str, damage: Callable[[Path], None]
) -> None:
    folder = sealed(tmp_path / "one")
    damage(folder / name)
    assert store.read(folder, RECORD) is None


def test_another_folders_content_is_not_believed(tmp_path: Path) -> None:
    shutil.copytree(sealed(tmp_path / "one"), tmp_path / "two")
    assert store.read(tmp_path / "two", RECORD) is None


def test_a_file_more_is_seen(tmp_path: Path) -> None:
    folder = sealed(tmp_path / "one")
    (folder / "more").touch()
    assert store.read(folder, RECORD) is None


def test_a_changed_word_of_the_record_is_seen(tmp_path: Path) -> None:
    folder = sealed(tmp_path / "one")
    record = json.loads((folder / RECORD).read_text())
    (folder / RECORD).write_text(json.dumps(record | {"status": "failed"}))
    assert store.read(folder, RECORD) is None


def test_what_is_set_aside_is_kept_under_numbers(tmp_path: Path) -> None:
    aside = [store.set_aside(sealed(tmp_path / "one")).name for _ in range(3)]
    assert aside == ["one-1", "one-2", "one-3"]


def content(run: Path) -> dict[str, bytes]:
    """Every stored byte that may not differ between two runs."""
    apart = {"damaged", "report"}  # a report is made anew of what is whole
    return {name: kept for name, kept in stored(run).items() if not apart & {*Path(name).parts}}


@pytest.mark.slow
def test_whatever_of_a_run_is_damaged_is_told_and_made_again_to_the_same_bytes(
    tmp_path: Path,
) -> None:
    asked(tmp_path, *RUN, *SMALL)
    run = tmp_path / "runs/r"
    before, cells = content(run), [cell.folder for cell in read_run(run)]
    shutil.copy(cells[11] / "scores.parquet", cells[0] / "scores.parquet")  # another cell's
    torn(cells[1] / RECORD)
    emptied(cells[2] / "scores.parquet")
    gone(cells[3] / RECORD)
    torn(cells[4] / "timing.json")
    shutil.rmtree(cells[5])
    a_folder(cells[6] / RECORD)
    shutil.rmtree(cells[7])
    cells[7].write_text("no folder")
    splits = sorted(path for path in (run / "splits").iterdir())
    emptied(splits[0] / "leaks.json")
    torn(splits[1] / "answers.parquet")
    torn(next((run / "catalogues").iterdir()) / "items.parquet")

    states = [cell.status for cell in read_run(run)]
    assert states == ["damaged"] * 5 + ["missing"] + ["damaged"] * 2 + ["done"] * 4
    asked(tmp_path, "report", "r", "--format", "csv")  # of what is whole
    table = pl.read_csv(run / "report/results.csv", infer_schema=False)
    assert table.filter(pl.col("value").is_not_null())["method"].is_in(["popularity"]).any()
    asked(tmp_path, "compare", "r", "constant", "popularity")

    output = asked(tmp_path, *RUN, *SMALL).stdout
    assert output.count("damaged: ") == 7 + 2, output
    assert content(run) == before
    assert len(list((run / "cells/damaged").iterdir())) == 7
    assert {Cell.read(c.spec, c.folder).status for c in read_run(run)} == {"done"}


@pytest.mark.slow
def test_a_torn_plan_is_one_line_and_written_again_by_the_run(tmp_path: Path) -> None:
    asked(tmp_path, *ONE, *SMALL)
    torn(tmp_path / "runs/r/plan.json")
    output = asked(tmp_path, "report", "r", "--format", "csv", code=2).stderr
    assert "plan.json is damaged" in output and output.count("\n") == 1
    assert "0 to run" in asked(tmp_path, *ONE, *SMALL).stdout
    asked(tmp_path, "report", "r", "--format", "csv")
