"""Runs: whatever a method or the machine does, no cell is torn, lost or taken twice."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from coldbench.cell import Cell, read_run
from coldbench.errors import UserError
from tests.console import SCRIPT, asked, ran, script, small_run, stored, until

BROKEN = Path(__file__).parents[1] / "broken.py"


def run_of(methods: str, *more: str, seeds: str = "[0]") -> list[str]:
    return small_run(methods, "--no-timing", "--set", f"seeds={seeds}", *more)


def broken(how: str) -> list[str]:
    return ["--include", str(BROKEN), "--set", f"params.broken.how={how}"]


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Three methods, two seeds, one process at a time."""
    folder = tmp_path_factory.mktemp("reference")
    asked(folder, *run_of("item-bias,fold-in,ridge", "-j", "1", seeds="[0,1]"))
    return stored(folder / "runs/r")


@pytest.mark.slow
def test_a_run_does_its_cells_and_a_second_one_nothing(
    tmp_path: Path, reference: dict[str, bytes]
) -> None:
    words = run_of("item-bias,fold-in,ridge", "-j", "2", seeds="[0,1]")
    asked(tmp_path, *words)
    cells = read_run(tmp_path / "runs/r")
    assert [cell.status for cell in cells] == ["done"] * 6
    assert stored(tmp_path / "runs/r") == reference, "-j changed a number"
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "runs/r/cells").rglob("*")}
    assert "0 to run" in asked(tmp_path, *words).stdout
    assert {path: path.stat().st_mtime_ns for path in before} == before


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_cells_process_begins_deaf_to_sigint_and_with_what_each_cell_asks_for(
    tmp_path: Path,
) -> None:
    # multiprocessing's resource tracker unblocks it: a cell that Ctrl-C met as it began was lost
    child = (
        "import gc, json, sys\n"
        "status = open('/proc/self/status').read()\n"
        "found = [status, gc.get_freeze_count(), sorted(sys.modules)]\n"
        "json.dump(found, open('found', 'w'))\n"
    )
    code = (
        "from coldbench.benchmarks import processes\n"
        "if __name__ == '__main__':\n"
        f"    processes.start(processes.context(), exec, {child!r}).join(60)\n"
    )
    (tmp_path / "script.py").write_text(code)
    ran(sys.executable, "script.py", cwd=tmp_path)
    status, frozen, loaded = json.loads((tmp_path / "found").read_text())
    mask = int(re.findall(r"SigBlk:\s*(\w+)", status)[0], 16)
    assert mask >> (signal.SIGINT - 1) & 1
    assert frozen > 1e5, "a child's collector would copy what is shared"
    assert "torch" in loaded and "torch._dynamo" not in loaded, "of a run of few methods"


@pytest.mark.slow
def test_ctrl_c_ends_after_the_running_cell_and_says_how_to_go_on(tmp_path: Path) -> None:
    words = run_of("item-bias,fold-in,ridge", "-j", "1", seeds="[0,1,2,3]")
    started = script(tmp_path, *words)
    assert started.stdout
    for line in started.stdout:
        if line.startswith("[1/"):
            break
    until(lambda: list((tmp_path / "runs/r/cells").glob(".*")), 60)  # the next one has begun
    os.killpg(started.pid, signal.SIGINT)
    _, errors = started.communicate(timeout=120)
    assert started.returncode == 130
    assert "the same command goes on" in errors and "Traceback" not in errors
    statuses = [cell.status for cell in read_run(tmp_path / "runs/r")]
    assert statuses.count("done") >= 2, "the running cell was lost"
    assert "missing" in statuses


@pytest.mark.slow
def test_a_method_that_breaks_is_a_row_with_its_reason_and_others_go_on(tmp_path: Path) -> None:
    reasons = {  # tests/attacks has all others
        "shape": ("failed", "score", "shape"),
        "unavailable": ("unavailable", "meta-train", "not installed"),
    }
    words = ["--include", str(BROKEN)]
    for how in reasons:
        words += ["-m", f"broken:{how}", "--set", f"params.broken:{how}.how={how}"]
    asked(tmp_path, *run_of("constant", *words), code=1)
    constant, *broken = read_run(tmp_path / "runs/r")
    assert constant.status == "done"
    for cell, (status, stage, reason) in zip(broken, reasons.values(), strict=True):
        assert (cell.status, cell.stage) == (status, stage) and reason in cell.reason


@pytest.mark.slow
def test_a_failed_cell_is_run_again_only_when_asked(tmp_path: Path) -> None:
    words = run_of("broken", *broken("raise"))
    asked(tmp_path, *words, code=1)
    assert "1 cells, 0 to run" in asked(tmp_path, *words, code=1).stdout
    again = asked(tmp_path, *words, "--retry-failed", code=1).stdout
    assert "broken seed 0: failed" in again


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nobody is told of a parent's death")
def test_a_child_that_a_method_starts_while_it_is_planned_ends_with_a_killed_run(
    tmp_path: Path,
) -> None:
    source = BROKEN.read_text(encoding="utf-8")
    start = "subprocess.run(['sleep', '600'])  # and waits"
    waiting = tmp_path / "broken.py"
    constructed = (
        f"    def __post_init__(self) -> None:\n        import subprocess\n        {start}\n"
    )
    waiting.write_text(source.replace("    how: str", f"{constructed}\n    how: str", 1))
    with subprocess.Popen(
        [SCRIPT, *run_of("broken", "--include", str(waiting))], cwd=tmp_path
    ) as run:
        parent = psutil.Process(run.pid)

        def started() -> list[psutil.Process]:
            return [p for p in parent.children(recursive=True) if p.name() == "sleep"]

        until(started, 60)
        children = started()
        run.kill()
    _, alive = psutil.wait_procs(children, 10)
    assert not alive


@pytest.mark.slow
def test_two_runs_in_one_folder_do_not_meet(tmp_path: Path) -> None:
    hang = [*broken("hang"), "--timeout", "20"]
    with subprocess.Popen(
        [SCRIPT, *run_of("broken", *hang)], cwd=tmp_path, stdout=subprocess.PIPE, text=True
    ) as first:
        assert first.stdout
        first.stdout.readline()
        time.sleep(1.5)
        second = asked(tmp_path, *run_of("constant"), code=2)
        assert "another run is at work here" in second.stderr
        first.send_signal(signal.SIGINT)
        first.send_signal(signal.SIGINT)
        time.sleep(0.2)
        first.send_signal(signal.SIGINT)
        first.wait(60)


@pytest.mark.slow
def test_limit_judges_so_many_users_and_full_ranking_counts_candidates(tmp_path: Path) -> None:
    asked(tmp_path, *run_of("popularity", "--limit", "3", "--set", "protocol.candidates=all"))
    (cell,) = read_run(tmp_path / "runs/r")
    scores = cell.scores()
    assert scores["user"].n_unique() == 3 and cell.spec.limit == 3
    assert set(scores["candidates"]) == {200 - 4}  # all items but the longest support's
    assert (scores["above"] + scores["tied"] <= scores["candidates"]).all()
    assert (scores["tied"] >= 1).all()
    top = Cell.read(cell.spec, cell.folder).folder / "top.parquet"
    assert top.is_file()


def test_a_missing_run_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="coldbench run"):
        read_run(tmp_path)
