"""A run that several share: workers, single cells, parts that are merged; always the same bytes."""

import json
import os
import shutil
import signal
import time
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from coldbench import store
from coldbench.cell import RECORD, read_cells, read_plan, read_run
from coldbench.errors import UserError
from tests import console, fake_run
from tests.console import asked, stored

merging: Any = import_module("coldbench.benchmarks.merge")
statuses: Any = import_module("coldbench.benchmarks.status")
claims: Any = import_module("coldbench.benchmarks.claims")
SHORT = "--no-timing -j 1 --set seeds=[0,1]".split()
GRID = console.small_run("item-bias,fold-in", *SHORT)

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of four cells, none of them done."""
    folder = tmp_path_factory.mktemp("prepared")
    output = asked(folder, *GRID, "--prepare").stdout
    assert "4 of 4 cells are ready" in output and "coldbench work runs/r" in output
    return folder / "runs/r"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, prepared: Path) -> Path:
    """The same, done by one worker."""
    folder = tmp_path_factory.mktemp("whole")
    shutil.copytree(prepared, folder / "runs/r")
    asked(folder, "work", "r", "-j", "2")
    return folder / "runs/r"


@pytest.fixture
def run(tmp_path: Path, prepared: Path) -> Path:
    shutil.copytree(prepared, tmp_path / "here/runs/r")
    return tmp_path / "here/runs/r"


def test_two_workers_share_a_run_and_no_cell_is_done_twice(run: Path, whole: Path) -> None:
    folder = run.parents[1]
    words = ("work", "r", "-j", "1")
    started = console.start(folder, *words)
    other = asked(folder, *words).stdout
    output, _ = started.communicate()
    begun = [line for line in (output + other).splitlines() if line.endswith("started")]
    assert len(begun) == len(set(begun)) == 4
    assert stored(run) == stored(whole)
    assert "4 of 4 cells done" in output and "4 of 4 cells done" in other


def test_cells_one_by_one_are_the_same_run(run: Path, whole: Path) -> None:
    specs = read_plan(run)
    (run.parents[1] / "spec.json").write_text(
        json.dumps(json.loads((run / "plan.json").read_text(encoding="utf-8"))[0])
    )
    folder = run.parents[1]
    for name in ("spec.json", specs[1].fingerprint[:9], "fold-in 0", "fold-in 1"):
        assert "1 of 1 cells done" in asked(folder, "cell", name, "--run", "r").stdout
    assert stored(run) == stored(whole)
    assert "0 of 1 cells left" in asked(folder, "cell", "fold-in 0", "--run", "r").stdout


def test_a_second_run_of_the_same_grid_shares_the_first_ones_work(run: Path, whole: Path) -> None:
    folder = run.parents[1]
    started = console.start(folder, "work", "r", "-j", "1")
    console.until_begun(started)
    output = asked(folder, *GRID).stdout
    started.communicate()
    assert "by another worker" in output and stored(run) == stored(whole)


def test_a_killed_workers_cell_is_taken_over_at_once(run: Path, whole: Path) -> None:
    folder = run.parents[1]
    started = console.start(folder, "work", "r", "-j", "2")
    console.until(lambda: list((run / "cells").glob(".*")), 60)
    os.killpg(started.pid, signal.SIGKILL)
    started.communicate()
    status = statuses.Status.read(run)
    assert not any(cell.alive for cell in status.running)
    asked(folder, "work", "r", "-j", "2")
    assert stored(run) == stored(whole)


def test_a_cell_whose_claim_was_lost_is_dropped_and_waited_for(run: Path, whole: Path) -> None:
    # the other worker has it on a machine that is gone: it expires only once it was not touched
    folder, specs = run.parents[1], read_plan(run)
    with claims.Claims(run) as other:
        assert other.take(specs[0].fingerprint)
        started = console.start(folder, "work", "r", "-j", "2")
        for line in started.stdout:
            if line.startswith("[3/"):
                break
        assert read_cells(run, specs[:1])[0].status == "missing"
    output, _ = started.communicate()
    assert stored(run) == stored(whole) and "item-bias seed 0: started" in output


def test_status_says_what_runs_where_what_is_left_and_what_is_done(run: Path, whole: Path) -> None:
    specs = read_plan(run)
    shutil.copytree(whole / "cells" / specs[1].fingerprint, run / "cells" / specs[1].fingerprint)
    with claims.Claims(run, jobs=2) as worker:
        worker.take(specs[0].fingerprint)
        partial = run / "cells" / f".{specs[0].fingerprint}-{worker.name}"
        partial.mkdir()
        (partial / ".begun").touch()
        (partial / ".stage").write_text("adapt           ")
        begun = time.time() - 100
        os.utime(partial / ".begun", (begun, begun))
        status = json.loads(asked(run.parents[1], "status", "r", "--json").stdout)
    assert status["counts"] == {"done": 1, "missing": 3, "running": 1}
    (cell,) = status["running"]
    shown = [cell[key] for key in ("cell", "stage", "pid")]
    assert shown == [specs[0].fingerprint, "adapt", os.getpid()]
    assert 99 < cell["seconds"] < 160
    assert status["left"] == [spec.fingerprint for spec in specs[2:]]
    assert status["seconds_left"] > 0


def test_parts_made_apart_are_merged_to_the_run_of_one_machine(tmp_path: Path, whole: Path) -> None:
    for number in (1, 2):
        grid = console.small_run("item-bias,fold-in", *SHORT, name=f"p{number}")
        asked(tmp_path, *grid, "--part", f"{number}/2")
    done = [
        sum(cell.status == "done" for cell in read_run(tmp_path / "runs" / name))
        for name in ("p1", "p2")
    ]
    assert sum(done) == 4
    output = asked(tmp_path, "merge", "p1", "p2", "-o", "both").stdout
    assert "4 of 4 cells done" in output
    assert stored(tmp_path / "both") == stored(whole)


def test_different_results_of_one_cell_are_named_and_nothing_is_written(
    tmp_path: Path, whole: Path
) -> None:
    other = shutil.copytree(whole, tmp_path / "other")
    spec = read_plan(other)[2]
    cell = other / "cells" / spec.fingerprint
    (cell / "scores.parquet").write_bytes((cell / "swapped.parquet").read_bytes())
    fake_run.reseal(cell)
    with pytest.raises(UserError, match=r"fold-in seed 0: scores\.parquet differs"):
        merging.merge([whole, other], tmp_path / "both")
    assert not (tmp_path / "both").exists()


def test_runs_of_different_grids_are_not_merged(tmp_path: Path, whole: Path) -> None:
    other = shutil.copytree(whole, tmp_path / "other")
    plan = json.loads((other / "plan.json").read_text(encoding="utf-8"))
    (other / "plan.json").write_text(json.dumps(plan[:-1]))
    with pytest.raises(UserError, match=r"is in the plan of .* alone"):
        merging.merge([whole, other], tmp_path / "both")


def test_a_cell_that_is_done_somewhere_is_taken_before_one_that_failed(
    tmp_path: Path, whole: Path
) -> None:
    other = shutil.copytree(whole, tmp_path / "other")
    cell = other / "cells" / read_plan(other)[0].fingerprint
    shutil.rmtree(cell)
    partial = cell.with_name(".failed")
    partial.mkdir()
    failed = {"status": "failed", "stage": "load", "reason": "out of luck", "facts": {}}
    store.seal(partial, RECORD, failed, cell)
    cells = merging.merge([other, whole], tmp_path / "both")
    assert [one.status for one in cells] == ["done"] * 4


def test_a_worker_with_other_libraries_is_refused_in_one_line(run: Path) -> None:
    plan = json.loads((run / "plan.json").read_text(encoding="utf-8"))
    for spec in plan:
        spec["versions"]["torch"] = "1.0"
    (run / "plan.json").write_text(json.dumps(plan))
    error = asked(run.parents[1], "work", "r", code=2).stderr
    assert "was planned with torch 1.0" in error and error.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("work", "nowhere"), "is no run"),
        (("status", "nowhere"), "is no run"),
        (("cell", "maml", "--run", "r"), "names no cell"),
        (("merge", "r", "-o", "both"), "two runs or more"),
        (("merge", "r", "runs/r", "-o", "both"), "each once"),
        ((*GRID, "--part", "3/2"), "1/3 is the first of three"),
        ((*GRID, "--executor", "slrum"), "did you mean 'slurm'"),
        ((*GRID, "--set", "resources.default.minute=3"), "did you mean 'minutes'"),
        ((*GRID, "--set", "resources.default.cpus=many"), "resources.default.cpus"),
    ],
)
def test_bad_input_is_one_line_that_says_what_would_be_right(
    run: Path, words: tuple[str, ...], line: str
) -> None:
    error = asked(run.parents[1], *words, code=2).stderr
    assert line in error and error.count("\n") == 1
